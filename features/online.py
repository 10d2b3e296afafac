"""Vectors of a micro-batch from the online store: one call to the server, one kernel call, nothing counted twice."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.errors import ReplicaBudgetError, StoreCorruptError
from features.exchange import Request, entries_of, provenance_of, reports_read
from features.fold import fewest_to_fold, fold, fold_position, whole_from
from features.ingest import append_raw, open_short
from features.logs import NONE
from features.record import RECORD_BYTES
from features.replicas import Replica, Replicas, header_size
from features.store import ApplyRequest
from features.vector import Places, Reports, vectors
from features.windows import BLOCK, DAY, SHORT_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.exchange import Entities
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
    reads: NDArray[np.uint8]
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
        self.misses = 0

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
        columns, read_of = columns.take(rows), [read[rows] for read in reading.request.of]
        wanted = np.zeros(reading.request.logs + 1, dtype=np.bool_)
        for read in read_of:
            wanted[read] = True  # without a device the one behind the last
        slots, header, base = self._ingest(reading, wanted[:-1])

        lengths = reading.lengths[rows]
        ends = [
            np.where(lengths[:, k] == 0, NONE, base[read] + (lengths[:, k] - header[read]) // RECORD_BYTES)
            for k, read in enumerate(read_of[:3])
        ]
        slot = [np.where(read == NONE, NONE, slots[read]) for read in read_of]
        for read, place, end in zip(read_of[:3], slot[:3], ends, strict=True):
            # Not found means folded away; what was never folded, and is not there, was lost.
            if np.any((read != NONE) & ((place == NONE) | ((end == NONE) & (base[read] == 0)))):
                raise StoreCorruptError(
                    "A payment is in one of its logs and missing in another: the store lost some of them. "
                    "Run `upifraud rebuild-features`."
                )
        # The inbound log as of the payment is a place in it too: just behind its last record of that moment.
        ends.append(np.where(slot[3] == NONE, 0, lengths[:, 3]))
        at, lost = self._positions(slot, ends)
        inbound_upto = at[3] + 1
        places = Places(slot[0], at[0], slot[1], at[1], slot[2], at[2], slot[3], inbound_upto)
        reports = Reports(reading.reports.raw, *(run[rows] for run in reading.reports[1:]))
        values, state = vectors(self._replicas.logs, columns, places, reports, lost)
        self._note_refresh(columns, reading.request.kinds[:3], read_of, slot, at)
        self._fold(reading.reads, slots)
        return _Measured(values, state, np.column_stack((*at[:3], inbound_upto)))

    def _ingest(
        self, reading: _Reading, wanted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Bring the wanted logs into the arenas; return each one's slot, header length and base."""
        logs, applied, known, count = self._replicas.logs, reading.applied, reading.known, len(wanted)
        totals = np.array(applied.totals[:count], dtype=np.int64)
        sizes = np.fromiter(map(len, applied.logs[:count]), dtype=np.int64, count=count)
        if np.any(sizes % 16):
            raise StoreCorruptError(f"A log of {totals[sizes % 16 > 0][0]} bytes. Run `upifraud rebuild-features`.")
        ends = np.cumsum(sizes)
        starts = ends - sizes
        short = wanted & (known == 0) & (totals <= SHORT_BYTES) & (totals % RECORD_BYTES == 0)
        header = np.zeros(count, dtype=np.int64)
        base = np.zeros(count, dtype=np.int64)
        slots = np.full(count, NONE, dtype=np.int64)
        scratch = slots[short]
        open_short(logs, self._replicas.slots, self._replicas.scratch_at, scratch, sizes[short])
        slots[short] = scratch
        raw = b"".join(applied.logs[:count])
        more: list[bytes] = []
        room = len(raw)
        long = np.flatnonzero(wanted & ~short)
        names = _names(reading.reads, long)
        self._replicas.keep(names)
        touched: list[Replica] = []
        begin, stop = starts[long].tolist(), ends[long].tolist()
        told = zip(long.tolist(), names, totals[long].tolist(), known[long].tolist(), strict=True)
        for place, (index, name, total, known_records) in enumerate(told):
            log = applied.logs[index]
            replica, skip, fresh = self._catch_up(name, log, total, known_records)
            if fresh is not None:
                # Another worker folded the log, or the replica did not match: the whole log was fetched anew.
                more.append(fresh)
                log, begin[place], stop[place] = fresh, room, room + len(fresh)
                room += len(fresh)
            begin[place] += skip
            touched.append(replica)
            replica.last_record = log[-RECORD_BYTES:]
        starts[long], ends[long] = begin, stop
        slots[long] = [replica.slot for replica in touched]
        for index in long[totals[long] % RECORD_BYTES > 0].tolist():
            header[index] = header_size(applied.logs[index])
            base[index] = int.from_bytes(applied.logs[index][8:16], "little")
        kept = logs.slots["length"][slots[long]] - logs.slots["folded"][slots[long]]
        admitted = slots[long[kept == 0]]
        needed = kept + (ends[long] - starts[long]) // RECORD_BYTES
        fits = BLOCK << np.array([replica.order for replica in touched], dtype=np.int64)
        for place in np.flatnonzero(needed > fits).tolist():
            self._replicas.make_room(names[place], int(needed[place]))
        arena = np.frombuffer(b"".join((raw, *more)) if more else raw, dtype="<u8")
        there = slots != NONE
        append_raw(logs, slots[there], starts[there], ends[there], arena)
        for replica, records in zip(touched, logs.slots["length"][slots[long]].tolist(), strict=True):
            replica.records = records
        logs.slots["whole_from"][admitted] = 0
        for slot in admitted[logs.slots["folded"][admitted] > 0].tolist():
            logs.slots["whole_from"][slot] = whole_from(logs, slot)
        self.hits += int((known[wanted] > 0).sum())
        self.misses += int((known[wanted] == 0).sum())
        return slots, header, base

    def _catch_up(self, name: bytes, log: bytes, total: int, known: int) -> tuple[Replica, int, bytes | None]:
        """Find a long log's replica; return it, the bytes of the log to pass over, and the log if fetched anew."""
        replica = self._replicas.get(name)
        if replica is not None and known and len(log) < total:
            folded = total % RECORD_BYTES != 0
            base = int.from_bytes(log[8:16], "little") if folded else 0
            # The log was read from record `known` on; the replica may have got more since.
            last = (16 if folded else 0) + (replica.records - known) * RECORD_BYTES
            if base == replica.base and last >= 0 and log[last : last + RECORD_BYTES] == replica.last_record:
                return replica, last + RECORD_BYTES, None
        if len(log) == total:
            replica, start = self._replicas.admit(name, log)
            return replica, start, None
        fresh = self._store.fetch([name])[0]
        replica, start = self._replicas.admit(name, fresh)
        return replica, start, fresh

    def _positions(
        self, slots: list[NDArray[np.int64]], ends: list[NDArray[np.int64]]
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.bool_]]:
        """Turn log lengths into positions, and say which are lost, bool[n, 4]: folded away, the current one instead."""
        logs = self._replicas.logs.slots
        lost = np.zeros((len(slots[0]), len(slots)), dtype=np.bool_)
        positions = []
        for entity, (slot, end) in enumerate(zip(slots, ends, strict=True)):
            known = slot != NONE
            position = np.where(known, end - 1, NONE)
            current = np.where(known, logs["length"][slot] - 1, NONE)
            folded = (position >= 0) & (position < logs["whole_from"][slot])
            gone = known & (folded | (end == NONE) | (position > current))
            positions.append(np.where(gone, current, position))
            lost[:, entity] = gone
        return positions, lost

    def _fold(self, reads: NDArray[np.uint8], slots: NDArray[np.int64]) -> None:
        """Fold the logs for which it is worth it; whoever comes second leaves it."""
        logs = self._replicas.logs
        replicated = np.flatnonzero((slots >= 0) & (slots < self._replicas.slots))
        kept = logs.slots["length"][slots[replicated]] - logs.slots["folded"][slots[replicated]]
        for index in replicated[kept >= fewest_to_fold()].tolist():
            slot = int(slots[index])
            position = fold_position(logs, slot)
            base = int(logs.slots["folded"][slot])
            if position == base:
                continue
            name = reads[index, :9].tobytes()
            header = fold(logs, slot, position)
            self._store.fold(name, base, header.pack(), position)
            self._replicas.drop(name)  # read again, folded, when it is next touched

    def _note_refresh(
        self,
        columns: PaymentColumns,
        kinds: Sequence[Entities],
        read_of: list[NDArray[np.int64]],
        slots: list[NDArray[np.int64]],
        positions: list[NDArray[np.int64]],
    ) -> None:
        """Remember whose expiry to push out with the next micro-batch: logs whose last payment was on another day."""
        logs = self._replicas.logs
        names: list[bytes] = []
        for entities, read, slot, position in zip(kinds, read_of, slots, positions, strict=False):
            before = position - 1
            rows = np.flatnonzero((slot != NONE) & (before >= logs.slots["folded"][slot]))
            held = logs.slots[slot[rows]]
            last = logs.event_time[held["at"] + before[rows] - held["folded"]]
            rows = rows[last // DAY != columns.event_time[rows] // DAY]
            identities = np.unique(entities.identities[read[rows] - entities.first]).tolist()
            names.extend(entities.kind + identity.to_bytes(8, "little") for identity in identities)
        self._refresh.append(b"".join(names))


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
    reads = request.reads(known)
    known_records = reads[: request.logs, 9:13].copy().view("<u4").ravel().astype(np.int64)
    applied = store.apply(ApplyRequest(entries_of(columns, claims), reads.tobytes(), refresh, origins))
    reports, versions = reports_read(applied, request)
    lengths = np.array(applied.lengths, dtype=np.int64).reshape(len(columns), 4)
    return _Reading(request, reads, known_records, applied, lengths, reports, versions)
