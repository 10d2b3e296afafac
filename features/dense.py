"""Windows of a dense log beyond its recent records: sums over panes, super-blocks, blocks and single records.

A popular payee's windows change little from one payment to the next, so what lies in full blocks and panes is kept for
each window, and summed up anew only when the far edge has moved by a pane, a block is full, or the log was folded. What
is kept is a pure function of its key, so it cannot be seen either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.hll import estimate, merge, observe
from features.ingest import include, reset
from features.logs import NEVER, NONE, Logs, Summaries
from features.wide import add, multiply
from features.windows import BLOCK, HORIZON, PANES, SUPER, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.measure import Measures

LEVELS = len(WINDOWS)


@njit()
def measure_dense(
    logs: Logs,
    slot: int,
    upto: int,
    settled: int,
    now: int,
    own: int,
    windows: NDArray[np.int64],
    out: Measures,
    tail: Summaries,
) -> None:
    """Measure those windows of a dense log anew that reach beyond its recent records.

    The far edge of windows beyond the horizon moves in steps of a pane; the others are exact. tail: one row of scratch.
    """
    if settled <= now - windows[-1]:
        return
    _sum_up_tail(logs, slot, upto, tail)
    full = upto // BLOCK * BLOCK
    for window in range(len(windows)):
        length = windows[window]
        after = now - length
        if settled <= after:
            continue
        _clear(out, window)
        if length <= HORIZON:
            _add_records(logs, slot, logs.base[slot], full, after, now, out, window)
        else:
            pane = length // PANES
            number = after // pane
            after = number * pane - 1
            _add_kept(logs, slot, full, length, number, after, now, out, window)
        if not _whole(tail, 0, after, now, out, window):
            _add_records(logs, slot, full, upto, after, now, out, window)
        if own != NONE:
            observe(out.registers, own)
        out.distinct[window] = estimate(out.registers)


@njit()
def _sum_up_tail(logs: Logs, slot: int, upto: int, tail: Summaries) -> None:
    """Summarise the records behind the last full block once, for all windows."""
    reset(tail, 0)
    shift = logs.at[slot] - logs.base[slot]
    for row in range(upto // BLOCK * BLOCK + shift, upto + shift):
        event_time = logs.event_time[row]
        include(tail, 0, event_time, event_time, logs.amount[row], logs.counterparty[row])


@njit(inline="always")
def _clear(out: Measures, window: int) -> None:
    out.payments[window] = out.total[window] = out.largest[window] = 0
    out.sq_high[window] = out.sq_low[window] = np.uint64(0)
    out.registers[:] = 0


@njit(inline="always")
def _add_kept(
    logs: Logs, slot: int, full: int, length: int, number: int, after: int, now: int, out: Measures, window: int
) -> None:
    """Add panes from `number` on and the records before `full`; the sum is kept if none of them is later than now."""
    row = logs.block_at[slot] * LEVELS + window
    key = logs.kept_key[row]
    if key[0] == full and key[1] == logs.base[slot] and key[2] == length and key[3] == number and key[4] <= now:
        _take(logs.kept, row, out, window)
        return
    for pane in range(logs.pane_at[slot], logs.pane_at[slot] + logs.panes[slot]):
        if logs.pane.last[pane] == length and logs.pane.first[pane] >= number:
            _take(logs.pane, pane, out, window)
    latest = _add_records(logs, slot, logs.base[slot], full, after, now, out, window)
    if latest > now:
        return
    key[0], key[1], key[2], key[3], key[4] = full, logs.base[slot], length, number, latest
    kept = logs.kept
    kept.payments[row], kept.total[row], kept.largest[row] = (
        out.payments[window], out.total[window], out.largest[window],
    )  # fmt: skip
    kept.sq_high[row], kept.sq_low[row] = out.sq_high[window], out.sq_low[window]
    kept.registers[row, :] = out.registers


@njit()
def _add_records(logs: Logs, slot: int, start: int, stop: int, after: int, now: int, out: Measures, window: int) -> int:
    """Add the records of positions start to stop that lie in (after, now]; return the latest time among all of them."""
    base, latest = logs.base[slot], NEVER
    first_block = base // BLOCK
    first_super = (first_block + SUPER - 1) // SUPER
    position = start
    while position < stop:
        if position % (BLOCK * SUPER) == 0 and position + BLOCK * SUPER <= stop:
            row = logs.super_at[slot] + position // (BLOCK * SUPER) - first_super
            if _whole(logs.supers, row, after, now, out, window):
                latest = max(latest, logs.supers.last[row])
                position += BLOCK * SUPER
                continue
        if position % BLOCK == 0 and position + BLOCK <= stop:
            row = logs.block_at[slot] + position // BLOCK - first_block
            if _whole(logs.blocks, row, after, now, out, window):
                latest = max(latest, logs.blocks.last[row])
                position += BLOCK
                continue
        end = min(stop, (position // BLOCK + 1) * BLOCK)
        for row in range(logs.at[slot] + position - base, logs.at[slot] + end - base):
            latest = max(latest, logs.event_time[row])
            if after < logs.event_time[row] <= now:
                amount = logs.amount[row]
                out.payments[window] += 1
                out.total[window] += amount
                out.largest[window] = max(out.largest[window], amount)
                high, low = multiply(np.uint64(amount), np.uint64(amount))
                out.sq_high[window], out.sq_low[window] = add(out.sq_high[window], out.sq_low[window], high, low)
                observe(out.registers, logs.counterparty[row])
        position = end
    return latest


@njit(inline="always")
def _whole(rows: Summaries, row: int, after: int, now: int, out: Measures, window: int) -> bool:
    """Settle a run at once if it lies wholly inside or wholly outside of (after, now]."""
    if rows.last[row] <= after or rows.first[row] > now:
        return True
    if after < rows.first[row] and rows.last[row] <= now:
        _take(rows, row, out, window)
        return True
    return False


@njit()
def _take(rows: Summaries, row: int, out: Measures, window: int) -> None:
    out.payments[window] += rows.payments[row]
    out.total[window] += rows.total[row]
    out.largest[window] = max(out.largest[window], rows.largest[row])
    out.sq_high[window], out.sq_low[window] = add(
        out.sq_high[window], out.sq_low[window], rows.sq_high[row], rows.sq_low[row]
    )
    merge(out.registers, rows.registers[row])
