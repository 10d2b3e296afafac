"""Appending records to a log in memory: too early event times are moved up, full blocks are summarised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from features.entities import COUNTERPARTIES, INBOUND, OUTBOUND
from features.measure.hll import merge, observe
from features.measure.logs import NEVER, NONE, Logs
from features.measure.wide import add, multiply
from features.record import PARTY, RECORD_WORDS, amount_of, event_time_of, party_of, place_of
from features.windows import BLOCK, HORIZON, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNTERPARTY: Final = np.array(COUNTERPARTIES)


@njit(inline="always")
def little(raw: NDArray[np.uint8], at: int, size: int) -> int:
    """Read an unsigned little-endian number of up to 7 bytes."""
    value = np.int64(0)
    for byte in range(size):
        value |= np.int64(raw[at + byte]) << (8 * byte)
    return value


@njit(inner=True)
def old_clock_at(slots: NDArray[np.record], blocks: NDArray[np.record], slot: int, position: int) -> int:
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


@njit(inner=True)
def append(logs: Logs, slot: int, event_time: int, amount: int, counterparty: int, place: int) -> None:
    """Append one record; the slot must have room for it (and for its block's summary)."""
    log = logs.slots[slot]
    position, clock = log.length, log.clock
    if position == 0:
        log.born = event_time
    moved = event_time
    old_clock = old_clock_at(logs.slots, logs.blocks, slot, position)
    if old_clock != NEVER:
        moved = max(event_time, min(clock - HORIZON, old_clock + HORIZON))
    row = log.at + position - log.folded
    logs.event_time[row] = moved
    logs.amount[row] = amount
    logs.counterparty[row] = counterparty
    logs.place[row] = place
    log.clock = max(clock, event_time)
    log.length = position + 1
    if (position + 1) % BLOCK == 0 and log.block_at != NONE:
        _close_block(logs, slot, position // BLOCK)


@njit(inner=True)
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


@njit(inner=True)
def reset(rows: NDArray[np.record], row: int) -> None:
    """Make a summary that of no records."""
    one = rows[row]
    one.first = -NEVER
    one.last = NEVER
    one.payments = one.total = one.largest = 0
    one.sq_high = one.sq_low = np.uint64(0)
    one.registers[:] = 0


@njit(inner=True)
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


@njit(inner=True)
def absorb(rows: NDArray[np.record], row: int, others: NDArray[np.record], other: int) -> None:
    """Count one summary into another."""
    one, more = rows[row], others[other]
    one.first = min(one.first, more.first)
    one.last = max(one.last, more.last)
    add_sums(one, more)
    merge(one.registers, more.registers)


@njit(inner=True)
def add_sums(sums: np.record, more: np.record) -> None:
    """Add payments, amounts and their squares of one record with such fields to another."""
    sums.payments += more.payments
    sums.total += more.total
    sums.largest = max(sums.largest, more.largest)
    sums.sq_high, sums.sq_low = add(sums.sq_high, sums.sq_low, more.sq_high, more.sq_low)


@njit()
def append_raw(logs: Logs, slot: int, start: int, end: int, words: NDArray[np.uint64]) -> None:
    """Append to a slot a run of records as the store has them: bytes start to end, of which `words` has eight each."""
    log, at, stop_at = logs.slots[slot], start // 8, end // 8
    if at >= stop_at:
        return
    for word in range(RECORD_WORDS):
        log.last[word] = words[stop_at - RECORD_WORDS + word]
    if log.length == 0:
        log.born = event_time_of(words, at)
    while at < stop_at:
        # All records of a block but the last have the same old clock.
        position = log.length
        stop = min(stop_at, at + RECORD_WORDS * (BLOCK - 1 - position % BLOCK))
        old_clock, clock = old_clock_at(logs.slots, logs.blocks, slot, position), log.clock
        row = log.at + position - log.folded
        while at < stop:
            event_time = event_time_of(words, at)
            moved = event_time
            if old_clock != NEVER:
                moved = max(event_time, min(clock - HORIZON, old_clock + HORIZON))
            logs.event_time[row] = moved
            logs.amount[row] = amount_of(words, at)
            logs.counterparty[row] = party_of(words, at)
            logs.place[row] = place_of(words, at)
            clock = max(clock, event_time)
            row += 1
            at += RECORD_WORDS
        log.length = row - log.at + log.folded
        log.clock = clock
        if at < stop_at:
            append(logs, slot, event_time_of(words, at), amount_of(words, at), party_of(words, at), place_of(words, at))
            at += RECORD_WORDS


@njit()
def append_rows(logs: Logs, payments: NDArray[np.record], located: NDArray[np.record]) -> None:
    """Append payments to the logs in their slots, in row order, and fill in where they are.

    payments: of PAYMENT. located: of LOCATED, beside them, with the slots; NONE is passed over. A payment to oneself is
    among those received by then, and not among those paid out before.
    """
    for row in range(len(payments)):
        payment, positions = payments[row], located[row]
        slot = positions.slot[OUTBOUND]
        positions.at[OUTBOUND] = 0 if slot == NONE else logs.slots[slot].length
        for kind in range(INBOUND):
            slot = positions.slot[kind]
            positions.at[kind] = NONE
            if slot != NONE:
                positions.at[kind] = logs.slots[slot].length
                party = np.int64(payment.identity[_COUNTERPARTY[kind]] & PARTY)
                append(logs, slot, payment.event_time, payment.amount_paise, party, payment.place)
        slot = positions.slot[INBOUND]
        positions.at[INBOUND] = 0 if slot == NONE else logs.slots[slot].length
