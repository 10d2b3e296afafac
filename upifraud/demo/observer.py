"""Sees a performance from outside: the picture of what it is doing now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.timeline import DAY_MS
from upifraud.demo.marks import Marks, mark
from upifraud.demo.picture import Phase, Picture, Progress, latency_of
from upifraud.demo.reading import Reading

if TYPE_CHECKING:
    from upifraud.demo.performance import Performance
    from upifraud.demo.play import Play

SPARK_STEPS = 240
"""Steps of the throughput's course that a picture holds; a view takes as many as it has room for."""


def picture_of(performance: Performance, now: float, notes: tuple[str, ...] = ()) -> Picture:
    """Return what is to be shown at `now` (monotonic seconds)."""
    watcher, play = performance.watcher, performance.play
    begun = Picture(
        plan=performance.plan,
        phase=performance.phase,
        elapsed=now - performance.began,
        kafka=performance.kafka,
        alerts=performance.alerts.newest(),
        notes=notes,
    )
    if watcher is None or play is None:
        return begun
    with watcher.lock:
        course = watcher.course
        reading = course.last or Reading(now)
        rate, rates, latency = course.rate(), tuple(course.rates(SPARK_STEPS)), latency_of(course)
    simulated_ms = simulated_time(play, reading.judged)
    return Picture(
        plan=begun.plan,
        phase=begun.phase,
        elapsed=begun.elapsed,
        kafka=begun.kafka,
        progress=_progress(performance, play, simulated_ms, now),
        simulated_ms=simulated_ms,
        sent=play.records,
        reading=reading,
        rate=rate,
        rates=rates,
        latency=latency,
        alerts=begun.alerts,
        marks=marks_of(performance, reading),
        notes=notes,
    )


def marks_of(performance: Performance, reading: Reading) -> Marks | None:
    """Return the marks of the live traffic's verdicts as of a reading; None before it."""
    play, before = performance.play, performance.before_live
    if play is None or before is None or play.live_since_ms is None:
        return None
    flagged = performance.alerts.since(play.live_since_ms)
    return mark(play.live_truth.frauds(), flagged, reading.judged - before.judged)


def simulated_time(play: Play, judged: int) -> int | None:
    """Return the event time (epoch ms) that verdicts have come to, about; None before the first."""
    warmed = play.warm_up_truth.payments
    if judged <= warmed:
        return play.warm_up_truth.time_of(judged)
    return play.live_truth.time_of(judged - warmed)


def _progress(performance: Performance, play: Play, simulated_ms: int | None, now: float) -> Progress | None:
    plan = performance.plan
    match performance.phase:
        case Phase.WARMING_UP:
            days = ((simulated_ms or play.start_ms) - play.start_ms) / DAY_MS
            share = min(1.0, days / plan.warm_up_days) if plan.warm_up_days else 1.0
            return Progress(share, f"{days:.0f} of {plan.warm_up_days} days")
        case Phase.LIVE:
            passed = min(now - performance.phase_began, plan.seconds)
            return Progress(passed / plan.seconds, f"{passed:.0f} of {plan.seconds:.0f} s")
        case _:
            return None
