"""`python -m bench.ranking` compares how frauds are ranked, before and now, and what each new part is worth.

Results are written history by history, and what is there already is not made again. `--report` makes the tables and
the plot of docs/ranking.md of them.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from bench.parts import say
from bench.ranking import checkouts
from bench.ranking.histories import KINDS, Sizes
from bench.ranking.run import Bench
from bench.ranking.variants import PARTS

RESULTS = Path("bench/results/ranking.jsonl")
COMMIT = "d8df0f6"


def main() -> None:
    """Measure, or report."""
    usual = Sizes()
    parser = argparse.ArgumentParser(prog="python -m bench.ranking", description=__doc__)
    parser.add_argument(
        "directory", type=Path, nargs="?", help="where the earlier work tree and the histories are made"
    )
    parser.add_argument("--commit", default=COMMIT, help="the commit to compare with (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=["main"],
        help="main: before and now; without, alone: now without each group of features, before with it alone; "
        "training: now with each setting of before; tried: now with other settings; doubtful: now without a group that "
        "helps on one kind and hurts on another (%(default)s)",
    )
    parser.add_argument("--payers", type=int, default=usual.payers, help="people who pay (%(default)s)")
    parser.add_argument(
        "--both", action="store_true", help="let the earlier code measure, too, and compare its vectors bit for bit"
    )
    parser.add_argument("--keep", action="store_true", help="leave the histories there for further parts")
    parser.add_argument("--results", type=Path, default=RESULTS, help="lines are added to it (%(default)s)")
    parser.add_argument(
        "--report", type=Path, help="write tables and plot of the results into this page, measure nothing"
    )
    options = parser.parse_args()
    if options.report is not None:
        from bench.ranking.report import write_report

        write_report(options.results, options.report)
        return
    if options.directory is None:
        parser.error("expected a directory for histories, or --report with a page")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.directory.mkdir(parents=True, exist_ok=True)
    before = checkouts.earlier(options.commit, options.directory.absolute() / f"before-{options.commit}")
    bench = Bench(
        checkouts.here(), before, Sizes(payers=options.payers), options.directory.absolute(), options.results, say
    )
    for seed in options.seeds:
        for kind in options.kinds:
            bench.rank(kind, seed, options.parts, measured_by_both=options.both)
            if not options.keep:
                bench.forget(kind, seed)


if __name__ == "__main__":
    main()
