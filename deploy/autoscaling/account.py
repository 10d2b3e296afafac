"""What a course under some settings cost, and how late payments were."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from deploy.autoscaling.simulation import Course

LATE_SECONDS = 5.0
"""A payment that waits for longer counts as late."""


@dataclass(frozen=True, slots=True)
class Account:
    """One row of the table."""

    pod_hours: float
    most_pods: int
    changes: int
    """Of the replicas: each is a rebalance or several."""
    most_seconds_behind: float
    late_share: float
    """Of the payments."""
    late_minutes: float

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can write it, rounded to what is meant."""
        return {name: round(value, 6 if name == "late_share" else 1) for name, value in asdict(self).items()}


def account(course: Course) -> Account:
    """Return what came of a course."""
    step = float(course.seconds[1] - course.seconds[0])
    late = course.behind > LATE_SECONDS
    return Account(
        pod_hours=float(course.replicas.sum()) * step / 3600,
        most_pods=int(course.replicas.max()),
        changes=int(np.count_nonzero(np.diff(course.replicas))),
        most_seconds_behind=float(course.behind.max()),
        late_share=float(course.load[late].sum() / course.load.sum()),
        late_minutes=float(late.sum()) * step / 60,
    )
