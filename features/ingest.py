"""Appending records to a log in memory: event times are settled and full blocks summarised as they complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.hll import merge, observe
from features.logs import NEVER, NONE, Logs, clear_slot
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


@njit()
def settled_clock(slots: NDArray[np.record], blocks: NDArray[np.record], slot: int, position: int) -> int:
    """C: the clock at the end of the block before the last full one, as of the record at `position`.

    That is 128 to 256 records ago, and minus infinity in a young log. slots, blocks: of `Logs`.
    """
    full = (position + 1) // BLOCK
    if full < 2:
        return NEVER
    log, block = slots[slot], full - 2
    first = log.folded // BLOCK
    if block < first:
        return log.base_clock if block == first - 1 else log.older_clock
    return blocks[log.block_at + block - first].clock


@njit()
def append(logs: Logs, slot: int, event_time: int, amount: int, counterparty: int, place: int) -> None:
    """Append one record; the slot must have room for it (and for its block's summary)."""
    log = logs.slots[slot]
    position, clock = log.length, log.clock
    if position == 0:
        log.born = event_time
    moved = event_time
    settled = settled_clock(logs.slots, logs.blocks, slot, position)
    if settled != NEVER:
        moved = max(event_time, min(clock - HORIZON, settled + HORIZON))
    row = log.at + position - log.folded
    logs.event_time[row] = moved
    logs.amount[row] = amount
    logs.counterparty[row] = counterparty
    logs.place[row] = place
    log.clock = max(clock, event_time)
    log.length = position + 1
    if (position + 1) % BLOCK == 0 and log.block_at != NONE:
        _close_block(logs, slot, position // BLOCK)


@njit()
def _close_block(logs: Logs, slot: int, block: int) -> None:
    log, blocks = logs.slots[slot], logs.blocks
    first_block = log.folded // BLOCK
    row = log.block_at + block - first_block
    start = log.at + block * BLOCK - log.folded
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
    blocks[row].clock = log.clock
    if (block + 1) % SUPER == 0 and block + 1 - SUPER >= first_block:
        super_row = log.super_at + block // SUPER - (first_block + SUPER - 1) // SUPER
        reset(logs.supers, super_row)
        for part in range(row + 1 - SUPER, row + 1):
            absorb(logs.supers, super_row, blocks, part)
        logs.supers[super_row].clock = log.clock


@njit()
def reset(rows: NDArray[np.record], row: int) -> None:
    """Make a summary that of no records."""
    one = rows[row]
    one.first = -NEVER
    one.last = NEVER
    one.payments = one.total = one.largest = 0
    one.sq_high = one.sq_low = np.uint64(0)
    one.registers[:] = 0


@njit()
def include(rows: NDArray[np.record], row: int, first: int, last: int, amount: int, counterparty: int) -> None:
    """Count one record into a summary."""
    one = rows[row]
    one.first = min(one.first, first)
    one.last = max(one.last, last)
    one.payments += 1
    one.total += amount
    one.largest = max(one.largest, amount)
    high, low = multiply(np.uint64(amount), np.uint64(amount))
    one.sq_high, one.sq_low = add(one.sq_high, one.sq_low, high, low)
    observe(one.registers, counterparty)


@njit()
def absorb(rows: NDArray[np.record], row: int, others: NDArray[np.record], other: int) -> None:
    """Count one summary into another."""
    one, more = rows[row], others[other]
    one.first = min(one.first, more.first)
    one.last = max(one.last, more.last)
    one.payments += more.payments
    one.total += more.total
    one.largest = max(one.largest, more.largest)
    one.sq_high, one.sq_low = add(one.sq_high, one.sq_low, more.sq_high, more.sq_low)
    merge(one.registers, more.registers)


@njit()
def append_raw(
    logs: Logs, slots: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], words: NDArray[np.uint64]
) -> None:
    """Append to each slot but NONE its run of records: bytes starts[k] to ends[k], of which `words` has eight each."""
    for k in range(len(slots)):
        slot, at, end = slots[k], starts[k] // 8, ends[k] // 8
        if slot == NONE:
            continue
        log = logs.slots[slot]
        if at < end and log.length == 0:
            log.born = _event_time(words, at)
        while at < end:
            # All records of a block but the last are settled by the same clock.
            position = log.length
            stop = min(end, at + RECORD_WORDS * (BLOCK - 1 - position % BLOCK))
            settled, clock = settled_clock(logs.slots, logs.blocks, slot, position), log.clock
            row = log.at + position - log.folded
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
            log.length = row - log.at + log.folded
            log.clock = clock
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
def open_logs(  # type: ignore[no-untyped-def]
    logs, first, at, short_bytes, wanted, known, totals, sizes, slots, starts, ends, others
):  # fmt: skip
    """Find what was read of each log in the arena, and make empty slots for the short ones that were read whole.

    Slots from `first` on, their records from `at` on. Fills in where what was read begins and ends, in bytes; the slot,
    NONE where there is none; and, in `others`, the logs that are wanted and not short. Returns how many these are, or
    -1 - k where log k is not whole.
    """
    end = count = 0
    for k in range(len(sizes)):
        starts[k] = end
        end += sizes[k]
        ends[k] = end
        slots[k] = NONE
        if sizes[k] % 16 != 0:
            return -1 - k
        if not wanted[k]:
            continue
        if known[k] > 0 or totals[k] > short_bytes or totals[k] % RECORD_BYTES != 0:
            others[count] = k
            count += 1
        elif sizes[k] > 0:
            slots[k] = first
            clear_slot(logs.slots, first, at)
            first += 1
            at += sizes[k] // RECORD_BYTES
    return count


@njit()
def pass_over_known(  # type: ignore[no-untyped-def]
    slots, of, words, which, known, totals, starts, ends, header, base, matched
):  # fmt: skip
    """Move the starts of what was read of logs behind the records that their replicas have.

    which: the logs; of: their replicas' slots, NONE where there is none. A log was read from its last known record on,
    and the replica may have got more since; it matches if its own last record stands where it must. Fills in which do,
    and of folded logs the bytes of their headers and how many records were folded away.
    """
    for place in range(len(which)):
        k = which[place]
        at, prefix = starts[k] // 8, 0
        if totals[k] % RECORD_BYTES != 0:
            prefix, header[k], base[k] = 2, words[at] >> np.uint64(32), words[at + 1]
        matched[place] = False
        if of[place] == NONE or known[k] == 0 or ends[k] - starts[k] >= totals[k]:
            continue
        log = slots[of[place]]
        last = at + prefix + (log.length - known[k]) * RECORD_WORDS
        if log.folded != base[k] or log.length < known[k] or 8 * (last + RECORD_WORDS) > ends[k]:
            continue
        matched[place] = True
        for word in range(RECORD_WORDS):
            matched[place] &= words[last + word] == log.last[word]
        if matched[place]:
            starts[k] = 8 * (last + RECORD_WORDS)


@njit()
def make_ready(  # type: ignore[no-untyped-def]
    slots, of, words, which, starts, ends, room, needed
):  # fmt: skip
    """Note the last of the records that each replica will have got, and say which of them need more room.

    which: the logs; of: their replicas' slots; room: records that fit. Fills in the records that there will be, 0 where
    these fit.
    """
    for place in range(len(which)):
        k, log = which[place], slots[of[place]]
        records = log.length - log.folded + (ends[k] - starts[k]) // RECORD_BYTES
        needed[place] = records if records > room[place] else 0
        if starts[k] < ends[k]:
            log.last[:] = words[ends[k] // 8 - RECORD_WORDS : ends[k] // 8]


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
        positions[row] = logs.slots[slot].length
        append(
            logs,
            slot,
            event_time[row],
            amount[row],
            np.int64(counterparty[row] & np.uint64(0xFFFFFFFFFF)),
            place[row],
        )
    return positions
