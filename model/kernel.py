"""The compiled loops: vectors to margins and exact contributions, the same bits whatever the batch.

Every addition to the contribution of a row and feature happens in ascending order of groups and never across rows; no
fast math and no threads. So a payment scored alone, in another batch, or years later by an audit gets the very same
bytes. The path for a few rows adds in the same order.
"""

from __future__ import annotations

import numpy as np

from features.compiled import njit
from model.tables import TILE

BLOCK = 256
"""Rows at a time: their bytes, cell indices and contributions stay in the nearest caches."""

FEW = 3
"""Up to this many rows go one by one."""

LANES = 32
"""Blocks are padded to a multiple of the bytes in a vector register: a loop over a remainder costs as much as 32."""


@njit()
def contribute(  # type: ignore[no-untyped-def]
    vectors, slot_feature, threshold_start, thresholds, condition_start, condition_row, condition_bin,
    condition_stride, entry_start, entry_group, entry_values, values, base_value, contributions, margin,
):  # fmt: skip
    """Add every contribution to `contributions` [feature, row], zeros before, and set `margin` [row]."""
    n = vectors.shape[0]
    slots = len(slot_feature)
    groups = len(condition_start) - 1
    width = min(BLOCK, _padded(n))
    row_bytes = np.zeros((2 * slots, width), dtype=np.uint8)
    cells = np.empty((min(TILE, groups), width), dtype=np.uint8)
    column = np.zeros(width, dtype=np.float32)
    count = np.empty(width, dtype=np.int32)
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        _bin_block(vectors, start, rows, slot_feature, threshold_start, thresholds, row_bytes, column, count)
        for tile in range((groups + TILE - 1) // TILE):
            first = tile * TILE
            last = min(first + TILE, groups)
            _find_cells(
                first, last, _padded(rows), condition_start, condition_row, condition_bin, condition_stride,
                row_bytes, cells,
            )  # fmt: skip
            for slot in range(slots):
                out = contributions[slot_feature[slot], start : start + rows]
                at = entry_start[tile * slots + slot]
                end = entry_start[tile * slots + slot + 1]
                _add_entries(first, at, end, entry_group, entry_values, values, cells, out)
    _add_up(slot_feature, base_value, contributions, margin)


@njit()
def contribute_few(  # type: ignore[no-untyped-def]
    vectors, slot_feature, threshold_start, thresholds, condition_start, condition_row, condition_bin,
    condition_stride, slot_start, slot_of, group_of, values_start, values, base_value, contributions, margin,
):  # fmt: skip
    """Do the same row by row, from values that lie together for a cell (`model.scoring`), for a few rows.

    Loops are long and free of branches on what was read, so that the processor runs ahead of its reads. The sum
    returned means nothing: computing it fetches the values that the next loop adds.
    """
    slots = len(slot_feature)
    groups = len(condition_start) - 1
    conditions = len(condition_row)
    row_bytes = np.empty(2 * slots, dtype=np.uint8)
    holds = np.empty(conditions, dtype=np.uint8)
    strides = np.zeros(conditions + 1, dtype=np.uint32)
    at = np.empty(groups, dtype=np.int64)
    total = np.empty(slots)
    fetched = 0.0
    for row in range(vectors.shape[0]):
        _bin_row(vectors[row], slot_feature, threshold_start, thresholds, row_bytes)
        for condition in range(conditions):
            above = np.uint8(row_bytes[condition_row[condition]] > condition_bin[condition])
            holds[condition] = above * condition_stride[condition]
        for condition in range(conditions):
            strides[condition + 1] = strides[condition] + np.uint32(holds[condition])
        for group in range(groups):
            cell = np.int64(strides[condition_start[group + 1]] - strides[condition_start[group]])
            width = slot_start[group + 1] - slot_start[group]
            at[group] = values_start[group] + cell * width
            fetched += values[at[group]]
            at[group] -= slot_start[group]
        total[:] = 0.0
        for entry in range(len(slot_of)):
            total[slot_of[entry]] += values[at[group_of[entry]] + entry]
        for slot in range(slots):
            contributions[slot_feature[slot], row] = total[slot]
    _add_up(slot_feature, base_value, contributions, margin)
    return fetched


@njit()
def _bin_row(vector, slot_feature, threshold_start, thresholds, row_bytes):  # type: ignore[no-untyped-def]
    for slot in range(len(slot_feature)):
        x = vector[slot_feature[slot]]
        first = threshold_start[slot]
        size = threshold_start[slot + 1] - first
        below = 0
        while size > 0:  # each step takes half of what is left, whatever was read
            half = (size + 1) >> 1
            below += half * np.int64(x > thresholds[first + below + half - 1])
            size -= half
        row_bytes[2 * slot + 1] = np.uint8(below)
        row_bytes[2 * slot] = np.uint8(255) if x != x else np.uint8(below)


@njit()
def _padded(rows):  # type: ignore[no-untyped-def]
    return (rows + LANES - 1) // LANES * LANES


@njit()
def _bin_block(  # type: ignore[no-untyped-def]
    vectors, start, rows, slot_feature, threshold_start, thresholds, row_bytes, column, count
):
    """Set the two bytes of every slot by counting thresholds below: compares of whole columns beat a search."""
    width = _padded(rows)
    for slot in range(len(slot_feature)):
        feature = slot_feature[slot]
        for row in range(rows):
            column[row] = vectors[start + row, feature]
        count[:width] = 0
        at = threshold_start[slot]
        end = threshold_start[slot + 1]
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


@njit()
def _find_cells(  # type: ignore[no-untyped-def]
    first, last, width, condition_start, condition_row, condition_bin, condition_stride, row_bytes, cells
):
    for group in range(first, last):
        cell = cells[group - first]
        cell[:width] = 0
        for condition in range(condition_start[group], condition_start[group + 1]):
            compared = row_bytes[condition_row[condition]]
            bin_ = condition_bin[condition]
            stride = condition_stride[condition]
            for row in range(width):
                cell[row] += stride if compared[row] > bin_ else np.uint8(0)


@njit()
def _add_entries(first, at, end, entry_group, entry_values, values, cells, out):  # type: ignore[no-untyped-def]
    while at + 4 <= end:  # four at a time saves reading and writing `out`; one after the other keeps the order
        c0 = cells[entry_group[at] - first]
        c1 = cells[entry_group[at + 1] - first]
        c2 = cells[entry_group[at + 2] - first]
        c3 = cells[entry_group[at + 3] - first]
        v0 = values[entry_values[at] :]
        v1 = values[entry_values[at + 1] :]
        v2 = values[entry_values[at + 2] :]
        v3 = values[entry_values[at + 3] :]
        for row in range(len(out)):
            out[row] = (((out[row] + v0[c0[row]]) + v1[c1[row]]) + v2[c2[row]]) + v3[c3[row]]
        at += 4
    while at < end:
        c0 = cells[entry_group[at] - first]
        v0 = values[entry_values[at] :]
        for row in range(len(out)):
            out[row] += v0[c0[row]]
        at += 1


@njit()
def _add_up(slot_feature, base_value, contributions, margin):  # type: ignore[no-untyped-def]
    margin[:] = base_value
    for slot in range(len(slot_feature)):
        column = contributions[slot_feature[slot]]
        for row in range(len(margin)):
            margin[row] += column[row]
