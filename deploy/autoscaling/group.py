"""A consumer group that shares a topic's partitions out among pods, as cooperative-sticky does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast pods work, start, and take partitions over."""

    rate: float
    """Payments that a pod does in a second."""
    start_seconds: float = 15.0
    """From its creation until it joins the group."""
    move_seconds: float = 1.5
    """For which a partition that moves is not read."""
    commit_seconds: float = 1.0
    """Between commits: what is done is lag until then."""
    pipeline_seconds: float = 0.1
    """From a payment's arrival to its effects being done, without a backlog."""


@dataclass(slots=True)
class Group:
    """Who reads which partition, and what waits in it."""

    partitions: int
    pace: Pace
    owner: NDArray[np.int64] = field(init=False)
    """The pod of each partition; -1 without one."""
    waiting: NDArray[np.float64] = field(init=False)
    """Payments of each partition that no pod has done."""
    served: NDArray[np.float64] = field(init=False)
    """Payments of each partition done in the last step, a second."""
    resumes_at: NDArray[np.float64] = field(init=False)
    _row: NDArray[np.int64] = field(init=False)
    """The pod of each partition, counted from 0 without gaps."""
    _rows: int = 0

    def __post_init__(self) -> None:
        self.owner = np.full(self.partitions, -1)
        self.waiting = np.zeros(self.partitions)
        self.served = np.zeros(self.partitions)
        self.resumes_at = np.zeros(self.partitions)
        self._row = np.zeros(self.partitions, dtype=np.int64)

    def share(self, members: list[int], now: float) -> None:
        """Share the partitions out: as few as can be move, and no pod has two more than another."""
        before = self.owner.copy()
        if not members:
            raise ValueError("members: expected one pod or more, got none: the model scales to no less than one.")
        self.owner[~np.isin(self.owner, members)] = -1
        few, more = divmod(self.partitions, len(members))
        has = Counter(dict.fromkeys(members, 0) | Counter(self.owner[self.owner >= 0].tolist()))
        ranked = sorted(members, key=lambda member: -has[member])
        quota = {member: few + (rank < more) for rank, member in enumerate(ranked)}
        for partition in range(self.partitions - 1, -1, -1):
            member = int(self.owner[partition])
            if member >= 0 and has[member] > quota[member]:
                has[member] -= 1
                self.owner[partition] = -1
        free = iter([member for member in members for _ in range(quota[member] - has[member])])
        for partition in np.flatnonzero(self.owner < 0).tolist():
            self.owner[partition] = next(free)
        self.resumes_at[self.owner != before] = now + self.pace.move_seconds
        pods, self._row = np.unique(self.owner, return_inverse=True)
        self._rows = len(pods)

    def serve(self, now: float, seconds: float, *, working: bool = True) -> None:
        """Do the payments of one step: a pod's rate in equal parts to its partitions, what is over to others."""
        open_ = (self.owner >= 0) & (self.resumes_at <= now) & working
        left = self.waiting.copy()
        row, rows = self._row, self._rows
        budget = np.full(rows, float(self.pace.rate * seconds))
        for _ in range(4):  # water-filling: what one partition leaves goes to the others of its pod
            wanting = open_ & (left > 1e-9)
            if not wanting.any():
                break
            number = np.bincount(row[wanting], minlength=rows)
            part = budget / np.maximum(number, 1)
            taken = np.where(wanting, np.minimum(left, part[row]), 0.0)
            left -= taken
            budget -= np.bincount(row, taken, minlength=rows)
        self.served = (self.waiting - left) / seconds
        self.waiting = left

    def lags(self) -> NDArray[np.float64]:
        """Return the lag of each partition as the committed offsets show it, half a commit interval old on average."""
        unseen = self.pace.commit_seconds / 2 + self.pace.pipeline_seconds
        return self.waiting + self.served * unseen
