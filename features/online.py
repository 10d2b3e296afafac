"""Vectors of a micro-batch from the online store: one call to the server, one kernel call, nothing counted twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from features.errors import StoreCorruptError
from features.fold import fold, fold_position, whole_from
from features.ingest import append_raw, open_short
from features.layout import DEVICE, DEVICE_REPORTS, ENTRY_BYTES, PAYEE, PAYEE_REPORTS, PAYER, READ_BYTES
from features.logs import NONE
from features.provenance import PROVENANCE
from features.record import RECORD_BYTES, pack_records
from features.replicas import Replica, Replicas, header_size
from features.risk import REPORT_BYTES
from features.store import ApplyRequest
from features.vector import Places, Reports, vectors
from features.windows import DAY, SHORT_LOG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
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


@dataclass(frozen=True, slots=True)
class _Entities:
    """The distinct identities of one kind in a micro-batch."""

    kind: bytes
    identities: NDArray[np.uint64]
    first: int
    """Where its reads begin."""


class OnlineFeatures:
    """Applies micro-batches to the store and measures them. Blocking; to be used by one thread."""

    def __init__(self, store: EntityStore, replica_bytes: int = 256 << 20) -> None:
        self._store = store
        self._replicas = Replicas(
            replica_bytes, scratch_records=4 * MAX_PAYMENTS * SHORT_LOG, scratch_slots=4 * MAX_PAYMENTS
        )
        self._refresh = b""
        self.hits = 0
        self.misses = 0

    def forget(self) -> None:
        """Drop all replicas: after a failed call the server may be another, or restarted."""
        self._replicas.clear()

    def process(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> FeatureBatch:
        """Append the payments that are new, locate the others, and return every vector.

        Raises `StoreUnavailableError` (call again with the same arguments), `StoreRolledBackError`,
        `StoreCorruptError`, `ReplicaBudgetError`.
        """
        if len(columns) > MAX_PAYMENTS:
            raise ValueError(f"A micro-batch of {len(columns)} payments; at most {MAX_PAYMENTS} fit.")
        try:
            return self._process(columns, claims, origins)
        except Exception:
            self.forget()  # a call that failed half-way leaves replicas that know less or more than they say
            raise

    def _process(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> FeatureBatch:
        self._replicas.begin()
        payers, payer_of = np.unique(columns.payer, return_inverse=True)
        payees, payee_of = np.unique(np.concatenate((columns.payee, columns.payer)), return_inverse=True)
        devices, device_of = np.unique(columns.device, return_inverse=True)
        if len(devices) and devices[0] == 0:
            devices, device_of = devices[1:], device_of - 1
        paid, paid_of = np.unique(columns.payee, return_inverse=True)
        kinds = []
        first = 0
        for kind, identities in (
            (PAYER, payers), (PAYEE, payees), (DEVICE, devices), (PAYEE_REPORTS, paid), (DEVICE_REPORTS, devices),
        ):  # fmt: skip
            kinds.append(_Entities(kind, identities, first))
            first += len(identities)
        logs_read = kinds[3].first
        reads = self._reads(kinds, first)
        known = reads[:, 9:13].copy().view("<u4").ravel()[:logs_read].astype(np.int64)
        request = ApplyRequest(_entries(columns, claims), reads.tobytes(), self._refresh, origins)
        applied = self._store.apply(request)
        self._refresh = b""
        slots, header, base = self._ingest(applied, reads, known, logs_read)

        n = len(columns)
        lengths = np.array(applied.lengths, dtype=np.int64).reshape(n, 4)
        device_read = np.where(device_of == NONE, NONE, device_of + kinds[2].first)
        read_of = [payer_of + kinds[0].first, payee_of[:n] + kinds[1].first, device_read, payee_of[n:] + kinds[1].first]
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
        positions, lost = self._positions(slot, ends)
        inbound_upto = positions.pop() + 1
        places = Places(slot[0], positions[0], slot[1], positions[1], slot[2], positions[2], slot[3], inbound_upto)
        reports, versions = _reports(applied, logs_read, kinds, paid_of, device_of)
        values, state = vectors(self._replicas.logs, columns, places, reports, lost)
        self._fold(reads, slots)
        self._note_refresh(columns, kinds, read_of, slot, positions)
        return FeatureBatch(values, state, _provenance(columns, positions, inbound_upto, versions))

    def _reads(self, kinds: list[_Entities], count: int) -> NDArray[np.uint8]:
        """Lay out the logs to read, uint8[r, 13], with how much of each is known already."""
        reads = np.zeros((count, READ_BYTES), dtype=np.uint8)
        for entities in kinds:
            rows = slice(entities.first, entities.first + len(entities.identities))
            reads[rows, 0] = entities.kind[0]
            reads[rows, 1:9] = entities.identities.astype("<u8").view(np.uint8).reshape(-1, 8)
        if len(self._replicas):
            names = reads[: kinds[3].first, :9].tobytes()
            known = [self._replicas.known(names[at : at + 9]) for at in range(0, len(names), 9)]
            reads[: kinds[3].first, 9:13] = np.array(known, dtype="<u4").view(np.uint8).reshape(-1, 4)
        return reads

    def _ingest(
        self, applied: Applied, reads: NDArray[np.uint8], known: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Bring the logs read into the arenas; return each one's slot, header length and base."""
        logs = self._replicas.logs
        totals = np.array(applied.totals[:count], dtype=np.int64)
        sizes = np.fromiter(map(len, applied.logs[:count]), dtype=np.int64, count=count)
        ends = np.cumsum(sizes)
        starts = ends - sizes
        short = (known == 0) & (totals <= SHORT_BYTES) & (totals % RECORD_BYTES == 0)
        header = np.zeros(count, dtype=np.int64)
        base = np.zeros(count, dtype=np.int64)
        slots = np.zeros(count, dtype=np.int64)
        scratch = slots[short]
        open_short(logs, self._replicas.slots, self._replicas.scratch_at, scratch, sizes[short])
        slots[short] = scratch
        raw = b"".join(applied.logs[:count])
        more: list[bytes] = []
        admitted: list[int] = []
        room = len(raw)
        for index in np.flatnonzero(~short).tolist():
            name = reads[index, :9].tobytes()
            log, start = applied.logs[index], int(starts[index])
            replica, skip, fresh = self._catch_up(name, log, int(totals[index]), int(known[index]))
            if fresh is not None:
                # Another worker folded the log, or the replica did not match: the whole log was fetched anew.
                more.append(fresh)
                log, start = fresh, room
                room += len(fresh)
            slots[index] = replica.slot
            starts[index], ends[index] = start + skip, start + len(log)
            if totals[index] % RECORD_BYTES:
                header[index] = header_size(applied.logs[index])
                base[index] = int.from_bytes(applied.logs[index][8:16], "little")
            if logs.length[replica.slot] == logs.base[replica.slot]:
                admitted.append(replica.slot)
            replica.last_record = log[-RECORD_BYTES:]
            self._replicas.make_room(
                name, int(logs.length[replica.slot] - logs.base[replica.slot]) + (len(log) - skip) // RECORD_BYTES
            )
        arena = np.frombuffer(b"".join((raw, *more)) if more else raw, dtype=np.uint8)
        wanted = slots != NONE
        append_raw(logs, slots[wanted], starts[wanted], ends[wanted], arena)
        for slot in admitted:
            logs.whole_from[slot] = whole_from(logs, slot) if logs.base[slot] else 0
        self.hits += int((known > 0).sum())
        self.misses += int((known == 0).sum())
        return slots, header, base

    def _catch_up(self, name: bytes, log: bytes, total: int, known: int) -> tuple[Replica, int, bytes | None]:
        """Find a long log's replica; return it, the bytes of the log to pass over, and the log if fetched anew."""
        replica = self._replicas.get(name)
        if replica is not None and known and len(log) < total:
            folded = total % RECORD_BYTES != 0
            overlap = 16 if folded else 0
            base = int.from_bytes(log[8:16], "little") if folded else 0
            same_base = base == int(self._replicas.logs.base[replica.slot])
            if same_base and log[overlap : overlap + RECORD_BYTES] == replica.last_record:
                return replica, overlap + RECORD_BYTES, None
        if len(log) == total:
            replica, start = self._replicas.admit(name, log)
            return replica, start, None
        fresh = self._store.fetch([name])[0]
        replica, start = self._replicas.admit(name, fresh)
        return replica, start, fresh

    def _positions(
        self, slots: list[NDArray[np.int64]], ends: list[NDArray[np.int64]]
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.bool_]]:
        """Turn log lengths into positions; a place that was folded away becomes the current one, and is lost."""
        logs = self._replicas.logs
        lost = np.zeros(len(slots[0]), dtype=np.bool_)
        positions = []
        for slot, end in zip(slots, ends, strict=True):
            known = slot != NONE
            position = np.where(known, end - 1, NONE)
            current = np.where(known, logs.length[slot] - 1, NONE)
            folded = (position >= 0) & (position < logs.whole_from[slot])
            gone = known & (folded | (end == NONE) | (position > current))
            positions.append(np.where(gone, current, position))
            lost |= gone
        return positions, lost

    def _fold(self, reads: NDArray[np.uint8], slots: NDArray[np.int64]) -> None:
        """Fold the logs for which it is worth it; whoever comes second leaves it."""
        logs = self._replicas.logs
        for index in np.flatnonzero((slots >= 0) & (slots < self._replicas.slots)).tolist():
            slot = int(slots[index])
            position = fold_position(logs, slot)
            if position == logs.base[slot]:
                continue
            name = reads[index, :9].tobytes()
            header = fold(logs, slot, position)
            self._store.fold(name, int(logs.base[slot]), header.pack(), position)
            self._replicas.drop(name)  # read again, folded, when it is next touched

    def _note_refresh(
        self,
        columns: PaymentColumns,
        kinds: list[_Entities],
        read_of: list[NDArray[np.int64]],
        slots: list[NDArray[np.int64]],
        positions: list[NDArray[np.int64]],
    ) -> None:
        """Remember whose expiry to push out with the next micro-batch: logs whose last payment was on another day."""
        logs = self._replicas.logs
        names: list[bytes] = []
        for entities, read, slot, position in zip(kinds[:3], read_of, slots, positions, strict=False):
            before = position - 1
            rows = np.flatnonzero((slot != NONE) & (before >= logs.base[slot]))
            last = logs.event_time[logs.at[slot[rows]] + before[rows] - logs.base[slot[rows]]]
            rows = rows[last // DAY != columns.event_time[rows] // DAY]
            identities = np.unique(entities.identities[read[rows] - entities.first]).tolist()
            names.extend(entities.kind + identity.to_bytes(8, "little") for identity in identities)
        self._refresh = b"".join(names)


def _entries(columns: PaymentColumns, claims: Claims) -> bytes:
    entries = np.empty((len(columns), ENTRY_BYTES), dtype=np.uint8)
    for k, identities in enumerate((columns.payer, columns.payee, columns.device)):
        entries[:, 8 * k : 8 * k + 8] = identities.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    entries[:, 24:56] = pack_records(columns, columns.payee)
    entries[:, 56:88] = pack_records(columns, columns.payer)
    entries[:, 88:120] = entries[:, 56:88]
    entries[:, 120] = claims.claimed_before
    entries[:, 121:123] = claims.origin.astype("<u2").view(np.uint8).reshape(-1, 2)
    entries[:, 123:131] = claims.offset.astype("<u8").view(np.uint8).reshape(-1, 8)
    return entries.tobytes()


def _reports(
    applied: Applied,
    first: int,
    kinds: list[_Entities],
    paid_of: NDArray[np.intp],
    device_of: NDArray[np.int64],
) -> tuple[Reports, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Lay out the outcome logs; return them and their versions: the number of reports at that moment."""
    raw = b"".join(applied.logs[first:])
    totals = np.array([*applied.totals[first:], 0], dtype=np.int64)
    sizes = np.fromiter((*map(len, applied.logs[first:]), 0), dtype=np.int64, count=len(totals))
    ends = np.cumsum(sizes)
    starts = ends - sizes
    ends[totals < 0] = NONE
    payee = paid_of
    device = np.where(device_of == NONE, len(totals) - 1, device_of + kinds[4].first - first)
    reports = Reports(np.frombuffer(raw, dtype=np.uint8), starts[payee], ends[payee], starts[device], ends[device])
    versions = totals // REPORT_BYTES
    return reports, (versions[payee], versions[device])


def _provenance(
    columns: PaymentColumns,
    positions: list[NDArray[np.int64]],
    inbound_upto: NDArray[np.int64],
    versions: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.void]:
    rows = np.zeros(len(columns), dtype=PROVENANCE)
    rows["payer"], rows["payee"], rows["device"] = columns.payer, columns.payee, columns.device
    rows["record"] = pack_records(columns, columns.payee)
    rows["payer_at"], rows["payee_at"], rows["device_at"] = positions
    rows["inbound_upto"] = inbound_upto
    rows["payee_reports"], rows["device_reports"] = versions
    return rows
