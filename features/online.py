"""Vectors of a micro-batch from the online store: one call to the server, one kernel call, nothing counted twice."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np

from features.errors import ReplicaBudgetError, StoreCorruptError
from features.exchange import INBOUND, Request, entries_of, provenance_of, reports_read
from features.fold import fewest_to_fold, fold, fold_position, whole_from
from features.ingest import append_raw, make_ready, open_logs, pass_over_known
from features.locate import Located, locate
from features.logs import NONE
from features.record import RECORD_BYTES
from features.replicas import Replicas
from features.store import ApplyRequest
from features.vector import Places, Reports, vectors
from features.windows import BLOCK, SHORT_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.replicas import Replica
    from features.store import Applied, EntityStore, Origin

MAX_PAYMENTS: Final = 4_096
"""Payments a micro-batch may hold."""

SHORT_BYTES: Final = SHORT_LOG * RECORD_BYTES


@dataclass(frozen=True, slots=True)
class Claims:
    """Where the payments of a micro-batch came from: columns of one length."""

    claimed_before: NDArray[np.bool_]
    """True for a payment that was claimed at this very offset before: it may have been applied already."""
    origin: NDArray[np.uint16]
    """Index into the micro-batch's origins."""
    offset: NDArray[np.int64]


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
    known: NDArray[np.int64]
    applied: Applied
    lengths: NDArray[np.int64]
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
        self, store: EntityStore, replica_bytes: int = 256 << 20, *, measuring: EntityStore | None = None
    ) -> None:
        """`measuring`: the same store over another connection, for `measure` where it runs beside `apply`."""
        self._store = store
        self._measuring = measuring or store
        self._replicas = Replicas(
            replica_bytes, scratch_records=4 * MAX_PAYMENTS * SHORT_LOG, scratch_slots=4 * MAX_PAYMENTS
        )
        self._refresh: deque[bytes] = deque()
        self._sure = True
        self._epoch = self._replicas_of = 0
        self.hits = 0
        """Long logs of which only what was new was read; of short ones there are no replicas."""
        self.misses = 0
        """Long logs that were read whole."""

    @property
    def replica_bytes(self) -> int:
        """Bytes that the replicas take."""
        return self._replicas.used_bytes

    def process(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> FeatureBatch:
        """Apply and measure in one thread; after an error of either, call again with the same arguments."""
        pending = self.apply(columns, claims, origins)
        try:
            return self.measure(pending)
        except Exception:
            self._sure = False
            raise

    def apply(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> Pending:
        """Append the payments that are new, locate the others, and read their logs, in one call to the store.

        Raises `StoreUnavailableError` (call again with the same arguments), `StoreRolledBackError`,
        `StoreCorruptError`.
        """
        if len(columns) > MAX_PAYMENTS:
            raise ValueError(f"A micro-batch of {len(columns)} payments; at most {MAX_PAYMENTS} fit.")
        if not self._sure:
            # Called again after a failure: all of it may have been applied, whatever was known when it was claimed.
            claims = _all_claimed(claims)
        self._sure = False
        epoch = self._epoch
        # After a failure the server may be another, or restarted: until the replicas were dropped, nothing is known.
        known = self._replicas.known if self._replicas_of == epoch and len(self._replicas) else None
        refresh = b"".join(self._refresh.popleft() for _ in range(len(self._refresh)))
        try:
            reading = _read(self._store, columns, claims, origins, known, refresh)
        except Exception:
            self._epoch += 1
            self._refresh.appendleft(refresh)
            raise
        self._sure = True
        return Pending(columns, claims, origins, epoch, reading)

    def measure(self, pending: Pending) -> FeatureBatch:
        """Return the vectors of a micro-batch.

        Raises `StoreUnavailableError` (call again), `StoreCorruptError`, `ReplicaBudgetError`.
        """
        if pending.epoch != self._replicas_of:
            self._replicas.clear()
            self._replicas_of = pending.epoch
        try:
            if pending.reading is None:
                claims = _all_claimed(pending.claims)
                pending.reading = _read(self._measuring, pending.columns, claims, pending.origins, None, b"")
            self._replicas.begin()
            measured = self._measure(pending.columns, pending.reading, slice(0, len(pending.columns)))
        except Exception:
            self._replicas.clear()  # what failed half-way leaves replicas that know less or more than they say
            pending.reading = None
            raise
        provenance = provenance_of(pending.columns, measured.places, pending.reading.versions)
        return FeatureBatch(measured.vectors, measured.state, provenance)

    def _measure(self, columns: PaymentColumns, reading: _Reading, rows: slice) -> _Measured:
        """Measure some payments of a micro-batch; in halves, where their long logs do not fit in memory together."""
        try:
            return self._measure_together(columns, reading, rows)
        except ReplicaBudgetError:
            if rows.stop - rows.start <= 1:
                raise
        parts = []
        middle = (rows.start + rows.stop) // 2
        for half in (slice(rows.start, middle), slice(middle, rows.stop)):
            self._replicas.clear()
            self._replicas.begin()
            parts.append(self._measure(columns, reading, half))
        return _Measured(*map(np.concatenate, zip(*parts, strict=True)))

    def _measure_together(self, columns: PaymentColumns, reading: _Reading, rows: slice) -> _Measured:
        request, n = reading.request, rows.stop - rows.start
        of, wanted = request.of, np.ones(request.logs, dtype=np.bool_)
        if n < len(columns):
            columns, of = columns.take(rows), np.ascontiguousarray(of[:, rows])
            wanted[:] = False
            wanted[of[: INBOUND + 1][of[: INBOUND + 1] != NONE]] = True
        logs = self._replicas.logs
        slots, header, base, replicas = self._ingest(reading, wanted)
        found = Located.make(n, request.logs)
        if not locate(logs, columns.event_time, of, reading.lengths[rows], slots, header, base, found):
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
        self._fold(replicas)
        return _Measured(values, state, at.T)

    def _ingest(
        self, reading: _Reading, wanted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], dict[bytes, Replica]]:
        """Bring the wanted logs into the arenas; return each one's slot, header length and base, and the replicas."""
        logs, applied, known, count = self._replicas.logs, reading.applied, reading.known, len(wanted)
        totals = np.array(applied.totals[:count], dtype=np.int64)
        sizes = np.fromiter(map(len, applied.logs[:count]), dtype=np.int64, count=count)
        slots, starts, ends, others = np.empty((4, count), dtype=np.int64)
        header, base = np.zeros((2, count), dtype=np.int64)
        found = open_logs(
            logs, self._replicas.slots, self._replicas.scratch_at, SHORT_BYTES, wanted, known, totals, sizes, slots,
            starts, ends, others,
        )  # fmt: skip
        if found < 0:
            raise StoreCorruptError(f"A log of {totals[-1 - found]} bytes. Run `upifraud rebuild-features`.")
        raw = b"".join(applied.logs[:count])
        words = np.frombuffer(raw, dtype="<u8")
        long = others[:found]
        names = _names(reading.request.reads, long)
        replicas = self._replicas.keep(names)
        of = np.array([NONE if replica is None else replica.slot for replica in replicas], dtype=np.int64)
        matched = np.empty(found, dtype=np.bool_)
        pass_over_known(logs.slots, of, words, long, known, totals, starts, ends, header, base, matched)
        more, room, admitted = [raw], len(raw), []
        for place in np.flatnonzero(~matched).tolist():
            index = long[place]
            log = applied.logs[index]
            if len(log) < totals[index]:
                # Another worker folded the log, or the replica is not what it was thought to be.
                log = self._store.fetch([names[place]])[0]
                more.append(log)
                starts[index], ends[index] = room, room + len(log)
                room += len(log)
            replica, skip = self._replicas.admit(names[place], log)
            admitted.append(replica)
            starts[index] += skip
            replicas[place], of[place] = replica, replica.slot
        if len(more) > 1:
            words = np.frombuffer(b"".join(more), dtype="<u8")
        slots[long] = of
        kept = dict(zip(names, cast("list[Replica]", replicas), strict=True))
        fits = np.array([BLOCK << replica.order for replica in kept.values()], dtype=np.int64)
        needed = np.empty(found, dtype=np.int64)
        make_ready(logs.slots, of, words, long, starts, ends, fits, needed)
        for place in np.flatnonzero(needed).tolist():
            self._replicas.make_room(names[place], int(needed[place]))
        append_raw(logs, slots, starts, ends, words)
        for replica, records in zip(kept.values(), logs.slots["length"][of].tolist(), strict=True):
            replica.records = records
        for replica in admitted:
            if replica.base:
                logs.slots["whole_from"][replica.slot] = whole_from(logs, replica.slot)
        self.hits += found - len(admitted)
        self.misses += len(admitted)
        return slots, header, base, kept

    def _fold(self, replicas: Mapping[bytes, Replica]) -> None:
        """Fold the logs for which it is worth it; whoever comes second leaves it."""
        logs, fewest = self._replicas.logs, fewest_to_fold()
        for name, replica in replicas.items():
            if replica.records - replica.base < fewest:
                continue
            position = fold_position(logs, replica.slot)
            if position == replica.base:
                continue
            header = fold(logs, replica.slot, position)
            self._store.fold(name, replica.base, header.pack(), position)
            self._replicas.drop(name)  # read again, folded, when it is next touched


def _names(reads: NDArray[np.uint8], rows: NDArray[np.intp]) -> list[bytes]:
    """Return the kind and identity of some reads."""
    packed = reads[rows, :9].tobytes()
    return [packed[at : at + 9] for at in range(0, len(packed), 9)]


def _all_claimed(claims: Claims) -> Claims:
    return replace(claims, claimed_before=np.ones(len(claims.claimed_before), dtype=np.bool_))


def _read(
    store: EntityStore,
    columns: PaymentColumns,
    claims: Claims,
    origins: Sequence[Origin],
    known: Callable[[bytes], list[int]] | None,
    refresh: bytes,
) -> _Reading:
    """Make the one call to the store."""
    request = Request.of_columns(columns)
    known_records = np.zeros(request.logs, dtype=np.int64) if known is None else request.note_known(known)
    applied = store.apply(ApplyRequest(entries_of(columns, claims), request.reads.tobytes(), refresh, origins))
    reports, versions = reports_read(applied, request)
    lengths = np.array(applied.lengths, dtype=np.int64).reshape(len(columns), 4)
    return _Reading(request, known_records, applied, lengths, reports, versions)
