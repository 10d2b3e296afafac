"""The window kernel: what holds in (t - w, t] of one log, as of one position in it.

Windows that fit in the recent records (one to two blocks) are measured record by record here; in a dense log the others
are summed over block summaries and panes (features/dense.py). The result is a pure function of the log's order and the
position: neither later records nor folding can change it (docs/specs/online_store.md has the argument).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.measure.dense import measure_dense
from features.measure.ingest import old_clock_at
from features.measure.logs import NEVER, NONE, Logs
from features.measure.wide import add
from features.windows import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.measure.scratch import Work

STAMPS = 1 << 16
STAMP_SHIFT = np.uint64(48)
INDEX_BITS = np.uint64(8)
INDEX_MASK = np.uint64(0xFF)
"""A cell is a stamp, 40 bits of a counterparty, and where among the recent records that stood last."""
ROW_BITS = 8
ROW_MASK = (1 << ROW_BITS) - 1
LOWER_BITS = 17
LOWER_MASK = (1 << LOWER_BITS) - 1
UPPER_MASK = 0xFFFFFFFF


@njit(inline="always")
def now_of(logs: Logs, slot: int, position: int) -> int:
    """Return t' of a record that is kept."""
    return logs.event_time[logs.slots[slot].at + position - logs.slots[slot].folded]


@njit(inner=True)
def recent_rows(slots: NDArray[np.record], slot: int, position: int) -> tuple[int, int]:
    """Return the rows of the recent records before a position: from the last full block on, of a young log all."""
    full, log = (position + 1) // BLOCK, slots[slot]
    shift = log.at - log.folded
    return ((full - 1) * BLOCK if full >= 2 else log.folded) + shift, position + shift


@njit(inner=True)
def measure(
    logs: Logs,
    slot: int,
    position: int,
    upto: int,
    now: int,
    own: int,
    windows: NDArray[np.int64],
    totals: NDArray[np.record],
    work: Work,
) -> None:
    """Measure every window (now - w, now] over the records before `upto`, as of `position`; totals: MEASURE of each.

    own: the measured payment's counterparty, counted into the distinct ones; NONE if there is no own payment. The
    recent records are left in order of time (`Recent`).
    """
    start, at = recent_rows(logs.slots, slot, position)
    old_clock = old_clock_at(logs.slots, logs.blocks, slot, position)
    exact = 0
    while exact < len(windows) and old_clock <= now - windows[exact]:
        exact += 1
    _put_in_order(logs, start, at + upto - position, now, work)
    _scan(logs, now, own, windows, exact, totals, work)
    if exact < len(windows):
        measure_dense(logs, slot, upto, old_clock, now, own, windows, totals, work.run)


@njit(inner=True)
def _put_in_order(logs: Logs, start: int, stop: int, now: int, work: Work) -> None:
    """Have the rows of recent records, fewer than 256, in order of time, without those later than now.

    They nearly always are. Windows hold sets, so the order does not count there.
    """
    recent = work.recent[0]
    recent.start, recent.stop, recent.copied = start, stop, False
    if _in_order(logs.event_time, start, stop, now):
        return
    keys, amounts, others, rows = work.copies[0], work.copies[1], work.copies[2], work.copies[3]
    count, latest, backward = np.int64(0), NEVER, 0
    for row in range(start, stop):
        if logs.event_time[row] <= now:
            keys[count] = logs.event_time[row] << ROW_BITS | (row - start)
            backward += logs.event_time[row] < latest
            latest = logs.event_time[row]
            count += 1
    if backward > 0:  # else there are only records later than now among them
        _sort(keys, count)
    for index in range(count):
        row = start + (keys[index] & ROW_MASK)
        keys[index] >>= ROW_BITS
        amounts[index], others[index], rows[index] = logs.amount[row], logs.counterparty[row], row
    recent.start, recent.stop, recent.copied = 0, count, True


@njit(inner=True)
def _sort(keys: NDArray[np.int64], count: int) -> None:
    """Shell sort (1959) with Ciura's gaps (2001), which does little where little is out of order."""
    for gap in (132, 57, 23, 10, 4, 1):
        for late in range(gap, count):
            key, index = keys[late], late
            while index >= gap and keys[index - gap] > key:
                keys[index] = keys[index - gap]
                index -= gap
            keys[index] = key


@njit(inner=True)
def _scan(
    logs: Logs, now: int, own: int, windows: NDArray[np.int64], exact: int, totals: NDArray[np.record], work: Work
) -> None:
    """Measure the first `exact` windows over the recent records in order of time.

    The rows that a window adds are a run that ends where the run of the window before began.
    """
    recent, times, amounts, others = work.recent[0], logs.event_time, logs.amount, logs.counterparty
    if recent.copied:
        times, amounts, others = work.copies[0], work.copies[1], work.copies[2]
    start, row = recent.start, recent.stop
    if exact < len(windows):  # of a dense log's recent records those suffice that its exact windows reach
        start = recent.stop
        while exact > 0 and start > recent.start and times[start - 1] > now - windows[exact - 1]:
            start -= 1
    own_at = tell_apart(others, start, own, work)
    last = recent.last
    # No literal 0: it would be another type, and what it is handed to be compiled again.
    count, paid, most, high, low = np.int64(0), np.int64(0), np.int64(0), np.uint64(0), np.uint64(0)
    distinct = 0
    for window in range(exact):
        after, end = now - windows[window], row
        while row > start and times[row - 1] > after:
            row -= 1
            distinct += last[row - start]
        count += end - row
        paid, most, high, low = _add_run(amounts, row, end, paid, most, high, low)
        sums = totals[window]
        sums.payments, sums.total, sums.largest = count, paid, most
        sums.sq_high, sums.sq_low, sums.distinct = high, low, distinct + (own_at < row)


@njit(inner=True)
def tell_apart(others: NDArray[np.int64], start: int, own: int, work: Work) -> int:
    """Tell of recent records from `start` on which are a counterparty's first and which its last (`Recent`).

    Those that are the last are as many as there are counterparties in a window, which ends with the records. Returns
    the row of the last one of `own`, or one before `start`: the payment adds to windows behind that. Without an own
    payment it adds to none.
    """
    recent, cells = work.recent[0], work.cells
    first, last, rows = recent.first, recent.last, recent.stop - start
    mask, seen = np.uint64(_cells_for(rows) - 1), _new_stamp(cells, work.stamp)
    recent.told_from = start
    # Written whether new or not, and indexed by what cannot be negative: no branch that is often guessed wrong.
    for index in range(rows):
        party = np.uint64(others[start + index])
        cell = _find_cell(cells, mask, seen, party)
        is_new = cells[cell] < seen
        first[index] = is_new
        last[np.uint64(index) if is_new else cells[cell] & INDEX_MASK] = 0
        last[index] = 1
        cells[cell] = seen | party << INDEX_BITS | np.uint64(index)
    if own == NONE:
        return int(recent.stop)
    cell = _find_cell(cells, mask, seen, np.uint64(own))
    return start + np.int64(cells[cell] & INDEX_MASK) if cells[cell] >= seen else start - 1


@njit(inner=True)
def _in_order(event_time: NDArray[np.int64], start: int, stop: int, now: int) -> bool:
    """Return whether no row is older than the one before it, and none later than now."""
    backward = 0
    for row in range(start + 1, stop):
        backward += event_time[row] < event_time[row - 1]
    return backward == 0 and (start >= stop or event_time[stop - 1] <= now)


@njit(inner=True)
def _add_run(  # type: ignore[no-untyped-def]
    amount_paise: NDArray[np.int64],
    start: int,
    stop: int,
    total: int,
    largest: int,
    sq_high: np.uint64,
    sq_low: np.uint64,
):
    """Add rows that fall into one window. Squares go by parts of 17 and 23 bits: 256 of any product fit in 64 bits."""
    high, mixed, low = np.uint64(0), np.uint64(0), np.uint64(0)
    for row in range(start, stop):
        amount = amount_paise[row]
        total += amount
        largest = max(largest, amount)
        # The masks are for the compiler: products of 32 bits are computed several at once.
        upper, lower = np.uint64((amount >> LOWER_BITS) & UPPER_MASK), np.uint64(amount & LOWER_MASK)
        high += upper * upper
        mixed += upper * lower
        low += lower * lower
    # upper^2 * 2^34 + 2 * upper * lower * 2^17 + lower^2
    sq_high, sq_low = add(sq_high, sq_low, high >> np.uint64(30), high << np.uint64(34))
    sq_high, sq_low = add(sq_high, sq_low, mixed >> np.uint64(46), mixed << np.uint64(18))
    sq_high, sq_low = add(sq_high, sq_low, np.uint64(0), low)
    return total, largest, sq_high, sq_low


@njit(inline="always")
def _cells_for(records: int) -> int:
    """Return how many cells the counterparties of so many records take, and one more: four each, a power of two."""
    size = 16
    while size < 4 * (records + 1):
        size *= 2
    return size


@njit(inline="always")
def _new_stamp(cells: NDArray[np.uint64], stamp: NDArray[np.int64]) -> np.uint64:
    """Empty the cells without touching them: what bears an older stamp is not there."""
    if stamp[0] + 1 == STAMPS:
        cells[:] = 0
        stamp[0] = 0
    stamp[0] += 1
    return np.uint64(stamp[0]) << STAMP_SHIFT


@njit(inner=True)
def _find_cell(cells: NDArray[np.uint64], mask: np.uint64, seen: np.uint64, party: np.uint64) -> np.uint64:
    """Return the cell of a counterparty, or the empty one that it would get."""
    cell, wanted = party & mask, seen >> INDEX_BITS | party
    while cells[cell] >= seen and cells[cell] >> INDEX_BITS != wanted:
        cell = (cell + np.uint64(1)) & mask
    return cell
