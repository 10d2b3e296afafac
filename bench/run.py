"""What is counted of a whole job at a moment, and what happened between two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.load import Punctuality


@dataclass
class Look:
    """Everything that is counted, at one moment."""

    at: float
    consumed: float
    stage_cpu: dict[str, float]
    latency: list[tuple[float, float]]
    """Upper bound and cumulative count of the workers' end-to-end histograms."""
    cpu: dict[str, float]
    lag: float
    """Records published and not done."""
    threads: dict[str, dict[int, float]] = field(default_factory=dict)
    busy: float = 0.0
    """CPU seconds of all cores, whoever used them."""
    stolen: float = 0.0
    stored: dict[str, int] = field(default_factory=dict)
    """Bytes in Redis and Postgres."""


@dataclass
class Run:
    """What happened between two looks."""

    name: str
    payments: int
    seconds: float
    us: dict[str, float]
    """CPU microseconds a payment, by process."""
    stage_us: dict[str, float]
    latency_ms: dict[str, float] = field(default_factory=dict)
    """Quantiles of the workers' own end-to-end histograms, interpolated within their buckets."""
    lags: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the first look, and the records that waited then."""
    wanted: float | None = None
    """Payments a second of the schedule; None for a backlog."""
    cores: dict[str, float] = field(default_factory=dict)
    """Cores in use by process; `others` are of nobody that is measured."""
    busiest: dict[str, float] = field(default_factory=dict)
    """Share of a core that a process's busiest thread used: near 1 it can do no more."""
    stolen: float = 0.0
    """Cores that the host took away."""
    stored: dict[str, float] = field(default_factory=dict)
    """Bytes a payment in Redis and Postgres."""
    memory: dict[str, int] = field(default_factory=dict)
    """Resident bytes at the end, what is shared counted once."""
    punctuality: Punctuality | None = None
    observed: dict[str, Any] = field(default_factory=dict)
    """What the observer saw: HDR histograms of alerts and verdicts."""
    accounted: dict[str, int] = field(default_factory=dict)
    """Records that were ever published, and verdicts that are stored."""

    @property
    def rate(self) -> float:
        """Payments a second."""
        return self.payments / self.seconds


def between(name: str, first: Look, last: Look) -> Run:
    """Return the difference of two looks."""
    payments, seconds = max(1, int(last.consumed - first.consumed)), max(last.at - first.at, 1e-9)
    used = {one: cpu - first.cpu.get(one, 0.0) for one, cpu in last.cpu.items()}
    stages = {one: (last.stage_cpu[one] - first.stage_cpu.get(one, 0.0)) / payments * 1e6 for one in last.stage_cpu}
    earlier = dict(first.latency)
    counts = [(bound, count - earlier.get(bound, 0.0)) for bound, count in last.latency]
    shares = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)) if counts else ()
    busiest = {
        one: max((cpu - first.threads.get(one, {}).get(thread, 0.0) for thread, cpu in threads.items()), default=0.0)
        / seconds
        for one, threads in last.threads.items()
    }
    others = last.busy - first.busy - sum(used.values())
    return Run(
        name,
        payments,
        seconds,
        us={one: cpu / payments * 1e6 for one, cpu in used.items()},
        stage_us=stages,
        latency_ms={label: _quantile(counts, share) * 1e3 for label, share in shares},
        cores={one: cpu / seconds for one, cpu in used.items()} | {"others": max(0.0, others / seconds)},
        busiest=busiest,
        stolen=(last.stolen - first.stolen) / seconds,
        stored={one: (size - first.stored.get(one, 0)) / payments for one, size in last.stored.items()},
    )


def _quantile(counts: list[tuple[float, float]], share: float) -> float:
    wanted = share * counts[-1][1]
    below, start = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            inside = count - below
            return (
                start
                if bound == float("inf")
                else start + (bound - start) * ((wanted - below) / inside if inside else 1)
            )
        below, start = count, bound
    return start
