"""The window kernel: what holds in (t - w, t] of one log, as of one position in it.

Windows that fit in the recent records (one to two blocks) are measured record by record; in a dense log the others are
summed over block summaries and panes. The result is a pure function of the log's order and the position: neither
later records nor folding can change it (docs/specs/online_store.md has the argument).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit
from features.hll import REGISTERS, estimate, merge, observe
from features.ingest import include, reset, settled_clock
from features.logs import NEVER, NONE, Logs, Summaries
from features.wide import add, multiply
from features.windows import BLOCK, HORIZON, PANES, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray

DISTINCT_CELLS = 1024


class Measures(NamedTuple):
    """Scratch and result of `measure`: one entry a window, ascending; the measured payment itself left out."""

    payments: NDArray[np.int64]
    total: NDArray[np.int64]
    largest: NDArray[np.int64]
    sq_high: NDArray[np.uint64]
    sq_low: NDArray[np.uint64]
    distinct: NDArray[np.float64]
    """The only column that counts the measured payment in."""
    cells: NDArray[np.int64]
    """Scratch: open addressing, counterparty and the smallest window it was seen in."""
    registers: NDArray[np.uint8]

    @classmethod
    def make(cls, windows: int) -> Measures:
        """Allocate for a number of windows."""
        return cls(
            payments=np.zeros(windows, dtype=np.int64),
            total=np.zeros(windows, dtype=np.int64),
            largest=np.zeros(windows, dtype=np.int64),
            sq_high=np.zeros(windows, dtype=np.uint64),
            sq_low=np.zeros(windows, dtype=np.uint64),
            distinct=np.zeros(windows, dtype=np.float64),
            cells=np.zeros((DISTINCT_CELLS, 2), dtype=np.int64),
            registers=np.zeros(REGISTERS, dtype=np.uint8),
        )


@njit(inline="always")
def recent_start(logs: Logs, slot: int, position: int) -> int:
    """Return where the recent records start: at the last full block, or at the start of a young log."""
    full = (position + 1) // BLOCK
    return (full - 1) * BLOCK if full >= 2 else logs.base[slot]


@njit(inline="always")
def measure(
    logs: Logs,
    slot: int,
    position: int,
    upto: int,
    now: int,
    own: int,
    windows: NDArray[np.int64],
    out: Measures,
    tail: Summaries,
) -> None:
    """Measure every window (now - w, now] over the records before `upto`, as of `position`.

    own: the measured payment's counterparty, counted into the distinct ones; NONE if there is no own payment. tail: one
    row of scratch.

    Inlined, and the recent records given as columns: a call that hands all of `logs` over costs 0.3 us, because numba
    passes each of its arrays by value, and this is called four times a payment.
    """
    shift = logs.at[slot] - logs.base[slot]
    start = recent_start(logs, slot, position) + shift
    _scan(logs.event_time, logs.amount, logs.counterparty, start, upto + shift, now, own, windows, out)
    settled = settled_clock(logs, slot, position)
    if settled != NEVER:
        _measure_dense(logs, slot, upto, settled, now, own, windows, out, tail)


@njit()
def _measure_dense(
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
    """Measure those windows of a dense log anew that reach beyond its recent records."""
    if settled <= now - windows[-1]:
        return
    _sum_up_tail(logs, slot, upto, tail)
    for window in range(len(windows)):
        length = windows[window]
        if settled <= now - length:
            continue
        if length <= HORIZON:
            _gather(logs, slot, upto, now - length, now, own, NONE, 0, out, window, tail)
        else:
            pane = length // PANES
            number = (now - length) // pane
            _gather(logs, slot, upto, number * pane - 1, now, own, length, number, out, window, tail)


@njit()
def _scan(
    event_time: NDArray[np.int64],
    amount_paise: NDArray[np.int64],
    counterparty: NDArray[np.int64],
    start: int,
    stop: int,
    now: int,
    own: int,
    windows: NDArray[np.int64],
    out: Measures,
) -> None:
    """Measure over the rows of recent records one by one: each falls into the smallest window that holds it."""
    last = len(windows) - 1
    for window in range(len(windows)):
        out.payments[window] = out.total[window] = out.largest[window] = 0
        out.sq_high[window] = out.sq_low[window] = np.uint64(0)
        out.distinct[window] = 0.0
    longest = windows[last]
    cells = 16
    while cells < 2 * (stop - start + 2):
        cells *= 2
    for cell in range(cells):
        out.cells[cell, 0] = NONE
    if own != NONE:
        _see(out.cells, cells, own, 0)
    for row in range(start, stop):
        age = now - event_time[row]
        if age < 0 or age >= longest:
            continue
        window = 0
        while age >= windows[window]:
            window += 1
        amount = amount_paise[row]
        out.payments[window] += 1
        out.total[window] += amount
        out.largest[window] = max(out.largest[window], amount)
        high, low = multiply(np.uint64(amount), np.uint64(amount))
        out.sq_high[window], out.sq_low[window] = add(out.sq_high[window], out.sq_low[window], high, low)
        _see(out.cells, cells, counterparty[row], window)
    for cell in range(cells):
        if out.cells[cell, 0] != NONE:
            out.distinct[out.cells[cell, 1]] += 1.0
    for window in range(1, len(windows)):
        before = window - 1
        out.payments[window] += out.payments[before]
        out.total[window] += out.total[before]
        out.largest[window] = max(out.largest[window], out.largest[before])
        out.sq_high[window], out.sq_low[window] = add(
            out.sq_high[window], out.sq_low[window], out.sq_high[before], out.sq_low[before]
        )
        out.distinct[window] += out.distinct[before]


@njit(inline="always")
def _see(cells: NDArray[np.int64], size: int, counterparty: int, window: int) -> None:
    """Note that a counterparty was seen in a window; the smallest window stands."""
    cell = (counterparty ^ (counterparty >> 20)) & (size - 1)
    while cells[cell, 0] != NONE and cells[cell, 0] != counterparty:
        cell = (cell + 1) & (size - 1)
    if cells[cell, 0] == NONE:
        cells[cell, 0] = counterparty
        cells[cell, 1] = window
    elif window < cells[cell, 1]:
        cells[cell, 1] = window


@njit()
def _sum_up_tail(logs: Logs, slot: int, upto: int, tail: Summaries) -> None:
    """Summarise the records behind the last full block once, for all windows."""
    reset(tail, 0)
    shift = logs.at[slot] - logs.base[slot]
    for row in range(upto // BLOCK * BLOCK + shift, upto + shift):
        event_time = logs.event_time[row]
        include(tail, 0, event_time, event_time, logs.amount[row], logs.counterparty[row])


@njit()
def _gather(
    logs: Logs,
    slot: int,
    upto: int,
    after: int,
    now: int,
    own: int,
    level: int,
    number: int,
    out: Measures,
    window: int,
    tail: Summaries,
) -> None:
    """Measure (after, now] of a dense log over panes from `number` on, super-blocks, blocks and single records."""
    out.payments[window] = out.total[window] = out.largest[window] = 0
    out.sq_high[window] = out.sq_low[window] = np.uint64(0)
    out.registers[:] = 0
    if own != NONE:
        observe(out.registers, own)
    if level != NONE:
        for row in range(logs.pane_at[slot], logs.pane_at[slot] + logs.panes[slot]):
            if logs.pane.last[row] == level and logs.pane.first[row] >= number:
                _take(logs.pane, row, out, window)
    base = logs.base[slot]
    first_block = base // BLOCK
    first_super = (first_block + SUPER - 1) // SUPER
    position = base
    while position < upto:
        if position % (BLOCK * SUPER) == 0 and position + BLOCK * SUPER <= upto:
            row = logs.super_at[slot] + position // (BLOCK * SUPER) - first_super
            if _whole(logs.supers, row, after, now, out, window):
                position += BLOCK * SUPER
                continue
        if position % BLOCK == 0 and position + BLOCK <= upto:
            row = logs.block_at[slot] + position // BLOCK - first_block
            if _whole(logs.blocks, row, after, now, out, window):
                position += BLOCK
                continue
        if position % BLOCK == 0 and position + BLOCK > upto and _whole(tail, 0, after, now, out, window):
            break
        end = min(upto, (position // BLOCK + 1) * BLOCK)
        for row in range(logs.at[slot] + position - base, logs.at[slot] + end - base):
            if after < logs.event_time[row] <= now:
                amount = logs.amount[row]
                out.payments[window] += 1
                out.total[window] += amount
                out.largest[window] = max(out.largest[window], amount)
                high, low = multiply(np.uint64(amount), np.uint64(amount))
                out.sq_high[window], out.sq_low[window] = add(out.sq_high[window], out.sq_low[window], high, low)
                observe(out.registers, logs.counterparty[row])
        position = end
    out.distinct[window] = estimate(out.registers)


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
