"""The compiled loops: vectors to margins and exact contributions, the same bits whatever the batch.

Every addition to the contribution of a row and feature happens in ascending order of groups and never across rows; no
fast math and no threads. So a payment scored alone, in another batch, or years later by an audit gets the very same
bytes.

Rows lie side by side: a vector register has a byte of each of LANES rows. A group's conditions make its cell for all of
them in a few steps; then the cells' values, a line of the cache each, are added for eight rows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit, row_dtype
from model.calibration import interpolate
from model.compiled.lanes import (
    LANES,
    LINE,
    add_above,
    add_lines,
    count_above,
    fetch_line,
    no_lanes,
    set_bins,
    set_lanes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOT = row_dtype([("feature", "i4"), ("threshold_end", "i4")])
"""A feature in use, and where its thresholds end."""

GROUP = row_dtype([("condition_end", "i4"), ("line_end", "i4"), ("values_at", "i8")])
"""Where a group's conditions and its lines end, and where the values of its first line begin."""

CONDITION = row_dtype([("row", "u2"), ("bin", "u1"), ("stride", "u1")])


AHEAD = 7
"""Groups whose lines are on their way while one is added: a small micro-batch finds few of them in a cache."""

FEW = 32
"""Rows whose lines are asked for beforehand; those of further rows are mostly the same ones."""


class Layout(NamedTuple):
    """The tables as the kernel reads them, from the first to the last."""

    slots: NDArray[np.record]
    thresholds: NDArray[np.float32]
    groups: NDArray[np.record]
    conditions: NDArray[np.record]
    line_values: NDArray[np.int64]
    """Where in `values` the first cell of a line is."""
    line_slots: NDArray[np.uint16]
    """Which slot each value of a line is for, shape [lines, LINE]; those behind the last slot are for none."""
    values: NDArray[np.float64]
    """Shape [cells of all lines, LINE]."""


@njit()
def score(  # type: ignore[no-untyped-def]
    vectors, layout, base_value, knots, curve, contributions, margin, probability
):
    """Set `contributions` [feature, row], zeros before, `margin` [row], and `probability` [row] by the curve."""
    n = vectors.shape[0]
    slots = layout.slots
    width = min(LANES, (n + LINE - 1) // LINE * LINE)
    row_bytes = np.empty(2 * len(slots) * LANES, dtype=np.uint8)
    column = np.zeros(LANES, dtype=np.float32)
    cells = np.empty((AHEAD + 1, LANES), dtype=np.uint8)
    total = np.empty((len(slots) + LINE, width), dtype=np.float64)  # the last rows are for values that are for nobody
    margin[:] = base_value
    for start in range(0, n, LANES):
        rows = min(LANES, n - start)
        _bin_rows(vectors[start : start + rows], layout, row_bytes, column)
        total[:] = 0.0
        _add_groups(rows, layout, row_bytes, cells, total)
        for slot in range(len(slots)):
            sums = total[slot]
            out = contributions[slots[slot].feature, start : start + rows]
            for row in range(rows):
                out[row] = sums[row]
                margin[start + row] += sums[row]
    interpolate(margin, knots, curve, probability)


@njit(inner=True)
def _bin_rows(vectors, layout, row_bytes, column):  # type: ignore[no-untyped-def]
    """Set the two bytes of every slot by counting thresholds below: compares of whole columns beat a search.

    A row that is not there, of eight that are added at once, is the first one again: it reads no lines of its own.
    """
    rows = vectors.shape[0]
    first = 0
    for slot in range(len(layout.slots)):
        feature = layout.slots[slot].feature
        for row in range(rows):
            column[row] = vectors[row, feature]
        for lane in range(rows, (rows + LINE - 1) // LINE * LINE):
            column[lane] = column[0]
        counts = no_lanes()
        end = layout.slots[slot].threshold_end
        for threshold in range(first, end):
            counts = count_above(counts, column, layout.thresholds[threshold])
        first = end
        set_bins(row_bytes, slot, counts, column)


@njit(inner=True)
def _add_groups(rows, layout, row_bytes, cells, total):  # type: ignore[no-untyped-def]
    condition = 0
    line = 0
    groups = len(layout.groups)
    for group in range(groups + AHEAD):
        if group < groups:
            found = no_lanes()
            for at in range(condition, layout.groups[group].condition_end):
                compared = layout.conditions[at]
                found = add_above(found, row_bytes, compared.row, compared.bin, compared.stride)
            condition = layout.groups[group].condition_end
            mine = cells[group % (AHEAD + 1)]
            set_lanes(mine, found)
            values_at = layout.groups[group].values_at
            for row in range(min(rows, FEW)):
                fetch_line(layout.values, values_at + np.int64(mine[row]))
        if group >= AHEAD:
            ready = cells[(group - AHEAD) % (AHEAD + 1)]
            while line < layout.groups[group - AHEAD].line_end:
                for first in range(0, rows, LINE):
                    add_lines(total, first, layout.line_slots, line, layout.values, layout.line_values[line], ready)
                line += 1
