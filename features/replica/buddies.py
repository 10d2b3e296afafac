"""Rooms in arrays, for kernels: runs of any number of units, cut out of runs of 2^j (buddies, Knowlton 1965).

A run begins where one of the next power of two would, and what that one has more goes back at once. Who has a run is
known by its first unit, so that a hand that moves over a room frees what lies side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit, row_dtype
from features.measure.logs import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

NODE: Final = row_dtype(
    [
        ("next", "i4"),  # in the list of free runs, as the unit and one, 0 at its end; of a taken run: its units
        ("previous", "i4"),  # there, too
        ("free", "i4"),  # of the first unit of a free run: the run's order and one
        ("owner", "i4"),  # of the first unit of a taken run: who has it, and one
    ]
)


class Buddies(NamedTuple):
    """Which runs of units are free. What is all zeros is memory that was never touched."""

    nodes: NDArray[np.record]
    """Of NODE, one a unit."""
    heads: NDArray[np.int64]
    """[k + 3]: the first free run of each order, and one; 0 where there is none. Then where the hand stands; and the
    units in use."""

    @classmethod
    def make(cls, units: int) -> Buddies:
        """Allocate for so many units, all free."""
        made = cls(np.zeros(units, dtype=NODE), np.zeros(units.bit_length() + 2, dtype=np.int64))
        give_all(made)
        return made


@njit()
def give_all(room: Buddies) -> None:
    """Make everything free."""
    room.nodes["free"][:] = 0
    room.nodes["owner"][:] = 0
    room.heads[:] = 0
    start, left = 0, len(room.nodes)
    for order in range(len(room.heads) - 3, -1, -1):
        if left & (1 << order):
            _link(room, start, order)
            start += 1 << order


@njit()
def take(room: Buddies, units: int, owner: int) -> int:
    """Return the start of a run of so many units, now the owner's; NONE if none is free."""
    order = order_of(units)
    have, orders = order, len(room.heads) - 2
    while have < orders and room.heads[have] == 0:
        have += 1
    if have >= orders:
        return NONE
    start = int(room.heads[have]) - 1
    _unlink(room, start, have)
    while have > order:
        have -= 1
        _link(room, start + (1 << have), have)
    node = room.nodes[start]
    node.owner, node.next = owner + 1, units
    room.heads[-1] += units
    while units < 1 << order:  # the rest, from its smallest part on: that is aligned to its size
        part = order_of(units & -units)
        _link(room, start + units, part)
        units += 1 << part
    return start


@njit()
def give(room: Buddies, start: int, units: int) -> None:
    """Take a run back, part by part, and join each with its buddy as long as that one is free."""
    room.nodes[start].owner = 0
    room.heads[-1] -= units
    for part in range(order_of(units + 1), -1, -1):
        if units & (1 << part):
            _join(room, start, part)
            start += 1 << part


@njit(inner=True)
def _join(room: Buddies, start: int, order: int) -> None:
    nodes = room.nodes
    while order < len(room.heads) - 3:
        buddy = start ^ (1 << order)
        if buddy >= len(nodes) or nodes[buddy].free != order + 1:
            break
        _unlink(room, buddy, order)
        start = min(start, buddy)
        order += 1
    _link(room, start, order)


@njit(inner=True)
def next_owner(room: Buddies) -> int:
    """Move the hand over one run; return whose it is, NONE for nobody's. Runs may have been joined around the hand."""
    at = room.heads[-2]
    node = room.nodes[at]
    if node.owner > 0:
        at += node.next
    elif node.free > 0:
        at += 1 << (node.free - 1)
    else:
        at += 1
    room.heads[-2] = at if at < len(room.nodes) else 0
    return int(node.owner) - 1


@njit(inner=True)
def _link(room: Buddies, start: int, order: int) -> None:
    node, first = room.nodes[start], room.heads[order]
    node.free, node.next, node.previous = order + 1, first, 0
    if first > 0:
        room.nodes[first - 1].previous = start + 1
    room.heads[order] = start + 1


@njit(inner=True)
def _unlink(room: Buddies, start: int, order: int) -> None:
    node = room.nodes[start]
    node.free = 0
    if node.previous > 0:
        room.nodes[node.previous - 1].next = node.next
    else:
        room.heads[order] = node.next
    if node.next > 0:
        room.nodes[node.next - 1].previous = node.previous


@njit()
def order_of(units: int) -> int:
    """Return the smallest k with 2^k >= units."""
    order = 0
    while 1 << order < units:
        order += 1
    return order
