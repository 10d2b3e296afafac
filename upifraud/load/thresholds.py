"""What a load test must keep, what it measured, and which of it was missed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upifraud.load.over_http import HttpMeasured


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Bounds, each inclusive; None is not asked for."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    """Over HTTP."""
    p99_ms: float | None = None
    max_lag: int | None = None
    """Records behind, over all workers, at any look."""
    max_lag_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load test came to, the warm-up left out."""

    asked_rate: float
    rate: float
    """Payments a second as they were published."""
    published: int
    """Payments sent and acknowledged, warm-up included."""
    done: int
    """Of them, finished by the workers when the waiting ended."""
    dead_letters: int
    failed: int
    """Payments that Kafka did not take."""
    p50_ms: float | None
    p99_ms: float | None
    """From a payment's schedule to all of its effects done; None if nothing was measured."""
    lag: int
    lag_seconds: float
    """The most at any look."""
    late_p99_ms: float
    """How late the switch itself was: a rate that it cannot keep says nothing of the worker."""
    restarts: int
    """Times that a worker's counters began anew."""
    stopped: bool = False


LATE_MS = 100.0
"""A switch later than this at p99 did not offer the load that was asked for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold and how it came out."""

    name: str
    expected: str
    came: str
    kept: bool


def checks(measured: Measured, thresholds: Thresholds) -> Iterator[Check]:
    """Yield every check in the order in which a reader asks: was it a test at all, was it whole, was it fast enough."""
    yield Check("run to its end", "yes", "no" if measured.stopped else "yes", not measured.stopped)
    yield _at_most("switch late (p99)", measured.late_p99_ms, LATE_MS, "ms")
    yield _at_most("not taken by Kafka", measured.failed, 0, "payments")
    yield _at_most("worker restarts", measured.restarts, 0, "")
    yield _at_most("not finished", measured.published - measured.done, 0, "payments")
    yield _at_most("dead letters", measured.dead_letters, 0, "")
    for name, came, bound, unit in (
        ("latency (p50)", measured.p50_ms, thresholds.p50_ms, "ms"),
        ("latency (p99)", measured.p99_ms, thresholds.p99_ms, "ms"),
        ("lag (most)", measured.lag, thresholds.max_lag, "records"),
        ("lag (most)", measured.lag_seconds, thresholds.max_lag_seconds, "s"),
    ):
        if bound is not None:
            yield _at_most(name, came, bound, unit)


ANSWERED = frozenset({"200", "202"})
"""Statuses of a payment that was decided, or will be."""


def http_checks(measured: HttpMeasured, thresholds: Thresholds) -> Iterator[Check]:
    """Yield every check of a load test over HTTP, in the same order."""
    yield Check("run to its end", "yes", "no" if measured.stopped else "yes", not measured.stopped)
    if measured.late_p99_ms is not None:
        yield _at_most("posts late (p99)", measured.late_p99_ms, LATE_MS, "ms")
    # Without a post that ended in the time nothing was tested.
    yield Check("posts", "at least 1", f"{measured.posted:,}", measured.posted > 0)
    answered = sum(measured.statuses.get(status, 0) for status in ANSWERED)
    yield _at_most("neither 200 nor 202", measured.posted - answered, 0, "posts")
    for name, came, bound in (
        ("time (p50)", measured.p50_ms, thresholds.p50_ms),
        ("time (p95)", measured.p95_ms, thresholds.p95_ms),
        ("time (p99)", measured.p99_ms, thresholds.p99_ms),
    ):
        if bound is not None:
            yield _at_most(name, came, bound, "ms")


def _at_most(name: str, came: float | None, bound: float, unit: str) -> Check:
    # What was not measured is not kept: a worker that finished nothing has no latency.
    shown = "nothing measured" if came is None else f"{came:,.6g} {unit}".strip()
    return Check(name, f"at most {bound:,.6g} {unit}".strip(), shown, came is not None and came <= bound)
