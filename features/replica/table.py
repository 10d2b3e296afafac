"""Replicas of entity logs in the worker, found and allocated by kernels: no Python object a log.

A log only grows. A worker that knows its first n records, and that it is as long now as these and what the worker
itself appended, knows all of it without reading it; else it reads on from the last known record, which must match. Logs
that were not used for long go first (the clock algorithm, Corbato 1968), within a bound in bytes.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit
from features.entities import INBOUND
from features.measure.logs import NONE, Logs, clear_slot, put_blocks
from features.record import RECORD_BYTES
from features.replica.buddies import Buddies, give, give_all, take
from features.store.layout import UNKNOWN_LENGTH
from features.windows import BLOCK, LONGEST, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray


UNIT: Final = 16
"""Records of the smallest room that a log gets."""
COLUMN_BYTES: Final = 3 * 8 + 4
UNIT_BYTES: Final = UNIT * COLUMN_BYTES
FEWEST_UNITS: Final = 1 << 10
FEWEST_PANES: Final = 1 << 10
MIN_PANES: Final = 64
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)

HIGH, FREE, HAND, COUNT, BATCH, HITS, MISSES = range(7)
"""Of `state`: slots ever used, the slot given back last and one, where the clock's hand stands, logs that there are;
the micro-batch that is measured; logs of which nothing or only what was new was read, and logs read whole, ever."""


class Table(NamedTuple):
    """Which log is where, and what is free. The records lie in the arenas of `Logs`, with which it shares the slots."""

    slots: NDArray[np.record]
    room: Buddies
    """Of runs of UNIT records."""
    pane_room: Buddies
    cells: NDArray[np.int32]
    """Open addressing by kind and identity: the slot and one; 0 is empty."""
    state: NDArray[np.int64]


@njit(inline="always")
def _home(kind: int, identity: np.uint64, mask: np.uint64) -> np.uint64:
    mixed = (identity + np.uint64(kind)) * _MIXED
    return (mixed ^ (mixed >> _HALF)) & mask


@njit()
def find(table: Table, kind: int, identity: np.uint64) -> int:
    """Return the slot of a log; NONE if there is no replica."""
    mask = np.uint64(len(table.cells) - 1)
    cell = _home(kind, identity, mask)
    while table.cells[cell] != 0:
        slot = int(table.cells[cell]) - 1
        log = table.slots[slot]
        if log.identity == identity and log.kind == kind:
            return slot
        cell = (cell + np.uint64(1)) & mask
    return NONE


@njit(inner=True)
def find_again(table: Table, read: np.record) -> int:
    """Return what `find` does for a row of READING; its slot is where the log was, if it was looked for before.

    Behind the slots that were ever used lie those of before all was forgotten.
    """
    slot = read.slot
    if 0 <= slot < table.state[HIGH]:
        log = table.slots[slot]
        if log.identity == read.identity and log.kind == read.kind:
            return int(slot)
    return find(table, read.kind, read.identity)


@njit()
def forget(table: Table, slot: int) -> None:
    """Drop a log."""
    log = table.slots[slot]
    _remove(table, log.kind, log.identity)
    give(table.room, log.at // UNIT, log.order)
    if log.pane_order != NONE:
        give(table.pane_room, log.pane_at, log.pane_order)
    log.kind = 0
    log.at, table.state[FREE] = table.state[FREE], slot + 1
    table.state[COUNT] -= 1


@njit(inner=True)
def _remove(table: Table, kind: int, identity: np.uint64) -> None:
    """Empty a log's cell, and move up those behind it that would not be found any more (Knuth, volume 3, 6.4 R)."""
    cells, slots, one = table.cells, table.slots, np.uint64(1)
    mask = np.uint64(len(cells) - 1)
    cell = _home(kind, identity, mask)
    while slots[cells[cell] - 1].identity != identity or slots[cells[cell] - 1].kind != kind:
        cell = (cell + one) & mask
    hole = cell
    cell = (cell + one) & mask
    while cells[cell] != 0:
        log = slots[cells[cell] - 1]
        home = _home(log.kind, log.identity, mask)
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            cells[hole] = cells[cell]
            hole = cell
        cell = (cell + one) & mask
    cells[hole] = 0


@njit(inner=True)
def _evict(table: Table) -> bool:
    """Drop a log that was not used since the hand passed it last; False if all belong to this micro-batch or later."""
    state, slots = table.state, table.slots
    for _ in range(2 * state[HIGH]):
        slot = state[HAND]
        state[HAND] = (slot + 1) % state[HIGH]
        log = slots[slot]
        if log.kind == 0 or log.batch >= state[BATCH]:
            continue
        if log.used:
            log.used = 0
            continue
        forget(table, slot)
        return True
    return False


@njit()
def take_run(table: Table, room: Buddies, order: int) -> int:
    """Take a run, for which others may have to go; NONE if it does not fit beside this micro-batch's logs."""
    while order < len(room.heads) - 1:
        start = take(room, order)
        if start != NONE:
            return start
        if not _evict(table):
            break
    return NONE


@njit()
def allocate(table: Table, logs: Logs, kind: int, identity: np.uint64, records: int) -> int:
    """Make room for a log of so many records; return its slot, NONE if it does not fit."""
    slot = _allocate(table, kind, identity, records)
    if slot != NONE:
        _open_blocks(logs, slot)
    return slot


@njit(inner=True)
def _allocate(table: Table, kind: int, identity: np.uint64, records: int) -> int:
    state = table.state
    order = _order(records)
    start = take_run(table, table.room, order)
    if start == NONE:
        return NONE
    if state[FREE] > 0:
        slot = int(state[FREE]) - 1
        state[FREE] = table.slots[slot].at
    else:
        slot = int(state[HIGH])  # there are as many slots as units
        state[HIGH] += 1
    log = table.slots[slot]
    clear_slot(table.slots, slot, start * UNIT)
    log.order, log.kind, log.identity, log.used, log.batch = order, kind, identity, 0, state[BATCH]
    mask = np.uint64(len(table.cells) - 1)
    cell = _home(kind, identity, mask)
    while table.cells[cell] != 0:
        cell = (cell + np.uint64(1)) & mask
    table.cells[cell] = slot + 1
    state[COUNT] += 1
    return slot


@njit(inner=True)
def _open_blocks(logs: Logs, slot: int) -> None:
    """Let a log whose room is a block or more have its summaries; its run begins at a block then."""
    log = logs.slots[slot]
    if UNIT << log.order >= BLOCK:
        put_blocks(logs, slot, log.at // BLOCK, log.at // BLOCK // SUPER)


@njit(inline="always")
def _order(records: int) -> int:
    order = 0
    while UNIT << order < records:
        order += 1
    return order


@njit(inner=True)
def make_room(table: Table, logs: Logs, slot: int, records: int) -> bool:
    """Let a log grow to hold so many records beyond its base; False if these do not fit."""
    log = table.slots[slot]
    if records <= UNIT << log.order:
        return True
    order = _order(records)
    start = take_run(table, table.room, order)
    if start == NONE:
        return False
    give(table.room, log.at // UNIT, log.order)
    _move(logs, slot, start * UNIT, order)
    return True


@njit(inner=True)
def _move(logs: Logs, slot: int, new: int, order: int) -> None:
    """Let a log lie elsewhere; the run that it leaves is as it was until somebody else writes there."""
    log = logs.slots[slot]
    kept, blocks, supers = log.length - log.folded, log.block_at, log.super_at
    for row in range(kept):
        logs.event_time[new + row] = logs.event_time[log.at + row]
        logs.amount[new + row] = logs.amount[log.at + row]
        logs.counterparty[new + row] = logs.counterparty[log.at + row]
        logs.place[new + row] = logs.place[log.at + row]
    log.at, log.order = new, order
    _open_blocks(logs, slot)
    if blocks != NONE:
        for row in range(kept // BLOCK):
            logs.blocks[log.block_at + row] = logs.blocks[blocks + row]
        for row in range(kept // (BLOCK * SUPER)):
            logs.supers[log.super_at + row] = logs.supers[supers + row]


@njit()
def expect(table: Table, reads: NDArray[np.record], logs: int, log_of: NDArray[np.int64], batch: int, now: int) -> None:
    """Fill in of how many records each entity log is known, and how long it is if only this micro-batch appends to it.

    reads: of READING, the first `logs` of entity logs. log_of: [n, positions or more], which of them a payment is
    appended to. now: the latest event time; of a log that may have expired since the worker saw it, nothing is known.
    """
    for k in range(logs):
        reads[k].expected = 0
    for row in range(len(log_of)):
        for part in range(INBOUND):
            if log_of[row, part] != NONE:
                reads[log_of[row, part]].expected += RECORD_BYTES
    for k in range(logs):
        read = reads[k]
        read.slot = slot = find(table, read.kind, read.identity)
        if slot == NONE:
            continue
        log = table.slots[slot]
        if now - log.clock >= LONGEST:
            read.expected = UNKNOWN_LENGTH
            continue
        read.known = log.seen
        length = read.expected + log.seen * RECORD_BYTES
        read.expected = UNKNOWN_LENGTH if log.folded > 0 else min(length, UNKNOWN_LENGTH)
        log.batch = max(log.batch, batch)  # it must not go before that is measured


@njit()
def note(table: Table, reads: NDArray[np.record], logs: int) -> None:
    """Remember how much of each log will be known when what was read now is measured."""
    for k in range(logs):
        read = reads[k]
        if read.known > 0 and read.total % RECORD_BYTES == 0:
            slot = find_again(table, read)
            if slot != NONE:
                log = table.slots[slot]
                log.seen = max(log.seen, read.total // RECORD_BYTES)


@njit()
def clear(table: Table) -> None:
    """Forget all."""
    table.cells[:] = 0
    table.state[: COUNT + 1] = 0
    give_all(table.room)
    give_all(table.pane_room)
