"""`python -m bench.ablations` prints what each choice is worth as one table of ratios."""

from __future__ import annotations

import argparse
import json
import signal
from dataclasses import asdict
from pathlib import Path

from bench.ablations import suite
from bench.peers.facts import facts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ablations", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *suite.KINDS], help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=400_000, help="records that our transport drains (%(default)s)")
    parser.add_argument("--stock-records", type=int, default=30_000, help="that stock Faust drains (%(default)s)")
    parser.add_argument("--history", type=int, default=100_000, help="payments in Redis before (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the raw results there")
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped, as by SIGINT
    known = facts()
    print(f"machine-speed index {known['index']:.2f} s, load average {known['load']:.1f}, {known['cores']} cores")
    print(suite.HEAD)
    found = []
    for ablation in suite.run(
        options.kinds or suite.KINDS,
        rounds=options.rounds,
        records=options.records,
        stock_records=options.stock_records,
        history=options.history,
    ):
        found.append(ablation)
        print("\n".join(ablation.lines()), flush=True)
    if options.json:
        options.json.write_text(json.dumps({**known, "ablations": [asdict(one) for one in found]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
