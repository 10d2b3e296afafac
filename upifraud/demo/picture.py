"""A picture: everything that is shown at one moment, and nothing about how."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from stream.steps import Step
from upifraud.demo.reading import Reading

if TYPE_CHECKING:
    from stream.wire import Alert
    from upifraud.demo.course import Course
    from upifraud.demo.marks import Marks
    from upifraud.demo.plan import Plan


class Phase(StrEnum):
    """What the demo is doing."""

    STARTING = "starting"
    WARMING_UP = "warming up"
    LIVE = "live"
    CATCHING_UP = "catching up"
    STOPPING = "stopping"


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
    marks: Marks | None = None
    """None before the live traffic."""
    notes: tuple[str, ...] = ()
    """What was said of the start, the newest last."""


def latency_of(course: Course) -> Latency:
    """Return the latencies of the last seconds."""
    recent = course.end_to_end()
    if recent is None:
        return Latency()
    means = ((name, buckets.mean) for name in Step if (buckets := course.stage(name)) is not None)
    return Latency(
        recent.quantile(0.5), recent.quantile(0.99), tuple((name, mean) for name, mean in means if mean is not None)
    )
