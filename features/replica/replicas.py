"""The one door to the logs that a worker keeps: what the store need not tell, because the worker knows it.

`OnlineFeatures` would read the same with every log read whole, and give the same vectors.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import ReplicaBudgetError, StoreCorruptError
from features.measure.ingest import append_raw
from features.measure.located import LOCATED
from features.measure.logs import NONE, PANE_ROW, Logs
from features.record import RECORD_BYTES
from features.replica.buddies import Buddies
from features.replica.catch_up import DONE, FOLDED, LOST, ODD, SOME_FOLDED, SOME_LOST, TOO_LARGE, catch_up
from features.replica.fold import Header, fewest_to_fold, fold, fold_position, rows_of, whole_from
from features.replica.fold import put_panes as _put_panes
from features.replica.locate import locate_all
from features.replica.reads import fetched_whole, reads_of
from features.replica.table import (
    BATCH,
    COUNT,
    FEWEST_PANE_UNITS,
    FEWEST_UNITS,
    HITS,
    LOG_BYTES,
    MISSES,
    MOST_USED,
    PANE_UNIT,
    UNIT,
    UNIT_BYTES,
    Table,
    allocate,
    clear,
    expect,
    find,
    forget,
    note,
    take_run,
)  # fmt: skip
from features.store.messages import name_of
from features.store.provenance import PACKED
from features.windows import BLOCK, SUPER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.replica.reads import Reads
    from features.store.messages import Reply, Request


class Replicas:
    """The logs that this worker keeps.

    Whoever uses `table` holds `lock`. Measuring needs none: other threads only look logs up and change what they are
    known to hold; records and slots are moved by the thread that measures.
    """

    def __init__(self, budget_bytes: int) -> None:
        pane_units = max(FEWEST_PANE_UNITS, budget_bytes // 4 // (PANE_UNIT * PANE_ROW.itemsize))
        units = max(FEWEST_UNITS, budget_bytes * 3 // 4 // (UNIT_BYTES + LOG_BYTES // 2))
        slots, blocks = max(FEWEST_UNITS, units // 2), units * UNIT // BLOCK + 1
        self.logs = Logs.make(
            records=units * UNIT,
            slots=slots,
            blocks=blocks,
            supers=blocks // SUPER + 1,
            panes=pane_units * PANE_UNIT,
        )
        self.table = Table(
            slots=self.logs.slots,
            room=Buddies.make(units),
            pane_room=Buddies.make(pane_units),
            cells=np.zeros(1 << (2 * slots - 1).bit_length(), dtype=np.uint64),
            state=np.zeros(MISSES + 1, dtype=np.int64),
        )
        self.lock = threading.Lock()

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
            table.room.heads[-1] * UNIT_BYTES
            + table.pane_room.heads[-1] * PANE_UNIT * PANE_ROW.itemsize
            + table.state[COUNT] * LOG_BYTES
        )

    def begin(self, batch: int) -> None:
        """Start to measure a micro-batch: what it or a later one needs cannot go before the next one starts."""
        with self.lock:
            self.table.state[BATCH] = batch

    def clear(self) -> None:
        """Forget all: the server may have been restarted or failed over."""
        with self.lock:
            clear(self.table)

    def expect(self, request: Request, batch: int, now: int) -> None:
        """Fill in what is known and expected of the entity logs of a micro-batch whose latest event time is now."""
        with self.lock:
            expect(self.table, request.reads, request.logs, request.log_of, batch, now)

    def note(self, request: Request) -> None:
        """Remember what was read, or need not be."""
        with self.lock:
            note(self.table, request.reads, request.logs)

    def bring(
        self,
        request: Request,
        reply: Reply,
        columns: PaymentColumns,
        wanted: NDArray[np.bool_],
        fetch: Callable[[Sequence[bytes]], list[bytes]],
    ) -> NDArray[np.record]:
        """Have the wanted logs of a micro-batch as the store has them; return READING of each, with its slot.

        fetch: reads logs whole. Raises `ReplicaBudgetError` where they do not fit together, `StoreCorruptError`.
        """
        first = reads = reads_of(request, reply)
        while True:
            with self.lock:
                left = catch_up(
                    self.table, self.logs, reads, wanted, reads is first, columns.rows, request.log_of, reply.lengths
                )
                if left == ODD:
                    total = reads.rows["total"]
                    odd = total[wanted & (total % (RECORD_BYTES // 2) != 0)][0]
                    raise StoreCorruptError(f"A log of {odd} bytes. Run `upifraud rebuild-features`.")
                if left == TOO_LARGE:
                    raise ReplicaBudgetError(ReplicaBudgetError.__doc__)
                if left & SOME_FOLDED:
                    self._unfold(reads)
            if not left & SOME_LOST:
                if reads is not first:
                    first.rows["slot"] = reads.rows["slot"]  # positions in the reply count from the headers of then
                return first.rows
            # Another worker folded the log, or the replica is not what it was thought to be, or was dropped.
            wanted = reads.rows["left"] == LOST
            which = np.flatnonzero(wanted)
            reads = fetched_whole(reads, which, fetch([name_of(reads.rows[at]) for at in which.tolist()]))

    def locate(
        self, request: Request, reply: Reply, columns: PaymentColumns, rows: slice, kept_since: int
    ) -> tuple[int, NDArray[np.record], NDArray[np.record]]:
        """Return what is to be done for the logs, and LOCATED and PACKED of payments whose logs were brought."""
        n, logs = len(columns), self.logs
        located, provenance = np.zeros(n, dtype=LOCATED), np.zeros(n, dtype=PACKED)
        asked = request.log_of[rows], reply.lengths[rows], request.reads, request.logs
        least = fewest_to_fold()
        left = locate_all(logs.slots, logs.event_time, columns.rows, *asked, kept_since, least, located, provenance)
        return left, located, provenance

    def fold(self, reads: NDArray[np.record], to_store: Callable[[bytes, int, bytes, int], bool]) -> None:
        """Fold the logs for which it is worth it; whoever comes second leaves it. to_store: `EntityStore.fold`."""
        logs = self.logs
        there = np.flatnonzero(reads["slot"] != NONE)
        slots = logs.slots[reads["slot"][there]]
        for index in there[slots["length"] - slots["folded"] >= fewest_to_fold()].tolist():
            slot = int(reads["slot"][index])
            base, position = int(logs.slots["folded"][slot]), fold_position(logs, slot)
            if position == base:
                continue
            header = fold(logs, slot, position)
            to_store(name_of(reads[index]), base, header.pack(), position)
            self.drop(slot)  # read again, folded, when it is next touched

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
        panes = rows_of(header.panes)
        records = (len(log) - header_size(log)) // RECORD_BYTES
        table = self.table
        slot = allocate(table, self.logs, *_named(name), max(records + 1, 2 * BLOCK))  # dense, so it has summaries
        pane_units = max(1, -(-len(panes) // PANE_UNIT))
        start = NONE if slot == NONE else take_run(table, table.pane_room, pane_units, slot)
        if start == NONE:
            raise ReplicaBudgetError(
                f"A log of {records} records and {len(header.panes)} panes does not fit beside the micro-batch's other "
                "logs. Raise UPIFRAUD_REPLICA_CACHE_BYTES."
            )
        row = table.slots[slot]
        row["pane_at"], row["pane_units"], row["used"] = start * PANE_UNIT, pane_units, MOST_USED - 1
        _put_panes(self.logs, slot, header, panes)
        return int(slot)

    def _unfold(self, reads: Reads) -> None:
        """Begin the replicas of folded logs that were read whole."""
        for index in np.flatnonzero(reads.rows["left"] == FOLDED).tolist():
            read = reads.rows[index]
            start, end = int(read["start"]), int(read["end"])
            slot = self.admit_folded(name_of(read), reads.words[start // 8 : end // 8].tobytes())
            logs = self.logs
            append_raw(logs, slot, start + int(read["header"]), end, reads.words)
            log = logs.slots[slot]
            log["whole_from"], log["seen"] = whole_from(logs, slot), log["length"]
            read["slot"], read["left"] = slot, DONE


def _named(name: bytes) -> tuple[Any, np.uint64]:
    """Return the kind and identity in a name, of the types that kernels know."""
    return np.uint8(name[0]), np.uint64(int.from_bytes(name[1:], "little"))


def header_size(log: bytes) -> int:
    """Return the length of a folded log's header, from its first bytes."""
    return int.from_bytes(log[4:8], "little")
