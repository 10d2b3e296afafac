"""Appending records to a log in memory: event times are settled and full blocks summarised as they complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.hll import merge, observe
from features.logs import NEVER, NONE, Logs, Summaries
from features.record import RECORD_BYTES
from features.wide import add, multiply
from features.windows import BLOCK, HORIZON, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORD_WORDS = RECORD_BYTES // 8


@njit(inline="always")
def little(raw: NDArray[np.uint8], at: int, size: int) -> int:
    """Read an unsigned little-endian number of up to 7 bytes."""
    value = np.int64(0)
    for byte in range(size):
        value |= np.int64(raw[at + byte]) << (8 * byte)
    return value


@njit(inline="always")
def settled_clock(logs: Logs, slot: int, position: int) -> int:
    """C: the clock at the end of the block before the last full one, as of the record at `position`.

    That is 128 to 256 records ago, and minus infinity in a young log.
    """
    return _settled_clock(
        logs.base, logs.base_clock, logs.older_clock, logs.block_at, logs.blocks.clock, slot, position
    )


@njit()
def _settled_clock(
    base: NDArray[np.int64],
    base_clock: NDArray[np.int64],
    older_clock: NDArray[np.int64],
    block_at: NDArray[np.int64],
    block_clock: NDArray[np.int64],
    slot: int,
    position: int,
) -> int:
    full = (position + 1) // BLOCK
    if full < 2:
        return NEVER
    block = full - 2
    first = base[slot] // BLOCK
    if block < first:
        return base_clock[slot] if block == first - 1 else older_clock[slot]
    return block_clock[block_at[slot] + block - first]


@njit()
def append(logs: Logs, slot: int, event_time: int, amount: int, counterparty: int, place: int) -> None:
    """Append one record; the slot must have room for it (and for its block's summary)."""
    position = logs.length[slot]
    clock = logs.clock[slot]
    if position == 0:
        logs.born[slot] = event_time
    moved = event_time
    settled = settled_clock(logs, slot, position)
    if settled != NEVER:
        moved = max(event_time, min(clock - HORIZON, settled + HORIZON))
    row = logs.at[slot] + position - logs.base[slot]
    logs.event_time[row] = moved
    logs.amount[row] = amount
    logs.counterparty[row] = counterparty
    logs.place[row] = place
    logs.clock[slot] = max(clock, event_time)
    logs.length[slot] = position + 1
    if (position + 1) % BLOCK == 0 and logs.block_at[slot] != NONE:
        _close_block(logs, slot, position // BLOCK)


@njit()
def _close_block(logs: Logs, slot: int, block: int) -> None:
    first_block = logs.base[slot] // BLOCK
    row = logs.block_at[slot] + block - first_block
    start = logs.at[slot] + block * BLOCK - logs.base[slot]
    blocks = logs.blocks
    reset(blocks, row)
    for record in range(start, start + BLOCK):
        include(
            blocks,
            row,
            logs.event_time[record],
            logs.event_time[record],
            logs.amount[record],
            logs.counterparty[record],
        )
    blocks.clock[row] = logs.clock[slot]
    if (block + 1) % SUPER == 0 and block + 1 - SUPER >= first_block:
        super_row = logs.super_at[slot] + block // SUPER - (first_block + SUPER - 1) // SUPER
        reset(logs.supers, super_row)
        for part in range(row + 1 - SUPER, row + 1):
            absorb(logs.supers, super_row, blocks, part)
        logs.supers.clock[super_row] = logs.clock[slot]


@njit()
def reset(rows: Summaries, row: int) -> None:
    """Make a summary that of no records."""
    rows.first[row] = -NEVER
    rows.last[row] = NEVER
    rows.payments[row] = rows.total[row] = rows.largest[row] = 0
    rows.sq_high[row] = rows.sq_low[row] = np.uint64(0)
    rows.registers[row, :] = 0


@njit()
def include(rows: Summaries, row: int, first: int, last: int, amount: int, counterparty: int) -> None:
    """Count one record into a summary."""
    rows.first[row] = min(rows.first[row], first)
    rows.last[row] = max(rows.last[row], last)
    rows.payments[row] += 1
    rows.total[row] += amount
    rows.largest[row] = max(rows.largest[row], amount)
    high, low = multiply(np.uint64(amount), np.uint64(amount))
    rows.sq_high[row], rows.sq_low[row] = add(rows.sq_high[row], rows.sq_low[row], high, low)
    observe(rows.registers[row], counterparty)


@njit()
def absorb(rows: Summaries, row: int, others: Summaries, other: int) -> None:
    """Count one summary into another."""
    rows.first[row] = min(rows.first[row], others.first[other])
    rows.last[row] = max(rows.last[row], others.last[other])
    rows.payments[row] += others.payments[other]
    rows.total[row] += others.total[other]
    rows.largest[row] = max(rows.largest[row], others.largest[other])
    rows.sq_high[row], rows.sq_low[row] = add(
        rows.sq_high[row], rows.sq_low[row], others.sq_high[other], others.sq_low[other]
    )
    merge(rows.registers[row], others.registers[other])


@njit()
def append_raw(
    logs: Logs, slots: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], words: NDArray[np.uint64]
) -> None:
    """Append to each slot its run of records: bytes starts[k] to ends[k], of which `words` has eight each."""
    for k in range(len(slots)):
        slot, at, end = slots[k], starts[k] // 8, ends[k] // 8
        if at < end and logs.length[slot] == 0:
            logs.born[slot] = _event_time(words, at)
        while at < end:
            # All records of a block but the last are settled by the same clock.
            position = logs.length[slot]
            stop = min(end, at + RECORD_WORDS * (BLOCK - 1 - position % BLOCK))
            settled, clock = settled_clock(logs, slot, position), logs.clock[slot]
            row = logs.at[slot] + position - logs.base[slot]
            while at < stop:
                event_time = _event_time(words, at)
                moved = event_time
                if settled != NEVER:
                    moved = max(event_time, min(clock - HORIZON, settled + HORIZON))
                logs.event_time[row] = moved
                logs.amount[row] = _amount(words, at)
                logs.counterparty[row] = _counterparty(words, at)
                logs.place[row] = _place(words, at)
                clock = max(clock, event_time)
                row += 1
                at += RECORD_WORDS
            logs.length[slot] = row - logs.at[slot] + logs.base[slot]
            logs.clock[slot] = clock
            if at < end:
                append(
                    logs,
                    slot,
                    _event_time(words, at),
                    _amount(words, at),
                    _counterparty(words, at),
                    _place(words, at),
                )
                at += RECORD_WORDS


# The fields of a record in its four little-endian words (features/record.py).


@njit(inline="always")
def _event_time(words: NDArray[np.uint64], at: int) -> int:
    return np.int64(words[at] & np.uint64(0xFFFFFFFFFFFF))


@njit(inline="always")
def _amount(words: NDArray[np.uint64], at: int) -> int:
    return np.int64(words[at] >> np.uint64(48) | (words[at + 1] & np.uint64(0xFFFFFF)) << np.uint64(16))


@njit(inline="always")
def _counterparty(words: NDArray[np.uint64], at: int) -> int:
    return np.int64(words[at + 1] >> np.uint64(24))


@njit(inline="always")
def _place(words: NDArray[np.uint64], at: int) -> int:
    return np.uint32(words[at + 3] & np.uint64(0xFFFFFFFF))


@njit()
def open_short(logs: Logs, first: int, at: int, slots: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Make slots from `first` on empty short logs, their records from `at` on; fill in `slots`, NONE where empty.

    Returns the end of the room they take in the record arena.
    """
    for k in range(len(slots)):
        if sizes[k] == 0:
            slots[k] = NONE
            continue
        slot = first + k
        slots[k] = slot
        logs.at[slot] = at
        logs.length[slot] = logs.base[slot] = logs.whole_from[slot] = logs.panes[slot] = 0
        logs.base_clock[slot] = logs.older_clock[slot] = logs.clock[slot] = logs.born[slot] = NEVER
        logs.block_at[slot] = logs.super_at[slot] = logs.pane_at[slot] = NONE
        at += sizes[k] // 32
    return at


@njit()
def append_columns(
    logs: Logs,
    slots: NDArray[np.int64],
    event_time: NDArray[np.int64],
    amount: NDArray[np.int64],
    counterparty: NDArray[np.uint64],
    place: NDArray[np.uint32],
) -> NDArray[np.int64]:
    """Append one record a row, in row order; rows with slot -1 are passed over. Return the positions taken."""
    positions = np.full(len(slots), NONE, dtype=np.int64)
    for row in range(len(slots)):
        slot = slots[row]
        if slot < 0:
            continue
        positions[row] = logs.length[slot]
        append(
            logs,
            slot,
            event_time[row],
            amount[row],
            np.int64(counterparty[row] & np.uint64(0xFFFFFFFFFF)),
            place[row],
        )
    return positions
