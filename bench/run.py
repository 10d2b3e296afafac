"""What is counted of a whole job at a moment, and what happened between two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    rounds: float = 0.0
    """Micro-batches done."""
    kinds: dict[str, float] = field(default_factory=dict)
    """CPU seconds of the workers' threads, by what they do."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a run."""

    second: float
    """Its end, since the first look."""
    rate: float
    lag: float
    """Records that waited at its end."""
    latency_ms: dict[str, float]


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
    rounds: float = 0.0
    """Micro-batches a second."""
    threads: dict[str, float] = field(default_factory=dict)
    """CPU microseconds a payment of the workers' threads, by what they do."""
    slices: list[Slice] = field(default_factory=list)
    """The run in short stretches, one after the other."""

    @property
    def rate(self) -> float:
        """Payments a second."""
        return self.payments / self.seconds


def between(name: str, first: Look, last: Look) -> Run:
    """Return the difference of two looks."""
    payments, seconds = max(1, int(last.consumed - first.consumed)), max(last.at - first.at, 1e-9)
    used = {one: cpu - first.cpu.get(one, 0.0) for one, cpu in last.cpu.items()}
    stages = {one: (last.stage_cpu[one] - first.stage_cpu.get(one, 0.0)) / payments * 1e6 for one in last.stage_cpu}
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
        latency_ms=_latency_ms(first, last),
        cores={one: cpu / seconds for one, cpu in used.items()} | {"others": max(0.0, others / seconds)},
        busiest=busiest,
        stolen=(last.stolen - first.stolen) / seconds,
        stored={one: (size - first.stored.get(one, 0)) / payments for one, size in last.stored.items()},
        rounds=(last.rounds - first.rounds) / seconds,
        threads={one: (used - first.kinds.get(one, 0.0)) / payments * 1e6 for one, used in last.kinds.items()},
    )


def slices(looks: Sequence[Look], seconds: float = 10.0) -> list[Slice]:
    """Return a run in stretches of about so many seconds, whole looks each."""
    found, first = [], looks[0]
    for look in looks[1:]:
        if look.at - first.at >= 0.9 * seconds:
            rate = (look.consumed - first.consumed) / (look.at - first.at)
            found.append(Slice(look.at - looks[0].at, rate, look.lag, _latency_ms(first, look)))
            first = look
    return found


def _latency_ms(first: Look, last: Look) -> dict[str, float]:
    earlier = dict(first.latency)
    counts = [(bound, count - earlier.get(bound, 0.0)) for bound, count in last.latency]
    shares = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)) if counts else ()
    return {label: _quantile(counts, share) * 1e3 for label, share in shares}


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
