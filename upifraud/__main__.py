"""`python -m upifraud`: the same as `upifraud`."""

from __future__ import annotations

import sys

from upifraud.asked_to_stop import PROGRAM, heed_signals

if __name__ == "__main__":
    heed_signals(sys.argv[1:])
    from upifraud.cli import main

    main(prog_name=PROGRAM)
