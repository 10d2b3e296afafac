"""A picture: everything that is shown at one moment, and nothing about how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from simulator.timeline import DAY_MS
from stream.steps import Step
from upifraud.demo.quality import Quality, quality_of
from upifraud.demo.reading import Reading
from upifraud.demo.run import Phase

if TYPE_CHECKING:
    from stream.wire import Alert
    from upifraud.demo.plan import Plan
    from upifraud.demo.quality import Quality
    from upifraud.demo.run import DemoRun
    from upifraud.demo.traffic import DemoTraffic
    from upifraud.demo.watcher import Course


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase has come: `share` from 0 to 1, and in words."""

    share: float
    words: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds; None where there is nothing to tell."""

    p50: float | None = None
    p99: float | None = None
    stages: tuple[tuple[str, float], ...] = ()
    """Mean of each stage a micro-batch."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown."""

    plan: Plan
    phase: Phase
    elapsed: float
    """Seconds since the demo began."""
    kafka: str = ""
    """Which broker it is; empty until it is known."""
    progress: Progress | None = None
    simulated_ms: int | None = None
    """Event time that the worker has come to, epoch milliseconds."""
    sent: int = 0
    """Records that the switch has sent to the transactions topic."""
    reading: Reading = field(default_factory=lambda: Reading(0.0))
    rate: float = 0.0
    rates: tuple[float, ...] = ()
    """Records a second, the oldest first."""
    latency: Latency = field(default_factory=Latency)
    alerts: tuple[Alert, ...] = ()
    """The newest first."""
    quality: Quality | None = None
    """None before the live traffic."""
    notes: tuple[str, ...] = ()
    """What was said of the start, the newest last."""
    api: str = ""
    """Where the API is and how to call it; empty while it does not answer."""


def latency_of(course: Course) -> Latency:
    """Return the latencies of the last seconds."""
    recent = course.end_to_end()
    if recent is None:
        return Latency()
    means = ((name, buckets.mean) for name in Step if (buckets := course.stage(name)) is not None)
    return Latency(
        recent.quantile(0.5), recent.quantile(0.99), tuple((name, mean) for name, mean in means if mean is not None)
    )


SPARK_STEPS = 240
"""Steps of the throughput's course that a picture holds; a view takes as many as it has room for."""


def picture_of(run: DemoRun, now: float, notes: tuple[str, ...] = ()) -> Picture:
    """Return what is to be shown at `now` (monotonic seconds)."""
    watcher, traffic = run.watcher, run.traffic
    begun = Picture(
        plan=run.plan,
        phase=run.phase,
        elapsed=now - run.began,
        kafka=run.kafka,
        alerts=run.alerts.newest(),
        notes=notes,
        api=run.api_said,
    )
    if watcher is None or traffic is None:
        return begun
    with watcher.lock:
        course = watcher.course
        reading = course.last or Reading(now)
        rate, rates, latency = course.rate(), tuple(course.rates(SPARK_STEPS)), latency_of(course)
    simulated_ms = simulated_time(traffic, reading.judged)
    return replace(
        begun,
        progress=_progress(run, traffic, simulated_ms, now),
        simulated_ms=simulated_ms,
        sent=traffic.records,
        reading=reading,
        rate=rate,
        rates=rates,
        latency=latency,
        quality=live_quality(run, reading),
    )


def live_quality(run: DemoRun, reading: Reading) -> Quality | None:
    """Return the quality of the live traffic's verdicts as of a reading; None before it."""
    traffic, before = run.traffic, run.before_live
    if traffic is None or before is None or traffic.live_since_ms is None:
        return None
    flagged = run.alerts.since(traffic.live_since_ms)
    return quality_of(traffic.live_truth.frauds(), flagged, reading.judged - before.judged)


def simulated_time(traffic: DemoTraffic, judged: int) -> int | None:
    """Return the event time (epoch ms) that verdicts have come to, about; None before the first."""
    warmed = traffic.warm_up_truth.payments
    if judged <= warmed:
        return traffic.warm_up_truth.time_of(judged)
    return traffic.live_truth.time_of(judged - warmed)


def _progress(run: DemoRun, traffic: DemoTraffic, simulated_ms: int | None, now: float) -> Progress | None:
    plan = run.plan
    match run.phase:
        case Phase.WARMING_UP:
            days = ((simulated_ms or traffic.start_ms) - traffic.start_ms) / DAY_MS
            share = min(1.0, days / plan.warm_up_days) if plan.warm_up_days else 1.0
            return Progress(share, f"{days:.0f} of {plan.warm_up_days} days")
        case Phase.LIVE:
            passed = min(now - run.phase_began, plan.seconds)
            return Progress(passed / plan.seconds, f"{passed:.0f} of {plan.seconds:.0f} s")
        case _:
            return None
