"""Leaves of one tree merged into groups that are looked up at once: fewer additions a row for a bounded table.

The greedy rule and its cost figures are those of the measured algorithm: a group costs one addition a feature, 1.5
additions of overhead and a tenth of one a condition; a table byte costs 1/512 of an addition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.paths import Paths

MAX_CELLS = 128
"""A merged group stays below this; a single leaf of depth 8 may have 256."""

OVERHEAD = 1.5
PER_CONDITION = 0.1
BYTES_PER_ADDITION = 512.0


def group_leaves(paths: Paths) -> list[NDArray[np.intp]]:
    """Return the leaves of each group, every leaf in one group, in order of their first leaf."""
    masks = feature_masks(paths)
    owner = _merge(paths.left | paths.right, masks, missing_right_mask(paths))
    return [np.flatnonzero(owner == leader) for leader in np.unique(owner)]


def feature_masks(paths: Paths) -> NDArray[np.uint64]:
    """Return the conditions of each feature of `paths.features` as bits."""
    masks = np.zeros(len(paths.features), dtype=np.uint64)
    for bit, slot in enumerate(paths.slot):
        masks[paths.features.index(int(slot))] |= np.uint64(1 << bit)
    return masks


def missing_right_mask(paths: Paths) -> np.uint64:
    """Return the conditions that NaN satisfies."""
    return np.uint64(sum(1 << bit for bit, left in enumerate(paths.missing_left) if not left))


@njit()
def popcount(mask: np.uint64) -> int:
    """Count the bits set."""
    count = 0
    while mask:
        mask &= mask - np.uint64(1)
        count += 1
    return count


@njit()
def is_chain(conditions: np.uint64, missing_right: np.uint64) -> bool:
    """Tell whether NaN falls into a cell of the chain: no missing-right condition above a missing-left one."""
    right = conditions & missing_right
    left = conditions & ~missing_right
    lowest_left = left & (~left + np.uint64(1))
    return bool(left == 0 or right < lowest_left)


@njit()
def count_cells(required: np.uint64, features: NDArray[np.uint64], missing_right: np.uint64) -> tuple[int, int]:
    """Return (cells, distinct features) of a group that needs the conditions `required`."""
    cells = 1
    distinct = 0
    for feature in range(len(features)):
        conditions = required & features[feature]
        if conditions:
            n = popcount(conditions)
            cells *= n + 1 if is_chain(conditions, missing_right) else 1 << n
            distinct += 1
            if cells > 1 << 16:
                break
    return cells, distinct


@njit()
def _cost(required: np.uint64, features: NDArray[np.uint64], missing_right: np.uint64) -> tuple[float, int]:
    cells, distinct = count_cells(required, features, missing_right)
    additions = distinct + OVERHEAD + PER_CONDITION * popcount(required)
    return additions + 8.0 * cells * distinct / BYTES_PER_ADDITION, cells


@njit()
def _gain(i: int, j: int, required: NDArray[np.uint64], cost: NDArray[np.float64], features, missing_right):  # type: ignore[no-untyped-def]
    merged, cells = _cost(required[i] | required[j], features, missing_right)
    if cells > MAX_CELLS:
        return -1.0
    return cost[i] + cost[j] - merged


@njit()
def _merge(
    leaf_required: NDArray[np.uint64], features: NDArray[np.uint64], missing_right: np.uint64
) -> NDArray[np.int64]:
    n = len(leaf_required)
    required = leaf_required.copy()
    owner = np.arange(n)
    alive = np.ones(n, dtype=np.bool_)
    cost = np.empty(n)
    for i in range(n):
        cost[i] = _cost(required[i], features, missing_right)[0]
    gain = np.full((n, n), -1.0)
    for i in range(n):
        for j in range(i + 1, n):
            gain[i, j] = _gain(i, j, required, cost, features, missing_right)
    while True:
        best = 0.0
        at = -1
        to = -1
        for i in range(n):
            for j in range(i + 1, n):
                if alive[i] and alive[j] and gain[i, j] > best:
                    best = gain[i, j]
                    at = i
                    to = j
        if at < 0:
            return owner
        required[at] |= required[to]
        cost[at] = _cost(required[at], features, missing_right)[0]
        alive[to] = False
        for i in range(n):
            if owner[i] == to:
                owner[i] = at
            if alive[i] and i != at:
                low = min(i, at)
                high = max(i, at)
                gain[low, high] = _gain(low, high, required, cost, features, missing_right)
