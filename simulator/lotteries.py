"""Draws in proportion to weights, at the cost of one look-up a draw, overall or within a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TICKETS_EACH = 16
_MOST_TICKETS = 1 << 26


class Lottery:
    """Draws indices in proportion to weights, rounded to whole tickets.

    An index has as many tickets as its weight is worth, about 16 on average; one worth less than half a ticket may have
    none.
    """

    def __init__(self, weights: NDArray[np.float64]) -> None:
        tickets = min(max(1 << 12, _TICKETS_EACH * len(weights)), _MOST_TICKETS)
        edges = np.cumsum(weights)
        edges = np.rint(edges / edges[-1] * tickets).astype(np.int64)
        self.tickets = np.repeat(np.arange(len(weights), dtype=np.int64), np.diff(edges, prepend=0))

    def draw(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return an index for each number in [0, 1)."""
        return self.tickets[(uniforms * len(self.tickets)).astype(np.int64)]

    def draw_one(self, uniform: float) -> int:
        """Return the index for one number in [0, 1)."""
        return int(self.tickets[int(uniform * len(self.tickets))])


class GroupLottery:
    """Draws members of given groups in proportion to their weights within the group.

    `groups[i]` is the group of member i, below `count`; a negative group means that i is never drawn. Every group must
    have a member of positive weight.
    """

    def __init__(self, groups: NDArray[np.int64], weights: NDArray[np.float64], count: int) -> None:
        tickets = []
        for group in range(count):
            members = np.flatnonzero(groups == group)
            tickets.append(members[Lottery(weights[members]).tickets])
        self._sizes = np.array([len(run) for run in tickets], dtype=np.int64)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._tickets = np.concatenate(tickets).astype(np.int64)

    def draw(self, groups: NDArray[np.int64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return a member of each group, one for each number in [0, 1)."""
        within = (uniforms * self._sizes[groups]).astype(np.int64)
        members: NDArray[np.int64] = self._tickets[self._starts[groups] + within]
        return members
