"""Parts of one long run: each is announced, timed, kept as it ends, and able to fail without losing the others."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Part:
    """Something to measure; `run` returns what goes into the raw results, as JSON takes it."""

    name: str
    about: str
    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a part ended: with results, with the words in which it failed, or with both where only some of it did."""

    name: str
    seconds: float
    result: Any = None
    error: str | None = None


class PartlyFailedError(RuntimeError):
    """Some of a part failed, and the rest has a result that must not be lost."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


def run_parts(
    parts: Sequence[Part],
    *,
    say: Callable[[str], None],
    clock: Callable[[], float],
    keep: Callable[[Finished], None] = lambda _finished: None,
) -> list[Finished]:
    """Run the parts in order; one that fails is named and the rest goes on. `keep` is given each as it ends.

    KeyboardInterrupt ends the run; what was kept until then is kept.
    """
    began, done = clock(), []
    for number, part in enumerate(parts, 1):
        started = clock()
        say(f"\n[{number}/{len(parts)}, {_minutes(started - began)}] {part.name}: {part.about}")
        try:
            finished = Finished(part.name, 0.0, part.run())
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts' results must not be lost
            say("".join(traceback.format_exception(error)).rstrip())
            rest = error.result if isinstance(error, PartlyFailedError) else None
            finished = Finished(part.name, 0.0, rest, f"{type(error).__name__}: {error}")
        finished = Finished(part.name, clock() - started, finished.result, finished.error)
        how = "done" if finished.error is None else "FAILED"
        say(f"[{number}/{len(parts)}, {_minutes(clock() - began)}] {part.name} {how} in {finished.seconds:.0f} s")
        done.append(finished)
        keep(finished)
    return done


def verdict(done: Sequence[Finished]) -> str:
    """Return the last line of a run: how long it took, and every part that failed with its message."""
    total = sum(one.seconds for one in done)
    failed = [one for one in done if one.error is not None]
    lines = [f"{len(done) - len(failed)} of {len(done)} parts done in {_minutes(total)}"]
    lines += [f"FAILED {one.name}: {(one.error or '').splitlines()[0]}" for one in failed]
    return "\n".join(lines)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


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

    done = run_parts(wanted, say=say, clock=time.monotonic, keep=keep)
    say(f"\n{verdict(done)}")
    if path:
        say(f"raw results: {path}")
    return 1 if any(one.error is not None for one in done) else 0
