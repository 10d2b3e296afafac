"""`python -m bench.peers NAME` runs a peer until SIGTERM; `python -m bench.peers compare` measures them."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

NAMES = ("textbook", "quix", "quix-compiled", "plain", "plain-single")


def main() -> None:
    """Run one peer, or compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--progress", type=Path, help="file to count in; two 64-bit numbers: payments, outcomes")
    options = parser.parse_args()
    run(options.name, options.progress or Path(tempfile.mkdtemp(prefix="upifraud-bench-")) / "progress")


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
