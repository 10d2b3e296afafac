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
from features.measure.logs import LEVELS, NONE, SLOT, SUMMARY, Logs, clear_slot, put_blocks
from features.record import RECORD_BYTES
from features.replica.buddies import NODE, Buddies, give, give_all, next_owner, take
from features.store.layout import UNKNOWN_LENGTH
from features.windows import BLOCK, LONGEST, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray


UNIT: Final = 16
"""Records of the smallest room that a log gets."""
COLUMN_BYTES: Final = 3 * 8 + 4
UNIT_BYTES: Final = (
    UNIT * COLUMN_BYTES + NODE.itemsize + (SUMMARY.itemsize + (SUMMARY.itemsize + 5 * 8) * LEVELS // 2) * UNIT // BLOCK
)
"""With what goes with it in other arenas."""
LOG_BYTES: Final = SLOT.itemsize + 4 * 8
"""Of a log besides its units."""
FEWEST_UNITS: Final = 1 << 10
PANE_UNIT: Final = 16
"""Rows of panes of the smallest room that those of a log get."""
FEWEST_PANE_UNITS: Final = 1 << 9
"""Enough for the logs of one payment, however dense they are."""
MOST_USED: Final = 15
"""How often the hand passes a folded log before it goes; others it passes once. To read one again costs far more."""
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64((1 << 32) - 1)

HIGH, FREE, COUNT, BATCH, HITS, MISSES = range(6)
"""Of `state`: slots ever used, the slot given back last and one, logs that there are; the micro-batch that is measured;
logs of which nothing or only what was new was read, and logs read whole, ever."""


class Table(NamedTuple):
    """Which log is where, and what is free. The records lie in the arenas of `Logs`, with which it shares the slots."""

    slots: NDArray[np.record]
    room: Buddies
    """Of units of UNIT records."""
    pane_room: Buddies
    """Of units of PANE_UNIT rows of panes."""
    cells: NDArray[np.uint64]
    """Open addressing by kind and identity: 32 bits of their hash, and the slot and one; 0 is empty."""
    state: NDArray[np.int64]


@njit(inline="always")
def _tag(kind: int, identity: np.uint64) -> np.uint64:
    """Return the 32 bits by which a log is looked for; it is at home in the cell of the lowest of them."""
    mixed = (identity + np.uint64(kind)) * _MIXED
    return (mixed ^ (mixed >> _HALF)) & _LOW


@njit()
def find(table: Table, kind: int, identity: np.uint64) -> int:
    """Return the slot of a log; NONE if there is no replica."""
    mask, tag = np.uint64(len(table.cells) - 1), _tag(kind, identity)
    cell = tag & mask
    while table.cells[cell] != 0:
        if table.cells[cell] >> _HALF == tag:
            slot = np.int64(table.cells[cell] & _LOW) - 1
            log = table.slots[slot]
            if log.identity == identity and log.kind == kind:
                return int(slot)
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
    _remove(table, _tag(log.kind, log.identity), slot)
    give(table.room, log.at // UNIT, log.units)
    if log.pane_at != NONE:
        give(table.pane_room, log.pane_at // PANE_UNIT, log.pane_units)
    log.kind = 0
    log.at, table.state[FREE] = table.state[FREE], slot + 1
    table.state[COUNT] -= 1


@njit(inner=True)
def _remove(table: Table, tag: np.uint64, slot: int) -> None:
    """Empty a log's cell, and move up those behind it that would not be found any more (Knuth, volume 3, 6.4 R)."""
    cells, one, mine = table.cells, np.uint64(1), tag << _HALF | np.uint64(slot + 1)
    mask = np.uint64(len(cells) - 1)
    cell = tag & mask
    while cells[cell] != mine:
        cell = (cell + one) & mask
    hole = cell
    cell = (cell + one) & mask
    while cells[cell] != 0:
        home = (cells[cell] >> _HALF) & mask
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            cells[hole] = cells[cell]
            hole = cell
        cell = (cell + one) & mask
    cells[hole] = 0


@njit(inner=True)
def _evict(table: Table, room: Buddies) -> bool:
    """Drop a log with a run in a room that was not used since the hand passed it last.

    False if all belong to this micro-batch or later. The hand goes from run to run as they lie there: what it frees
    becomes one long run, and of a log without panes nothing is gained for panes.
    """
    found_none = 0
    while found_none <= len(room.nodes):  # the hand has passed everything then
        slot = next_owner(room)
        if slot == NONE or table.slots[slot].batch >= table.state[BATCH]:
            found_none += 1
            continue
        log = table.slots[slot]
        if log.used == 0:
            forget(table, slot)
            return True
        log.used -= 1
        found_none = 0
    return False


@njit()
def take_run(table: Table, room: Buddies, units: int, slot: int) -> int:
    """Take a run for a log, for which others may have to go; NONE if it does not fit beside this micro-batch's logs."""
    while units <= len(room.nodes):
        start = take(room, units, slot)
        if start != NONE:
            return start
        if not _evict(table, room):
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
    while state[FREE] == 0 and state[HIGH] == len(table.slots):
        if not _evict(table, table.room):
            return NONE
    if state[FREE] > 0:
        slot = int(state[FREE]) - 1
        state[FREE] = table.slots[slot].at
    else:
        slot = int(state[HIGH])
        state[HIGH] += 1
    log, units = table.slots[slot], _units(records)
    start = take_run(table, table.room, units, slot)
    if start == NONE:
        log.kind = 0
        log.at, state[FREE] = state[FREE], slot + 1
        return NONE
    clear_slot(table.slots, slot, start * UNIT)
    log.units, log.kind, log.identity, log.used, log.batch = units, kind, identity, 0, state[BATCH]
    tag = _tag(kind, identity)
    mask = np.uint64(len(table.cells) - 1)
    cell = tag & mask
    while table.cells[cell] != 0:
        cell = (cell + np.uint64(1)) & mask
    table.cells[cell] = tag << _HALF | np.uint64(slot + 1)
    state[COUNT] += 1
    return slot


@njit(inner=True)
def _open_blocks(logs: Logs, slot: int) -> None:
    """Let a log whose room is a block or more have its summaries; its run begins at a block then."""
    log = logs.slots[slot]
    if UNIT * log.units >= BLOCK:
        put_blocks(logs, slot, log.at // BLOCK, log.at // BLOCK // SUPER)


@njit(inline="always")
def _units(records: int) -> int:
    """Return how many units a log gets: an eighth more than it needs, so that a long one is seldom moved."""
    units = max(1, (records + UNIT - 1) // UNIT)
    return units + units // 8


@njit(inner=True)
def make_room(table: Table, logs: Logs, slot: int, records: int) -> bool:
    """Let a log grow to hold so many records beyond its base; False if these do not fit."""
    log = table.slots[slot]
    if records <= UNIT * log.units:
        return True
    units = _units(records)
    start = take_run(table, table.room, units, slot)
    if start == NONE:
        return False
    give(table.room, log.at // UNIT, log.units)
    _move(logs, slot, start * UNIT, units)
    return True


@njit(inner=True)
def _move(logs: Logs, slot: int, new: int, units: int) -> None:
    """Let a log lie elsewhere; the run that it leaves is as it was until somebody else writes there."""
    log = logs.slots[slot]
    kept, blocks, supers = log.length - log.folded, log.block_at, log.super_at
    for row in range(kept):
        logs.event_time[new + row] = logs.event_time[log.at + row]
        logs.amount[new + row] = logs.amount[log.at + row]
        logs.counterparty[new + row] = logs.counterparty[log.at + row]
        logs.place[new + row] = logs.place[log.at + row]
    log.at, log.units = new, units
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
