"""Vectors of a micro-batch from the online store: one call to the server, one kernel call, nothing counted twice."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.errors import ReplicaBudgetError, StoreCorruptError
from features.measure.ingest import append_raw
from features.measure.logs import NONE
from features.measure.vector import Places, Reports, vectors
from features.record import RECORD_BYTES
from features.replica.catch_up import DONE, FOLDED, LOST, append_own, catch_up
from features.replica.fold import fewest_to_fold, fold, fold_position, whole_from
from features.replica.locate import Located, locate
from features.replica.reads import reads_of, told_whole
from features.replica.table import Replicas
from features.store.contract import ApplyRequest, Origin
from features.store.messages import INBOUND, Reply, Request, entries_of, provenance_of, reports_read
from features.windows import DAY, EXPIRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.replica.reads import Reads
    from features.store.contract import EntityStore
    from features.store.messages import Claims

KEPT: Final = EXPIRY - DAY
"""Milliseconds for which a log is kept in any case: its expiry is pushed out once a day."""

MAX_PAYMENTS: Final = 4_096
"""Payments a micro-batch may hold."""


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """What the store and the kernel say of n payments."""

    vectors: NDArray[np.float32]
    """[n, f] in the order of the schema."""
    state: NDArray[np.uint8]
    """[n] of FeatureState."""
    provenance: NDArray[np.void]
    """[n] of PROVENANCE: what the logs got from the payment, and its places in them."""


class _Reading(NamedTuple):
    """What the store replied to one micro-batch."""

    request: Request
    reply: Reply
    reports: Reports
    versions: tuple[NDArray[np.int64], NDArray[np.int64]]


class _Measured(NamedTuple):
    """Vectors of some payments, their states, and their places: in the three logs, and in the payer's inbound one."""

    vectors: NDArray[np.float32]
    state: NDArray[np.uint8]
    places: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Pending:
    """A micro-batch that the store has got and that is not measured yet."""

    columns: PaymentColumns
    claims: Claims
    origins: Sequence[Origin]
    number: int
    """Micro-batches are counted, so that the replicas of one stay until it is measured."""
    epoch: int
    """What is known from before the last failure of an earlier epoch must not be used with it."""
    reading: _Reading | None
    """None after a failure: the store has to be asked again."""


class OnlineFeatures:
    """Applies micro-batches to the store and measures them.

    `apply` and `measure` block, and may be called at the same time, each by one thread: while one micro-batch waits for
    the server the one before is measured. Micro-batches are measured in the order in which they were applied.
    """

    def __init__(
        self,
        store: EntityStore,
        replica_bytes: int = 256 << 20,
        *,
        measuring: EntityStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`measuring`: the same store over another connection, for `measure` where it runs beside `apply`."""
        self._clock = clock
        self._store = store
        self._measuring = measuring or store
        self._replicas = Replicas(replica_bytes)
        self._refresh: deque[bytes] = deque()
        self._number = self._epoch = self._replicas_of = 0
        self._last: Sequence[Origin] = ()

    @property
    def hits(self) -> int:
        """Logs of which nothing or only what was new was read, ever."""
        return self._replicas.hits

    @property
    def misses(self) -> int:
        """Logs that were read whole, ever."""
        return self._replicas.misses

    @property
    def replica_bytes(self) -> int:
        """Bytes that the replicas take."""
        return self._replicas.used_bytes

    def process(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> FeatureBatch:
        """Apply and measure in one thread; after an error of either, call again with the same arguments."""
        return self.measure(self.apply(columns, claims, origins))

    def apply(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> Pending:
        """Append the payments that are new, locate the others, and read their logs, in one call to the store.

        Raises `StoreUnavailableError` (call again with the same arguments), `StoreRolledBackError`,
        `StoreCorruptError`.
        """
        if len(columns) > MAX_PAYMENTS:
            raise ValueError(f"A micro-batch of {len(columns)} payments; at most {MAX_PAYMENTS} fit.")
        epoch = self._epoch
        self._number += 1
        refresh = b"".join(self._refresh.popleft() for _ in range(len(self._refresh)))
        try:
            # After a failure the server may be another, or restarted: nothing is known until the replicas are dropped.
            replicas = self._replicas if self._replicas_of == epoch else None
            known = [*origins, *_still(self._last, origins)]
            reading = _read(self._store, columns, claims, known, refresh, replicas, self._number)
        except Exception:
            self._epoch += 1
            self._last = ()
            self._refresh.appendleft(refresh)
            raise
        self._last = origins
        return Pending(columns, claims, origins, self._number, epoch, reading)

    def measure(self, pending: Pending) -> FeatureBatch:
        """Return the vectors of a micro-batch.

        Raises `StoreUnavailableError` (call again), `StoreCorruptError`, `ReplicaBudgetError`.
        """
        if pending.epoch != self._replicas_of:
            self._replicas.clear()
            self._replicas_of = pending.epoch
        try:
            if pending.reading is None:
                pending.reading = _read(self._measuring, pending.columns, pending.claims, pending.origins, b"")
            self._replicas.begin(pending.number)
            measured = self._measure(pending.columns, pending.reading, slice(0, len(pending.columns)))
        except Exception:
            self._replicas.clear()  # what failed half-way leaves replicas that know less or more than they say
            pending.reading = None
            raise
        provenance = provenance_of(pending.columns, measured.places, pending.reading.versions)
        return FeatureBatch(measured.vectors, measured.state, provenance)

    def _measure(self, columns: PaymentColumns, reading: _Reading, rows: slice) -> _Measured:
        """Measure some payments of a micro-batch; in halves, where their logs do not fit in memory together."""
        try:
            return self._measure_together(columns, reading, rows)
        except ReplicaBudgetError:
            if rows.stop - rows.start <= 1:
                raise
        parts = []
        middle = (rows.start + rows.stop) // 2
        for half in (slice(rows.start, middle), slice(middle, rows.stop)):
            self._replicas.clear()
            parts.append(self._measure(columns, reading, half))
        return _Measured(*map(np.concatenate, zip(*parts, strict=True)))

    def _measure_together(self, columns: PaymentColumns, reading: _Reading, rows: slice) -> _Measured:
        request, n = reading.request, rows.stop - rows.start
        of, wanted = request.of, np.ones(request.logs, dtype=np.bool_)
        if n < len(columns):
            of = np.ascontiguousarray(of[:, rows])
            wanted[:] = False
            wanted[of[: INBOUND + 1][of[: INBOUND + 1] != NONE]] = True
        logs = self._replicas.logs
        slots, header, base = self._bring(columns, reading, wanted)
        found = Located.make(n, request.logs)
        if n < len(columns):
            columns = columns.take(rows)
        kept_since = int(self._clock() * 1_000) - KEPT
        if not locate(
            logs, columns.event_time, of, reading.reply.lengths[rows], slots, header, base, kept_since, found
        ):
            raise StoreCorruptError(
                "A payment is in one of its logs and missing in another: the store lost some of them. "
                "Run `upifraud rebuild-features`."
            )
        slot, at = found.slot, found.at
        places = Places(slot[0], at[0], slot[1], at[1], slot[2], at[2], slot[3], at[3])
        reports = Reports(reading.reports.raw, *(run[rows] for run in reading.reports[1:]))
        values, state = vectors(logs, columns, places, reports, found.lost)
        # Whose expiry to push out with the next micro-batch.
        self._refresh.append(request.reads[: request.logs][found.aged, :9].tobytes())
        self._fold(request, slots)
        return _Measured(values, state, at.T)

    def _bring(
        self, columns: PaymentColumns, reading: _Reading, wanted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Bring the wanted logs up to date in the arenas; return each one's slot, header length and base."""
        request, reply, table = reading.request, reading.reply, self._replicas.table
        it = reads_of(request, reply)
        header, base = it.header, it.base  # those that positions in the reply count from
        while True:
            odd = np.flatnonzero(it.totals % (RECORD_BYTES // 2))
            if len(odd):
                raise StoreCorruptError(f"A log of {it.totals[odd[0]]} bytes. Run `upifraud rebuild-features`.")
            with self._replicas.lock:
                if not catch_up(table, it, wanted):
                    raise ReplicaBudgetError(ReplicaBudgetError.__doc__)
                self._unfold(request, it)
                lost = append_own(
                    table, it, columns.payer, columns.payee, columns.event_time, columns.amount_paise,
                    columns.payment_id, columns.place, columns.kind, request.of, reply.lengths,
                )  # fmt: skip
            if not lost:
                return it.slots, header, base
            # Another worker folded the log, or the replica is not what it was thought to be, or was dropped.
            wanted = it.left == LOST
            which = np.flatnonzero(wanted)
            it = told_whole(it, which, self._measuring.fetch([request.name(index) for index in which.tolist()]))

    def _unfold(self, request: Request, it: Reads) -> None:
        """Begin the replicas of folded logs that were read whole."""
        for index in np.flatnonzero(it.left == FOLDED).tolist():
            start, end = int(it.starts[index]), int(it.ends[index])
            slot = self._replicas.admit_folded(request.name(index), it.words[start // 8 : end // 8].tobytes())
            logs = self._replicas.logs
            append_raw(logs, slot, start + int(it.header[index]), end, it.words)
            log = logs.slots[slot]
            log["whole_from"], log["seen"] = whole_from(logs, slot), log["length"]
            it.slots[index], it.left[index] = slot, DONE

    def _fold(self, request: Request, slots: NDArray[np.int64]) -> None:
        """Fold the logs for which it is worth it; whoever comes second leaves it."""
        logs = self._replicas.logs
        held = np.flatnonzero(slots != NONE)
        kept = logs.slots["length"][slots[held]] - logs.slots["folded"][slots[held]]
        for index in held[kept >= fewest_to_fold()].tolist():
            slot = int(slots[index])
            base, position = int(logs.slots["folded"][slot]), fold_position(logs, slot)
            if position == base:
                continue
            header = fold(logs, slot, position)
            self._measuring.fold(request.name(index), base, header.pack(), position)
            self._replicas.drop(slot)  # read again, folded, when it is next touched


def _still(last: Sequence[Origin], origins: Sequence[Origin]) -> Iterator[Origin]:
    """Yield what the micro-batch before left behind: a store without it lost what the replicas were read from."""
    named = {origin.partition for origin in origins}
    for origin in last:
        if origin.partition not in named:
            yield Origin(origin.partition, origin.next_offset, origin.next_offset, origin.next_offset)


def _read(
    store: EntityStore,
    columns: PaymentColumns,
    claims: Claims,
    origins: Sequence[Origin],
    refresh: bytes,
    replicas: Replicas | None = None,
    number: int = 0,
) -> _Reading:
    """Make the one call to the store; with replicas only what is not in them is read."""
    request = Request.of_columns(columns)
    if replicas is not None:
        replicas.expect(request, number, int(columns.event_time.max(initial=0)))
    applied = store.apply(ApplyRequest(entries_of(columns, claims), request.reads.tobytes(), refresh, origins))
    reply = Reply.of(applied, request, len(columns))
    if replicas is not None:
        replicas.note(request, reply.totals)
    return _Reading(request, reply, *reports_read(reply, request))
