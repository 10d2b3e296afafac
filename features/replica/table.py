"""Replicas of entity logs in the worker, found and placed by kernels: no Python object a log.

A log only grows. A worker that knows its first n records, and that it is as long now as these and what the worker
itself appended, knows all of it without reading it; else it reads on from the last known record, which must match. Logs
that were not used for long go first (the clock algorithm, Corbato 1968), within a bound in bytes.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from features.compiled import njit
from features.errors import ReplicaBudgetError
from features.measure.logs import NONE, SLOT, Logs, clear_slot, put_blocks
from features.record import RECORD_BYTES, put_number
from features.replica.buddies import Buddies, give, give_all, order_of, take
from features.replica.fold import PANE, Header
from features.replica.fold import put_panes as _put_panes
from features.store.layout import UNKNOWN_LENGTH
from features.windows import BLOCK, LONGEST, SUPER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.store.messages import Request

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
"""Of `state`: slots ever used, slots given back since, where the clock's hand stands, logs that there are; the
micro-batch that is measured; logs of which nothing or only what was new was read, and logs read whole, ever."""


class Table(NamedTuple):
    """The logs, which of them is where, and what is free."""

    logs: Logs
    room: Buddies
    """Of runs of UNIT records."""
    pane_room: Buddies
    cells: NDArray[np.int32]
    """Open addressing by kind and identity: the slot and one; 0 is empty."""
    given: NDArray[np.int32]
    """[FREE] slots that were given back."""
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
        log = table.logs.slots[slot]
        if log.identity == identity and log.kind == kind:
            return slot
        cell = (cell + np.uint64(1)) & mask
    return NONE


@njit()
def forget(table: Table, slot: int) -> None:
    """Drop a log."""
    log = table.logs.slots[slot]
    _remove(table, log.kind, log.identity)
    give(table.room, log.at // UNIT, log.order)
    if log.pane_order != NONE:
        give(table.pane_room, log.pane_at, log.pane_order)
    log.kind = 0
    table.given[table.state[FREE]] = slot
    table.state[FREE] += 1
    table.state[COUNT] -= 1


@njit()
def _remove(table: Table, kind: int, identity: np.uint64) -> None:
    """Empty a log's cell, and move up those behind it that would not be found any more (Knuth, volume 3, 6.4 R)."""
    cells, slots, one = table.cells, table.logs.slots, np.uint64(1)
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


@njit()
def _evict(table: Table) -> bool:
    """Drop a log that was not used since the hand passed it last; False if all belong to this micro-batch or later."""
    state, slots = table.state, table.logs.slots
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
def _take(table: Table, room: Buddies, order: int) -> int:
    """Take a run, for which others may have to go; NONE if it does not fit beside this micro-batch's logs."""
    while order < len(room.heads):
        start = take(room, order)
        if start != NONE:
            return start
        if not _evict(table):
            break
    return NONE


@njit()
def place(table: Table, kind: int, identity: np.uint64, records: int) -> int:
    """Make room for a log of so many records; return its slot, NONE if it does not fit."""
    state = table.state
    order = _order(records)
    start = _take(table, table.room, order)
    if start == NONE:
        return NONE
    if state[FREE] > 0:
        state[FREE] -= 1
        slot = int(table.given[state[FREE]])
    else:
        slot = int(state[HIGH])  # there are as many slots as units
        state[HIGH] += 1
    log = table.logs.slots[slot]
    clear_slot(table.logs.slots, slot, start * UNIT)
    log.order, log.kind, log.identity, log.used, log.batch = order, kind, identity, 0, state[BATCH]
    _open_blocks(table.logs, slot)
    mask = np.uint64(len(table.cells) - 1)
    cell = _home(kind, identity, mask)
    while table.cells[cell] != 0:
        cell = (cell + np.uint64(1)) & mask
    table.cells[cell] = slot + 1
    state[COUNT] += 1
    return slot


@njit()
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


@njit()
def make_room(table: Table, slot: int, records: int) -> bool:
    """Let a log grow to hold so many records beyond its base; False if these do not fit."""
    logs = table.logs
    log = logs.slots[slot]
    if records <= UNIT << log.order:
        return True
    order = _order(records)
    start = _take(table, table.room, order)
    if start == NONE:
        return False
    old, new, kept, blocks = log.at, start * UNIT, log.length - log.folded, log.block_at
    logs.event_time[new : new + kept] = logs.event_time[old : old + kept]
    logs.amount[new : new + kept] = logs.amount[old : old + kept]
    logs.counterparty[new : new + kept] = logs.counterparty[old : old + kept]
    logs.place[new : new + kept] = logs.place[old : old + kept]
    supers = log.super_at
    give(table.room, old // UNIT, log.order)
    log.at, log.order = new, order
    _open_blocks(logs, slot)
    if blocks != NONE:
        for row in range(kept // BLOCK):
            logs.blocks[log.block_at + row] = logs.blocks[blocks + row]
        for row in range(kept // (BLOCK * SUPER)):
            logs.supers[log.super_at + row] = logs.supers[supers + row]
    return True


@njit()
def expect(table: Table, reads: NDArray[np.uint8], logs: int, of: NDArray[np.int64], batch: int, now: int) -> None:
    """Fill in of how many records each entity log is known, and how long it is if only this micro-batch appends to it.

    reads: uint8[r, 17], the first `logs` of entity logs. of: [at least 3, n], which of them a payment is appended to.
    now: the latest event time; of a log that may have expired since the worker saw it, nothing is known.
    """
    appended = np.zeros(logs, dtype=np.int64)
    for part in range(3):
        for row in range(of.shape[1]):
            if of[part, row] != NONE:
                appended[of[part, row]] += 1
    for k in range(logs):
        slot = find(table, reads[k, 0], read_identity(reads, k))
        known, length = 0, appended[k] * RECORD_BYTES
        if slot != NONE and now - table.logs.slots[slot].clock >= LONGEST:
            length = UNKNOWN_LENGTH
        elif slot != NONE:
            log = table.logs.slots[slot]
            known = log.seen
            length = UNKNOWN_LENGTH if log.folded > 0 else length + known * RECORD_BYTES
            log.batch = max(log.batch, batch)  # it must not go before that is measured
        put_number(reads[k], 9, np.uint64(known), 4)
        put_number(reads[k], 13, np.uint64(min(length, UNKNOWN_LENGTH)), 4)


@njit(inline="always")
def read_identity(reads: NDArray[np.uint8], k: int) -> np.uint64:
    """Return the identity in a read."""
    identity = np.uint64(0)
    for byte in range(8):
        identity |= np.uint64(reads[k, 1 + byte]) << np.uint64(8 * byte)
    return identity


@njit()
def note(table: Table, reads: NDArray[np.uint8], known: NDArray[np.int64], totals: NDArray[np.int64]) -> None:
    """Remember how much of each log will be known when what was read now is measured."""
    for k in range(len(known)):
        if known[k] > 0 and totals[k] % RECORD_BYTES == 0:
            slot = find(table, reads[k, 0], read_identity(reads, k))
            if slot != NONE:
                log = table.logs.slots[slot]
                log.seen = max(log.seen, totals[k] // RECORD_BYTES)


@njit()
def _clear(table: Table) -> None:
    table.cells[:] = 0
    table.state[: COUNT + 1] = 0
    give_all(table.room)
    give_all(table.pane_room)


class Replicas:
    """The logs that this worker keeps.

    Whoever uses `table` holds `lock`. Measuring needs none: other threads only look logs up and change what they are
    known to hold; records and slots are moved by the thread that measures.
    """

    def __init__(self, budget_bytes: int) -> None:
        units = max(FEWEST_UNITS, _power(budget_bytes * 3 // 4 // (UNIT_BYTES + SLOT.itemsize + 3 * 4)))
        panes = max(FEWEST_PANES, _power(budget_bytes // 4 // PANE.itemsize))
        blocks = units * UNIT // BLOCK
        self.table = Table(
            logs=Logs.make(records=units * UNIT, slots=units, blocks=blocks, supers=blocks // SUPER + 1, panes=panes),
            room=Buddies.make(units),
            pane_room=Buddies.make(panes),
            cells=np.zeros(2 * units, dtype=np.int32),
            given=np.zeros(units, dtype=np.int32),
            state=np.zeros(MISSES + 1, dtype=np.int64),
        )
        self.lock = threading.Lock()

    @property
    def logs(self) -> Logs:
        """The arenas."""
        return self.table.logs

    @property
    def hits(self) -> int:
        """Logs of which nothing or only what was new was read, ever."""
        return int(self.table.state[HITS])

    @property
    def misses(self) -> int:
        """Logs that were read whole, ever."""
        return int(self.table.state[MISSES])

    @property
    def used_bytes(self) -> int:
        """Bytes of the arenas that replicas take."""
        table = self.table
        return int(
            table.room.taken[0] * UNIT_BYTES
            + table.pane_room.taken[0] * PANE.itemsize
            + table.state[COUNT] * SLOT.itemsize
        )

    def begin(self, batch: int) -> None:
        """Start to measure a micro-batch: what it or a later one needs cannot go before the next one starts."""
        with self.lock:
            self.table.state[BATCH] = batch

    def clear(self) -> None:
        """Forget all: the server may have been restarted or failed over."""
        with self.lock:
            _clear(self.table)

    def expect(self, request: Request, batch: int, now: int) -> None:
        """Fill in what is known and expected of the entity logs of a micro-batch whose latest event time is now."""
        with self.lock:
            expect(self.table, request.reads, request.logs, request.of, batch, now)

    def note(self, request: Request, totals: NDArray[np.int64]) -> None:
        """Remember what was read, or need not be."""
        with self.lock:
            note(self.table, request.reads, request.known, totals)

    def slot_of(self, name: bytes) -> int:
        """Return the slot of a log, named by kind and identity; NONE if there is no replica."""
        return int(find(self.table, *_named(name)))

    def drop(self, slot: int) -> None:
        """Forget a log."""
        with self.lock:
            forget(self.table, slot)

    def admit_folded(self, name: bytes, log: bytes) -> int:
        """Make room for a whole folded log, of which there is no replica; return its slot, empty but for panes.

        For whoever holds the lock.
        """
        header = Header.unpack(log)
        records = (len(log) - header_size(log)) // RECORD_BYTES
        table = self.table
        slot = place(table, *_named(name), max(records + 1, 2 * BLOCK))  # dense, so it has summaries
        pane_order = order_of(max(MIN_PANES, len(header.panes)))
        panes = NONE if slot == NONE else _take(table, table.pane_room, pane_order)
        if panes == NONE:
            raise ReplicaBudgetError(
                f"A log of {records} records and {len(header.panes)} panes does not fit beside the micro-batch's other "
                "logs. Raise UPIFRAUD_REPLICA_CACHE_BYTES."
            )
        _put_panes(table.logs, slot, panes, header)
        table.logs.slots[slot]["pane_order"] = pane_order
        table.logs.slots[slot]["pane_at"] = panes
        return int(slot)


def _named(name: bytes) -> tuple[Any, np.uint64]:
    """Return the kind and identity in a name, of the types that kernels know."""
    return np.uint8(name[0]), np.uint64(int.from_bytes(name[1:], "little"))


def _power(units: int) -> int:
    """Return the largest power of two that is not more."""
    return 1 << max(0, units.bit_length() - 1)


def header_size(log: bytes) -> int:
    """Return the length of a folded log's header, from its first bytes."""
    return int.from_bytes(log[4:8], "little")
