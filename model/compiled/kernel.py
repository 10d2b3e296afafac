"""The compiled loops: vectors to margins and exact contributions, the same bits whatever the batch.

Every addition to the contribution of a row and feature happens in ascending order of groups and never across rows; no
fast math and no threads. So a payment scored alone, in another batch, or years later by an audit gets the very same
bytes. The path for a lone row adds in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit
from model.compiled.tables import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 256
"""Rows at a time: their bytes, cell indices and contributions stay in the nearest caches."""

LANES = 32
"""Blocks are padded to a multiple of the bytes in a vector register: a loop over a remainder costs as much as 32."""


class Slots(NamedTuple):
    """How a vector becomes bytes: the feature of each slot, and its thresholds."""

    feature: NDArray[np.int32]
    threshold_start: NDArray[np.int32]
    thresholds: NDArray[np.float32]


class Conditions(NamedTuple):
    """How bytes become a cell of each group: the row, bin and stride of each condition."""

    start: NDArray[np.int32]
    row: NDArray[np.int16]
    bin: NDArray[np.uint8]
    stride: NDArray[np.uint8]


class Entries(NamedTuple):
    """What a cell adds to a slot, laid out by slot: for many rows."""

    start: NDArray[np.int32]
    group: NDArray[np.int32]
    values_at: NDArray[np.int32]
    values: NDArray[np.float64]


class GroupedEntries(NamedTuple):
    """The same entries by group, the values of one cell together: a lone row reads a third of the lines."""

    slot_start: NDArray[np.int32]
    slot: NDArray[np.int32]
    group: NDArray[np.int32]
    values_start: NDArray[np.int32]
    values: NDArray[np.float64]


@njit()
def contribute(  # type: ignore[no-untyped-def]
    vectors, slots_of, conditions, entries, base_value, contributions, margin
):
    """Add every contribution to `contributions` [feature, row], zeros before, and set `margin` [row]."""
    n = vectors.shape[0]
    slots = len(slots_of.feature)
    groups = len(conditions.start) - 1
    width = min(BLOCK, _padded(n))
    row_bytes = np.zeros((2 * slots, width), dtype=np.uint8)
    cells = np.empty((min(TILE, groups), width), dtype=np.uint8)
    column = np.zeros(width, dtype=np.float32)
    count = np.empty(width, dtype=np.int32)
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        _bin_block(vectors, start, rows, slots_of, row_bytes, column, count)
        for tile in range((groups + TILE - 1) // TILE):
            first = tile * TILE
            last = min(first + TILE, groups)
            _find_cells(first, last, _padded(rows), conditions, row_bytes, cells)
            for slot in range(slots):
                out = contributions[slots_of.feature[slot], start : start + rows]
                at = entries.start[tile * slots + slot]
                end = entries.start[tile * slots + slot + 1]
                _add_entries(first, at, end, entries, cells, out)
    _add_up(slots_of.feature, base_value, contributions, margin)


@njit()
def contribute_one(  # type: ignore[no-untyped-def]
    vectors, slots_of, conditions, entries, base_value, contributions, margin
):
    """Do the same for one row, from values that lie together for a cell.

    Loops are long and free of branches on what was read, so that the processor runs ahead of its reads. The sum
    returned means nothing: computing it fetches the values that the next loop adds.
    """
    slots = len(slots_of.feature)
    groups = len(conditions.start) - 1
    number = len(conditions.row)
    row_bytes = np.empty(2 * slots, dtype=np.uint8)
    holds = np.empty(number, dtype=np.uint8)
    strides = np.zeros(number + 1, dtype=np.uint32)
    at = np.empty(groups, dtype=np.int64)
    total = np.zeros(slots)
    fetched = 0.0
    _bin_row(vectors[0], slots_of, row_bytes)
    for condition in range(number):
        above = np.uint8(row_bytes[conditions.row[condition]] > conditions.bin[condition])
        holds[condition] = above * conditions.stride[condition]
    for condition in range(number):
        strides[condition + 1] = strides[condition] + np.uint32(holds[condition])
    for group in range(groups):
        cell = np.int64(strides[conditions.start[group + 1]] - strides[conditions.start[group]])
        width = entries.slot_start[group + 1] - entries.slot_start[group]
        at[group] = entries.values_start[group] + cell * width
        fetched += entries.values[at[group]]
        at[group] -= entries.slot_start[group]
    for entry in range(len(entries.slot)):
        total[entries.slot[entry]] += entries.values[at[entries.group[entry]] + entry]
    for slot in range(slots):
        contributions[slots_of.feature[slot], 0] = total[slot]
    _add_up(slots_of.feature, base_value, contributions, margin)
    return fetched


@njit(inner=True)
def _bin_row(vector, slots_of, row_bytes):  # type: ignore[no-untyped-def]
    for slot in range(len(slots_of.feature)):
        x = vector[slots_of.feature[slot]]
        first = slots_of.threshold_start[slot]
        size = slots_of.threshold_start[slot + 1] - first
        below = 0
        while size > 0:  # each step takes half of what is left, whatever was read
            half = (size + 1) >> 1
            below += half * np.int64(x > slots_of.thresholds[first + below + half - 1])
            size -= half
        row_bytes[2 * slot + 1] = np.uint8(below)
        row_bytes[2 * slot] = np.uint8(255) if x != x else np.uint8(below)


@njit()
def _padded(rows):  # type: ignore[no-untyped-def]
    return (rows + LANES - 1) // LANES * LANES


@njit(inner=True)
def _bin_block(vectors, start, rows, slots_of, row_bytes, column, count):  # type: ignore[no-untyped-def]
    """Set the two bytes of every slot by counting thresholds below: compares of whole columns beat a search."""
    width = _padded(rows)
    thresholds = slots_of.thresholds
    for slot in range(len(slots_of.feature)):
        feature = slots_of.feature[slot]
        for row in range(rows):
            column[row] = vectors[start + row, feature]
        count[:width] = 0
        at = slots_of.threshold_start[slot]
        end = slots_of.threshold_start[slot + 1]
        while at + 4 <= end:  # four at a time, so that a column is read and written once for four thresholds
            t0 = thresholds[at]
            t1 = thresholds[at + 1]
            t2 = thresholds[at + 2]
            t3 = thresholds[at + 3]
            for row in range(width):
                x = column[row]
                count[row] += (np.int32(x > t0) + np.int32(x > t1)) + (np.int32(x > t2) + np.int32(x > t3))
            at += 4
        while at < end:
            t0 = thresholds[at]
            for row in range(width):
                count[row] += np.int32(column[row] > t0)
            at += 1
        right = row_bytes[2 * slot]
        left = row_bytes[2 * slot + 1]
        for row in range(width):  # NaN is above no threshold, so its count is 0 already
            left[row] = np.uint8(count[row])
            right[row] = np.uint8(255) if column[row] != column[row] else np.uint8(count[row])


@njit(inner=True)
def _find_cells(first, last, width, conditions, row_bytes, cells):  # type: ignore[no-untyped-def]
    for group in range(first, last):
        cell = cells[group - first]
        cell[:width] = 0
        for condition in range(conditions.start[group], conditions.start[group + 1]):
            compared = row_bytes[conditions.row[condition]]
            bin_ = conditions.bin[condition]
            stride = conditions.stride[condition]
            for row in range(width):
                cell[row] += stride if compared[row] > bin_ else np.uint8(0)


@njit(inner=True)
def _add_entries(first, at, end, entries, cells, out):  # type: ignore[no-untyped-def]
    group, values_at, values = entries.group, entries.values_at, entries.values
    while at + 4 <= end:  # four at a time saves reading and writing `out`; one after the other keeps the order
        c0 = cells[group[at] - first]
        c1 = cells[group[at + 1] - first]
        c2 = cells[group[at + 2] - first]
        c3 = cells[group[at + 3] - first]
        v0 = values[values_at[at] :]
        v1 = values[values_at[at + 1] :]
        v2 = values[values_at[at + 2] :]
        v3 = values[values_at[at + 3] :]
        for row in range(len(out)):
            out[row] = (((out[row] + v0[c0[row]]) + v1[c1[row]]) + v2[c2[row]]) + v3[c3[row]]
        at += 4
    while at < end:
        c0 = cells[group[at] - first]
        v0 = values[values_at[at] :]
        for row in range(len(out)):
            out[row] += v0[c0[row]]
        at += 1


@njit(inner=True)
def _add_up(slot_feature, base_value, contributions, margin):  # type: ignore[no-untyped-def]
    margin[:] = base_value
    for slot in range(len(slot_feature)):
        column = contributions[slot_feature[slot]]
        for row in range(len(margin)):
            margin[row] += column[row]
