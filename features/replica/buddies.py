"""A buddy allocator in arrays, for kernels: runs of 2^j units, aligned to their own size (Knowlton 1965)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit, row_dtype
from features.measure.logs import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

NODE: Final = row_dtype(
    [
        ("next", "i4"),
        ("previous", "i4"),  # both: the unit and one; 0 at an end of the list
        ("free", "i4"),  # of the first unit of a free run: the run's order and one
    ]
)


class Buddies(NamedTuple):
    """Which runs of 2^k units are free. What is all zeros is memory that was never touched."""

    nodes: NDArray[np.record]
    """Of NODE, one a unit."""
    heads: NDArray[np.int64]
    """[k + 2]: the first free run of each order, and one; 0 where there is none. The last one: units in use."""

    @classmethod
    def make(cls, units: int) -> Buddies:
        """Allocate for a power of two of units, all free."""
        made = cls(np.zeros(units, dtype=NODE), np.zeros(units.bit_length() + 1, dtype=np.int64))
        give_all(made)
        return made


@njit()
def give_all(buddies: Buddies) -> None:
    """Make everything free."""
    buddies.nodes["free"][:] = 0
    buddies.heads[:] = 0
    _link(buddies, 0, len(buddies.heads) - 2)


@njit()
def take(buddies: Buddies, order: int) -> int:
    """Return the start of a free run of 2^order units; NONE if there is none."""
    have, orders = order, len(buddies.heads) - 1
    while have < orders and buddies.heads[have] == 0:
        have += 1
    if have >= orders:
        return NONE
    start = int(buddies.heads[have]) - 1
    _unlink(buddies, start, have)
    while have > order:
        have -= 1
        _link(buddies, start + (1 << have), have)
    buddies.heads[-1] += 1 << order
    return start


@njit()
def give(buddies: Buddies, start: int, order: int) -> None:
    """Take a run back and join it with its buddy as long as that one is free."""
    buddies.heads[-1] -= 1 << order
    while order < len(buddies.heads) - 2 and buddies.nodes[start ^ (1 << order)].free == order + 1:
        _unlink(buddies, start ^ (1 << order), order)
        start &= ~(1 << order)
        order += 1
    _link(buddies, start, order)


@njit(inner=True)
def _link(buddies: Buddies, start: int, order: int) -> None:
    node, first = buddies.nodes[start], buddies.heads[order]
    node.free, node.next, node.previous = order + 1, first, 0
    if first > 0:
        buddies.nodes[first - 1].previous = start + 1
    buddies.heads[order] = start + 1


@njit(inner=True)
def _unlink(buddies: Buddies, start: int, order: int) -> None:
    node = buddies.nodes[start]
    node.free = 0
    if node.previous > 0:
        buddies.nodes[node.previous - 1].next = node.next
    else:
        buddies.heads[order] = node.next
    if node.next > 0:
        buddies.nodes[node.next - 1].previous = node.previous


def order_of(units: int) -> int:
    """Return the smallest k with 2^k >= units."""
    return max(0, (units - 1).bit_length())
