"""The HorizontalPodAutoscaler's decision, as kube-controller-manager 1.35 makes it.

Source: pkg/controller/podautoscaler, `replica_calculator.go` (proposals) and `horizontal.go` (behaviour): first the
stabilisation windows, then the scaling policies, within the least and the most replicas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE: Final = 0.1
"""--horizontal-pod-autoscaler-tolerance: a metric this close to its target changes nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How much one period may change: `Pods` or `Percent`."""

    kind: str
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """How fast one direction may go; `select` is Max, Min or Disabled."""

    policies: tuple[Policy, ...]
    stabilization_seconds: float
    select: str = "Max"
    tolerance: float = TOLERANCE


SCALE_UP: Final = Rules((Policy("Pods", 4, 15), Policy("Percent", 100, 15)), 0)
SCALE_DOWN: Final = Rules((Policy("Percent", 100, 15),), 300)
"""What the API server and the controller fill in where a ScaledObject says nothing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most replicas, and how fast they may change."""

    least: int
    most: int
    up: Rules = SCALE_UP
    down: Rules = SCALE_DOWN


def average_value(total: float, target: float, replicas: int, bounds: Bounds) -> int:
    """Return the proposal of a metric with an AverageValue target: its total shared out among the pods there are."""
    ratio = total / (target * replicas)
    if _within(ratio, bounds):
        return replicas
    return math.ceil(total / target)


def value(total: float, target: float, replicas: int, ready: int, bounds: Bounds) -> int:
    """Return the proposal of a metric with a Value target: the ready pods times how far it is from its target."""
    ratio = total / target
    if _within(ratio, bounds):
        return replicas
    return math.ceil(ratio * ready)


def _within(ratio: float, bounds: Bounds) -> bool:
    return 1 - bounds.down.tolerance <= ratio <= 1 + bounds.up.tolerance


@dataclass(slots=True)
class Autoscaler:
    """Turns proposals into replicas and remembers what it needs for that: earlier proposals and changes.

    Times are seconds on any clock that never goes backwards.
    """

    bounds: Bounds
    proposals: list[tuple[float, int]] = field(default_factory=list)
    added: list[tuple[float, int]] = field(default_factory=list)
    removed: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now: float, current: int, proposals: list[int]) -> int:
        """Return the replicas from now on; the greatest proposal counts."""
        bounds = self.bounds
        if not self.proposals:
            self.proposals.append((now, current))
        if current > bounds.most:
            wanted = bounds.most
        elif current < bounds.least:
            wanted = bounds.least
        else:
            wanted = self._limited(now, current, self._stabilized(now, current, max(proposals)))
        if wanted > current:
            self.added.append((now, wanted - current))
        elif wanted < current:
            self.removed.append((now, current - wanted))
        return wanted

    def _stabilized(self, now: float, current: int, proposal: int) -> int:
        """Return the current replicas, pulled between the least and the greatest proposal of the two windows."""
        up, down = self.bounds.up.stabilization_seconds, self.bounds.down.stabilization_seconds
        least = min([proposal, *(number for at, number in self.proposals if at > now - up)])
        greatest = max([proposal, *(number for at, number in self.proposals if at > now - down)])
        self.proposals = [one for one in self.proposals if one[0] > now - max(up, down)] + [(now, proposal)]
        return min(max(current, least), greatest)

    def _limited(self, now: float, current: int, wanted: int) -> int:
        bounds = self.bounds
        if wanted > current:
            limit = self._limit(now, current, bounds.up, _raised, (min, max))
            return min(wanted, bounds.most, max(limit, current))
        if wanted < current:
            limit = self._limit(now, current, bounds.down, _lowered, (max, min))
            return max(wanted, bounds.least, min(limit, current))
        return wanted

    def _limit(
        self,
        now: float,
        current: int,
        rules: Rules,
        changed: Callable[[int, Policy], int],
        least_and_most: tuple[Callable[[list[int]], int], Callable[[list[int]], int]],
    ) -> int:
        """Return where the policies let the replicas go, counted from what they were when each period began."""
        if rules.select == "Disabled" or not rules.policies:
            return current
        limits = []
        for policy in rules.policies:
            since = now - policy.period_seconds
            added = sum(number for at, number in self.added if at > since)
            removed = sum(number for at, number in self.removed if at > since)
            limits.append(changed(current - added + removed, policy))
        return least_and_most[0 if rules.select == "Min" else 1](limits)


def _raised(replicas: int, policy: Policy) -> int:
    return replicas + policy.value if policy.kind == "Pods" else math.ceil(replicas * (1 + policy.value / 100))


def _lowered(replicas: int, policy: Policy) -> int:
    return replicas - policy.value if policy.kind == "Pods" else int(replicas * (1 - policy.value / 100))
