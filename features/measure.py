"""The window kernel: what holds in (t - w, t] of one log, as of one position in it.

Windows that fit in the recent records (one to two blocks) are measured record by record here; in a dense log the others
are summed over block summaries and panes (features/dense.py). The result is a pure function of the log's order and the
position: neither later records nor folding can change it (docs/specs/online_store.md has the argument).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit
from features.dense import measure_dense
from features.hll import REGISTERS
from features.ingest import settled_clock
from features.logs import NEVER, NONE, Logs, Summaries
from features.wide import add
from features.windows import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

DISTINCT_CELLS = 1024
COUNTERPARTY_BITS = 40
STAMPS = 1 << 23
LOWER_BITS = 17
LOWER_MASK = (1 << LOWER_BITS) - 1


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
    """Scratch: open addressing; stamp and counterparty in one number, and the smallest window it was seen in."""
    stamp: NDArray[np.int64]
    """Scratch: [1], the stamp of the cells that are in use."""
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
            stamp=np.zeros(1, dtype=np.int64),
            registers=np.zeros(REGISTERS, dtype=np.uint8),
        )


@njit()
def recent_rows(logs_at: NDArray[np.int64], logs_base: NDArray[np.int64], slot: int, position: int) -> tuple[int, int]:
    """Return the rows of the recent records before a position: from the last full block on, of a young log all."""
    full = (position + 1) // BLOCK
    shift = logs_at[slot] - logs_base[slot]
    return ((full - 1) * BLOCK if full >= 2 else logs_base[slot]) + shift, position + shift


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
    start, at = recent_rows(logs.at, logs.base, slot, position)
    scan(logs.event_time, logs.amount, logs.counterparty, start, at + upto - position, now, own, windows, out)
    settled = settled_clock(logs, slot, position)
    if settled != NEVER:
        measure_dense(logs, slot, upto, settled, now, own, windows, out, tail)


@njit()
def scan(
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
    """Measure over the rows of recent records: each falls into the smallest window that holds it.

    Logs are nearly in order of time, so records come in runs of one window, which are summed up without a look at it.
    """
    for window in range(len(windows)):
        out.payments[window] = out.total[window] = out.largest[window] = 0
        out.sq_high[window] = out.sq_low[window] = np.uint64(0)
        out.distinct[window] = 0.0
    cells = 16
    while cells < 2 * (stop - start + 2):
        cells *= 2
    stamp = _new_stamp(out)
    if own != NONE:
        _see(out, cells, stamp, own, 0)
    longest, row = windows[-1], start
    while row < stop:
        age = now - event_time[row]
        if age < 0 or age >= longest:
            row += 1
            continue
        window = 0
        while age >= windows[window]:
            window += 1
        after, latest = now - windows[window], now - windows[window - 1] if window else now
        end = row + 1
        while end < stop and after < event_time[end] <= latest:
            end += 1
        _add_run(amount_paise, row, end, out, window)
        for seen in range(row, end):
            _see(out, cells, stamp, counterparty[seen], window)
        row = end
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
def _add_run(amount_paise: NDArray[np.int64], start: int, stop: int, out: Measures, window: int) -> None:
    """Add rows that fall into one window. Squares go by parts of 17 and 23 bits: 256 of any product fit in 64 bits."""
    total, largest = 0, 0
    high, mixed, low = np.uint64(0), np.uint64(0), np.uint64(0)
    for row in range(start, stop):
        amount = amount_paise[row]
        total += amount
        largest = max(largest, amount)
        upper, lower = np.uint64(amount >> LOWER_BITS), np.uint64(amount & LOWER_MASK)
        high += upper * upper
        mixed += upper * lower
        low += lower * lower
    out.payments[window] += stop - start
    out.total[window] += total
    out.largest[window] = max(out.largest[window], largest)
    # upper^2 * 2^34 + 2 * upper * lower * 2^17 + lower^2
    sq_high, sq_low = add(out.sq_high[window], out.sq_low[window], high >> np.uint64(30), high << np.uint64(34))
    sq_high, sq_low = add(sq_high, sq_low, mixed >> np.uint64(46), mixed << np.uint64(18))
    out.sq_high[window], out.sq_low[window] = add(sq_high, sq_low, np.uint64(0), low)


@njit(inline="always")
def _new_stamp(out: Measures) -> int:
    """Empty the cells without touching them: what bears another stamp is not there."""
    stamp = out.stamp[0] + 1
    if stamp == STAMPS:
        out.cells[:, 0] = 0
        stamp = 1
    out.stamp[0] = stamp
    return stamp


@njit(inline="always")
def _see(out: Measures, size: int, stamp: int, counterparty: int, window: int) -> None:
    """Count a counterparty into the smallest window that it was seen in."""
    cells, stamped = out.cells, stamp << COUNTERPARTY_BITS | counterparty
    cell = (counterparty ^ (counterparty >> 20)) & (size - 1)
    while cells[cell, 0] != stamped and cells[cell, 0] >> COUNTERPARTY_BITS == stamp:
        cell = (cell + 1) & (size - 1)
    if cells[cell, 0] != stamped:
        cells[cell, 0] = stamped
        cells[cell, 1] = window
        out.distinct[window] += 1.0
    elif window < cells[cell, 1]:
        out.distinct[cells[cell, 1]] -= 1.0
        out.distinct[window] += 1.0
        cells[cell, 1] = window
