"""`python -m bench.growth` prints how the cost of a payment grows; `--full` goes to five million entities."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bench.growth import suite
from bench.parts import Part, measure, say


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *suite.KINDS], help="default: all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="to the end of every scale; takes a quarter of an hour")
    size.add_argument("--tiny", action="store_true", help="only to see that it works; the figures mean nothing")
    parser.add_argument("--json", type=Path, help="write the raw results there, curve by curve")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sizes = suite.FULL if options.full else suite.TINY if options.tiny else suite.Sizes()
    curves = suite.curves(sizes, say)
    wanted = [Part(f"growth, {kind}", "CPU us a payment", curves[kind]) for kind in options.kinds or suite.KINDS]
    sys.exit(measure(wanted, options.json))


if __name__ == "__main__":
    main()
