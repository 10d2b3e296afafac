"""Measures parts one after the other and keeps what each finds as soon as it is found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench import parts, results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.parts import Finished, Part


def say(line: str) -> None:
    """Print at once: a run is long."""
    print(line, flush=True)


def measure(wanted: Sequence[Part], path: Path | None) -> int:
    """Run parts, keep what each finds as soon as it is found, and return the exit code."""
    found = results.begin()
    known = found["machine"]
    say(
        f"machine-speed index {known['index']:.2f} s for 3 million loop steps (a current laptop: 0.2), "
        f"load average {known['load']:.1f}, {known['cores']} cores, {known['cpu']}, commit {known['commit'][:10]}"
    )

    def keep(finished: Finished) -> None:
        found["seconds"][finished.name] = finished.seconds
        if finished.result is not None:
            found["parts"][finished.name] = finished.result
        if finished.error is not None:
            found["failed"][finished.name] = finished.error
        if path:
            results.write(path, found)

    done = parts.run_parts(wanted, say=say, clock=time.monotonic, keep=keep)
    say(f"\n{parts.verdict(done)}")
    if path:
        say(f"raw results: {path}")
    return 1 if any(one.error is not None for one in done) else 0
