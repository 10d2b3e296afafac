"""`python -m bench.peers NAME` runs a peer until SIGTERM; `python -m bench.peers compare` measures all of them."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from bench.peers.contestant import PEERS, WORKER


def main() -> None:
    """Run one peer, or compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    for name in PEERS:
        peer = commands.add_parser(name, help="run it with the settings of the environment, as `upifraud worker`")
        peer.add_argument("--progress", type=Path, help="count in this file: 64-bit numbers of payments and outcomes")
    comparing = commands.add_parser("compare", help="measure the worker and its peers in one run")
    comparing.add_argument("names", nargs="*", choices=[[], WORKER, *PEERS], help="default: all")
    comparing.add_argument("--payments", type=int, default=400_000, help="of the backlog (default %(default)s)")
    comparing.add_argument("--payers", type=int, default=4_000)
    comparing.add_argument(
        "--seconds", type=float, default=20.0, help="measured at most, of each (default %(default)s)"
    )
    comparing.add_argument("--warm-up", type=float, default=3.0, help="seconds before (default %(default)s)")
    comparing.add_argument("--rounds", type=int, default=3)
    comparing.add_argument("--json", type=Path, help="write the raw results there")
    options = parser.parse_args()
    if options.name == "compare":
        compare(options)
    else:
        run(options.name, options.progress or Path(tempfile.mkdtemp(prefix="upifraud-bench-")) / "progress")


def compare(options: argparse.Namespace) -> None:
    """Measure on servers of our own and print."""
    from bench.peers import compare as comparison
    from bench.peers.facts import facts

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped, as by SIGINT
    known = facts()
    print(f"machine-speed index {known['index']:.2f} s, load average {known['load']:.1f}, {known['cores']} cores")
    with comparison.own_servers() as servers:
        results = comparison.run(
            servers,
            options.names or (WORKER, *PEERS),
            backlog=comparison.Backlog(options.payments, options.payers),
            seconds=options.seconds,
            warm_up=options.warm_up,
            rounds=options.rounds,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    print(comparison.table(results))
    if options.json:
        comparison.write_json(options.json, results, known)


def run(name: str, progress: Path) -> None:
    """Run one peer."""
    from bench.peers.parts import Parts

    parts = Parts.from_environment(progress)
    if name == "textbook":
        from bench.peers import textbook

        textbook.run(parts)
    elif name.startswith("quix"):
        from bench.peers import quix

        quix.run(parts, compiled=name == "quix-compiled")
    else:
        from bench.peers import plain_loop

        plain_loop.run(parts, single=name == "plain-single")


if __name__ == "__main__":
    main()
