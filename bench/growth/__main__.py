"""`python -m bench.growth` prints how the cost of a payment grows; `--full` goes to five million entities."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from bench import results
from bench.growth import suite


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *suite.KINDS], help="default: all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="to the end of every scale; takes a quarter of an hour")
    size.add_argument("--tiny", action="store_true", help="only to see that it works")
    parser.add_argument("--json", type=Path, help="write the raw results there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found, began = results.begin(), time.monotonic()
    print(f"machine-speed index {found['machine']['index']:.2f} s, load average {found['machine']['load']:.1f}")
    sizes = suite.FULL if options.full else suite.TINY if options.tiny else suite.Sizes()
    found["parts"]["growth"] = suite.run(sizes, lambda line: print(line, flush=True), options.kinds or suite.KINDS)
    found["seconds"]["growth"] = time.monotonic() - began
    if options.json:
        results.write(options.json, found)


if __name__ == "__main__":
    main()
