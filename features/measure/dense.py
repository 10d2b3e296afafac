"""Windows of a dense log beyond its recent records: sums over panes, super-blocks, blocks and single records.

A popular payee's windows change little from one payment to the next, so what lies in full blocks and panes is kept for
each window, and summed up anew only when the far edge has moved by a pane, a block is full, or the log was folded. What
is kept is a pure function of its key, so it cannot be seen either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.measure.hll import estimate, merge, observe
from features.measure.ingest import add_sums, include, reset
from features.measure.logs import MARKS, NEVER, NONE, Logs, kept_from
from features.measure.wide import add, multiply
from features.windows import BLOCK, HORIZON, PANES, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(inner=True)
def measure_dense(
    logs: Logs,
    slot: int,
    upto: int,
    old_clock: int,
    now: int,
    own: int,
    windows: NDArray[np.int64],
    totals: NDArray[np.record],
    run: NDArray[np.record],
) -> None:
    """Measure those windows of a dense log anew that reach beyond its recent records.

    The far edge of windows beyond the horizon moves in steps of a pane; the others are exact. run: of `Work`.
    """
    if old_clock <= now - windows[-1]:
        return
    _sum_up_tail(logs, slot, upto, run)
    full, registers = upto // BLOCK * BLOCK, run[1].registers
    for window in range(len(windows)):
        length = windows[window]
        after = now - length
        if old_clock <= after:
            continue
        sums = totals[window]
        sums.payments = sums.total = sums.largest = 0
        sums.sq_high = sums.sq_low = np.uint64(0)
        registers[:] = 0
        if length <= HORIZON:
            _add_records(logs, slot, logs.slots[slot].folded, full, after, now, sums, registers)
        else:
            pane = length // PANES
            number = after // pane
            after = number * pane - 1
            _add_kept(logs, slot, full, length, number, after, now, sums, len(windows) - 1 - window, registers)
        if not _whole(run, np.int64(0), after, now, sums, registers):
            _add_records(logs, slot, full, upto, after, now, sums, registers)
        if own != NONE:
            observe(registers, own)
        sums.distinct = estimate(registers)


@njit(inner=True)
def _sum_up_tail(logs: Logs, slot: int, upto: int, run: NDArray[np.record]) -> None:
    """Summarise the records behind the last full block once, for all windows."""
    tail = np.int64(0)  # no literal: it would be another type to numba, and what it is handed to be compiled twice
    reset(run, tail)
    shift = logs.slots[slot].at - logs.slots[slot].folded
    for row in range(upto // BLOCK * BLOCK + shift, upto + shift):
        event_time = logs.event_time[row]
        include(run, tail, event_time, event_time, logs.amount[row], logs.counterparty[row])


@njit(inline="always")
def _add_kept(
    logs: Logs,
    slot: int,
    full: int,
    length: int,
    number: int,
    after: int,
    now: int,
    sums: np.record,
    level: int,
    registers: NDArray[np.uint8],
) -> None:
    """Add panes from `number` on and the records before `full`; the sum is kept if none of them is later than now.

    level: how many windows are longer.
    """
    log = logs.slots[slot]
    row = kept_from(log.block_at) + level
    key = logs.kept_key[row]
    if key[0] == full and key[1] == log.folded and key[2] == length and key[3] == number and key[4] <= now:
        _take(logs.kept, row, sums, registers)
        return
    for pane in range(log.pane_at, log.pane_at + log.panes):
        if logs.pane[pane].last == length and logs.pane[pane].first >= number:
            take_pane(logs.pane, pane, sums, registers)
    latest = _add_records(logs, slot, log.folded, full, after, now, sums, registers)
    if latest > now:
        return
    key[0], key[1], key[2], key[3], key[4] = full, log.folded, length, number, latest
    kept = logs.kept[row]
    kept.payments, kept.total, kept.largest = sums.payments, sums.total, sums.largest
    kept.sq_high, kept.sq_low = sums.sq_high, sums.sq_low
    for index in range(len(registers)):  # slices of arrays take numba long to compile
        kept.registers[index] = registers[index]


@njit(inner=True)
def _add_records(
    logs: Logs, slot: int, start: int, stop: int, after: int, now: int, sums: np.record, registers: NDArray[np.uint8]
) -> int:
    """Add the records of positions start to stop that lie in (after, now]; return the latest time among all of them."""
    log, latest = logs.slots[slot], NEVER
    base = log.folded
    first_block = base // BLOCK
    first_super = (first_block + SUPER - 1) // SUPER
    position = start
    while position < stop:
        if position % (BLOCK * SUPER) == 0 and position + BLOCK * SUPER <= stop:
            row = log.super_at + position // (BLOCK * SUPER) - first_super
            if _whole(logs.supers, row, after, now, sums, registers):
                latest = max(latest, logs.supers[row].last)
                position += BLOCK * SUPER
                continue
        if position % BLOCK == 0 and position + BLOCK <= stop:
            row = log.block_at + position // BLOCK - first_block
            if _whole(logs.blocks, row, after, now, sums, registers):
                latest = max(latest, logs.blocks[row].last)
                position += BLOCK
                continue
        end = min(stop, (position // BLOCK + 1) * BLOCK)
        for row in range(log.at + position - base, log.at + end - base):
            latest = max(latest, logs.event_time[row])
            if after < logs.event_time[row] <= now:
                amount = logs.amount[row]
                sums.payments += 1
                sums.total += amount
                sums.largest = max(sums.largest, amount)
                high, low = multiply(np.uint64(amount), np.uint64(amount))
                sums.sq_high, sums.sq_low = add(sums.sq_high, sums.sq_low, high, low)
                observe(registers, logs.counterparty[row])
        position = end
    return latest


@njit(inline="always")
def _whole(
    rows: NDArray[np.record], row: int, after: int, now: int, sums: np.record, registers: NDArray[np.uint8]
) -> bool:
    """Settle a run at once if it lies wholly inside or wholly outside of (after, now]."""
    one = rows[row]
    if one.last <= after or one.first > now:
        return True
    if after < one.first and one.last <= now:
        _take(rows, row, sums, registers)
        return True
    return False


@njit(inner=True)
def take_pane(rows: NDArray[np.record], row: int, sums: np.record, registers: NDArray[np.uint8]) -> None:
    """Add one row of a pane."""
    one = rows[row]
    add_sums(sums, one)
    for at in range(MARKS):
        mark = one.marks[at]
        if mark == 0:
            break
        index = mark & 0xFF
        registers[index] = max(registers[index], np.uint8(mark >> 8))


@njit(inner=True)
def _take(rows: NDArray[np.record], row: int, sums: np.record, registers: NDArray[np.uint8]) -> None:
    one = rows[row]
    add_sums(sums, one)
    merge(registers, one.registers)
