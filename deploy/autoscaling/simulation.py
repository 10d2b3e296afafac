"""Load, lag, pods and replicas through time, second by second, under a ScaledObject."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from deploy.autoscaling import hpa
from deploy.autoscaling.group import Group, Pace
from deploy.autoscaling.keda import KafkaTrigger, PrometheusTrigger, ScaledObject, ScaledObjectError, Trigger

if TYPE_CHECKING:
    from numpy.typing import NDArray

Load = Callable[[float], float]
"""Payments a second at a time in seconds."""

_RATE = re.compile(r"rate\((?:\w+:)?transactions_consumed_total\b[^\[]*\[(\d+)([sm])\]\)")
_UNITS = {"s": 1, "m": 60}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the settings meet: the topic, the pods, and how often who looks."""

    partitions: int
    pace: Pace
    sync_seconds: float = 15.0
    """--horizontal-pod-autoscaler-sync-period."""
    scrape_seconds: float = 15.0
    """How old what Prometheus knows can be."""


@dataclass(frozen=True, slots=True)
class Course:
    """What happened, one number a step."""

    seconds: NDArray[np.float64]
    load: NDArray[np.float64]
    lag: NDArray[np.float64]
    """Records, as KEDA sees them."""
    behind: NDArray[np.float64]
    """Age of the oldest payment that waits, in seconds."""
    replicas: NDArray[np.int64]
    """As the Deployment has it."""
    working: NDArray[np.int64]
    """Pods in the group."""


@dataclass(slots=True)
class _Pods:
    """Pods by number, and when each joins the group."""

    pace: Pace
    joins_at: dict[int, float] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)
    _next: int = 0

    def scale(self, replicas: int, now: float, *, started: bool = False) -> None:
        """Make or take away pods; those that came last go first, as the ReplicaSet controller has it."""
        while len(self.joins_at) < replicas:
            self.joins_at[self._next] = now if started else now + self.pace.start_seconds
            self._next += 1
        for pod in sorted(self.joins_at)[replicas:]:
            del self.joins_at[pod]

    def changed(self, now: float) -> bool:
        """Tell whether others are members now."""
        members = [pod for pod, at in self.joins_at.items() if at <= now]
        changed, self.members = members != self.members, members
        return changed


def simulate(
    scaled: ScaledObject,
    cluster: Cluster,
    load: Load,
    seconds: float,
    *,
    step: float = 1.0,
    outage: tuple[float, float] | None = None,
    replicas: int | None = None,
    waiting: float = 0.0,
) -> Course:
    """Return the course of a load under a ScaledObject.

    `outage`: from when until when pods do nothing, as when Postgres is gone. Starts with `replicas`, or else the least,
    at work, and with so much `waiting`.
    """
    steps = round(seconds / step)
    at = np.arange(steps, dtype=np.float64) * step
    arrived = np.array([load(now) for now in at])
    total = np.concatenate([[0.0], np.cumsum(arrived) * step])
    group, pods = Group(cluster.partitions, cluster.pace), _Pods(cluster.pace)
    scaler = hpa.Autoscaler(scaled.bounds)
    current = scaled.bounds.least if replicas is None else replicas
    pods.scale(current, 0.0, started=True)
    group.waiting += waiting / cluster.partitions
    lag, behind, wanted, working, done = (np.zeros(steps) for _ in range(5))
    watch = _Watch(cluster)
    for index, now in enumerate(at):
        if pods.changed(now):
            group.share(pods.members, now)
        group.waiting += arrived[index] * step / cluster.partitions
        works = outage is None or not outage[0] <= now < outage[1]
        group.serve(now, step, working=works)
        done[index] = group.served.sum()
        lag[index] = group.lags().sum()
        behind[index] = _age(total[: index + 2], group.waiting.max() * cluster.partitions, step)
        watch.look(now, float(behind[index]), done[: index + 1], step)
        if index and now % cluster.sync_seconds < step:
            ready = len(pods.members) if works else 0
            proposals = [_proposal(one, scaled, group, watch, current, ready) for one in scaled.triggers]
            current = scaler.decide(now, current, proposals)
            pods.scale(current, now)
        wanted[index], working[index] = current, len(pods.members)
    return Course(at, arrived, lag, behind, wanted.astype(np.int64), working.astype(np.int64))


@dataclass(slots=True)
class _Watch:
    """What Prometheus knows: as old as the last scrape."""

    cluster: Cluster
    behind: float = 0.0
    _done: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _step: float = 1.0
    _scraped_at: float = -1e9

    def look(self, now: float, behind: float, done: NDArray[np.float64], step: float) -> None:
        """Scrape if it is time."""
        if now - self._scraped_at >= self.cluster.scrape_seconds:
            self.behind, self._done, self._step, self._scraped_at = behind, done, step, now

    def answer(self, query: str) -> float:
        """Return what a query of the ScaledObject would; raises ScaledObjectError for one that it does not know."""
        if "consumer_lag_seconds" in query:
            return self.behind
        if rate := _RATE.search(query):
            window = int(rate[1]) * _UNITS[rate[2]]
            recent = self._done[-max(1, round(window / self._step)) :]
            return float(recent.mean())
        raise ScaledObjectError(
            f"query {query!r}: expected consumer_lag_seconds or rate(transactions_consumed_total[..]). Teach "
            "deploy/autoscaling what it returns."
        )


def _proposal(trigger: Trigger, scaled: ScaledObject, group: Group, watch: _Watch, current: int, ready: int) -> int:
    match trigger:
        case KafkaTrigger():
            total = trigger.total(group.lags().tolist())
        case PrometheusTrigger():
            total = watch.answer(trigger.query)
            if trigger.metric_type == "Value":
                return hpa.value(total, trigger.threshold, current, ready, scaled.bounds)
    return hpa.average_value(total, trigger.threshold, current, scaled.bounds)


def _age(total: NDArray[np.float64], waiting: float, step: float) -> float:
    """Return for how long the first of so many waiting payments has waited, by when the total was short of them."""
    if waiting < 1e-6:
        return 0.0
    done, last = total[-1] - waiting, len(total) - 1
    if done <= total[0]:
        return last * step
    after = int(np.searchsorted(total, done))
    return float(last - after + (total[after] - done) / (total[after] - total[after - 1])) * step
