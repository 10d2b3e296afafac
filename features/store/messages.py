"""What goes to the online store in one call and what comes back, between columns and bytes."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from features.measure.logs import NONE
from features.measure.risk import REPORT_BYTES
from features.measure.vector import Reports
from features.record import put_number, put_record
from features.store.layout import DEVICE, DEVICE_REPORTS, ENTRY_BYTES, PAYEE, PAYEE_REPORTS, PAYER, READ_BYTES
from features.store.provenance import PROVENANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.store.contract import Applied


PAYERS, PAYEES, DEVICES, INBOUND, PAYEES_REPORTS, DEVICES_REPORTS = range(6)
"""The logs that a payment needs; a payer's inbound log is his log as a payee."""

_KIND: Final = np.frombuffer(b"".join((PAYER, PAYEE, DEVICE, PAYEE, PAYEE_REPORTS, DEVICE_REPORTS)), dtype=np.uint8)
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)
_MIXED_BITS: Final = np.uint64(50)  # the best mixed ones; 14 are as many as the largest micro-batch needs


@dataclass(frozen=True, slots=True)
class Claims:
    """Where the payments of a micro-batch came from: columns of one length."""

    origin: NDArray[np.uint16]
    """Index into the micro-batch's origins."""
    offset: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Request:
    """Which logs a micro-batch needs: each once, however many payments need it."""

    reads: NDArray[np.uint8]
    """[r, 17]: kind, identity, how many records are known, and the length that is expected; at first nothing is known,
    and nothing is expected. Entity logs, then outcome logs."""
    logs: int
    """How many entity logs there are."""
    of: NDArray[np.int64]
    """[6, n]: for each payment, which read its payer's, payee's, device's, inbound log and its payee's and device's
    outcome log is; NONE without a device."""

    @classmethod
    def of_columns(cls, columns: PaymentColumns) -> Request:
        """Find the distinct entities of a micro-batch."""
        n = len(columns)
        reads, of = np.zeros((6 * n, READ_BYTES), dtype=np.uint8), np.empty((6, n), dtype=np.int64)
        logs, count = _find_logs(columns.payer, columns.payee, columns.device, _KIND, reads, of)
        reads[:logs, 13:] = 0xFF  # UNKNOWN_LENGTH
        return cls(reads[:count], logs, of)

    def name(self, read: int) -> bytes:
        """Return the kind and identity of a read."""
        return self.reads[read, :9].tobytes()

    @property
    def known(self) -> NDArray[np.int64]:
        """[logs]: of how many records each entity log is known."""
        return self._number(9)

    @property
    def expected(self) -> NDArray[np.int64]:
        """[logs]: how many bytes each entity log has if nobody else appends to it; UNKNOWN_LENGTH: cannot be said."""
        return self._number(13)

    def _number(self, at: int) -> NDArray[np.int64]:
        return np.ascontiguousarray(self.reads[: self.logs, at : at + 4]).view("<u4")[:, 0].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the store replied, by payment and by read."""

    lengths: NDArray[np.int64]
    """[n, 4]: bytes of the payer's, payee's and device's log just behind the payment; records of the inbound one."""
    told: NDArray[np.bool_]
    """[r]: which reads it told of."""
    totals: NDArray[np.int64]
    """[r]: bytes of each log, -1 where an outcome log could not be read."""
    starts: NDArray[np.int64]
    """[r]: where in `raw` what was read begins."""
    ends: NDArray[np.int64]
    raw: bytes

    @classmethod
    def of(cls, applied: Applied, request: Request, payments: int) -> Reply:
        """Lay a reply out."""
        reads = len(request.reads)
        told, (totals, starts, ends) = np.zeros(reads, dtype=np.bool_), np.zeros((3, reads), dtype=np.int64)
        totals[: request.logs] = request.expected
        if applied.told:
            which = np.array(applied.told, dtype=np.int64)
            sizes = np.fromiter(map(len, applied.logs), dtype=np.int64, count=len(which))
            told[which], totals[which], ends[which] = True, applied.totals, np.cumsum(sizes)
            starts[which] = ends[which] - sizes
        lengths = np.frombuffer(applied.places, dtype="<u4").reshape(payments, 4).astype(np.int64)
        return cls(lengths, told, totals, starts, ends, b"".join(applied.logs))


@njit()
def _find_logs(  # type: ignore[no-untyped-def]
    payer, payee, device, kind, reads, of
):  # fmt: skip
    """Fill in the reads and what each payment needs of them; return how many are of entity logs, and of all."""
    n, size = len(payer), 16
    while size < 4 * n:
        size *= 2
    identities = np.empty(6 * n, dtype=np.uint64)
    cells = np.empty(size, dtype=np.int64)
    count = logs = written = 0
    for part in (PAYERS, PAYEES, DEVICES, PAYEES_REPORTS, DEVICES_REPORTS):
        if part == PAYEES_REPORTS:
            logs = count
        cells[:] = NONE
        column = payer if part == PAYERS else payee if part in (PAYEES, PAYEES_REPORTS) else device
        for row in range(n):
            if column[row] == 0 and part in (DEVICES, DEVICES_REPORTS):
                of[part, row] = NONE
            else:
                of[part, row], count = _find(cells, identities, count, column[row])
        if part == PAYEES:
            for row in range(n):
                of[INBOUND, row], count = _find(cells, identities, count, payer[row])
        for read in range(written, count):
            reads[read, 0] = kind[part]
            put_number(reads[read], 1, identities[read], 8)
        written = count
    return logs, count


@njit()
def _find(cells: NDArray[np.int64], identities: NDArray[np.uint64], count: int, identity: np.uint64) -> tuple[int, int]:
    """Return where an identity stands among those of its kind, put there if it is new, and how many there are then."""
    mask = np.uint64(len(cells) - 1)
    cell = ((identity * _MIXED) >> _MIXED_BITS) & mask
    while cells[cell] != NONE:
        if identities[cells[cell]] == identity:
            return cells[cell], count
        cell = (cell + np.uint64(1)) & mask
    cells[cell] = count
    identities[count] = identity
    return count, count + 1


def entries_of(columns: PaymentColumns, claims: Claims) -> bytes:
    """Pack payments and where they came from, 98 bytes each."""
    entries = np.empty(len(columns) * ENTRY_BYTES, dtype=np.uint8)
    _put_entries(
        entries, columns.payer, columns.payee, columns.device, columns.event_time, columns.amount_paise,
        columns.payment_id, columns.place, columns.kind, claims.origin, claims.offset,
    )  # fmt: skip
    return entries.tobytes()


@njit()
def _put_entries(  # type: ignore[no-untyped-def]
    entries, payer, payee, device, event_time, amount_paise, payment_id, place, kind, origin, offset
):  # fmt: skip
    for row in range(len(payer)):
        at = row * ENTRY_BYTES
        put_number(entries, at, payer[row], 8)
        put_number(entries, at + 8, payee[row], 8)
        put_number(entries, at + 16, device[row], 8)
        for start, counterparty in ((at + 24, payee[row]), (at + 56, payer[row])):
            put_record(
                entries, start, event_time[row], amount_paise[row], counterparty, payment_id[row], place[row], kind[row]
            )
        put_number(entries, at + 88, np.uint64(origin[row]), 2)
        put_number(entries, at + 90, np.uint64(offset[row]), 8)


def reports_read(reply: Reply, request: Request) -> tuple[Reports, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Lay out the outcome logs; return them and their versions: the number of reports at that moment."""
    first = request.logs
    if not reply.told[first:].any():  # nearly always
        nothing = np.zeros(request.of.shape[1], dtype=np.int64)
        return Reports(np.empty(0, dtype=np.uint8), nothing, nothing, nothing, nothing), (nothing, nothing)
    totals, starts, ends = (np.append(column[first:], 0) for column in (reply.totals, reply.starts, reply.ends))
    ends[totals < 0] = NONE
    payee, device = (
        np.where(read == NONE, len(totals) - 1, read - first)
        for read in (request.of[PAYEES_REPORTS], request.of[DEVICES_REPORTS])
    )
    raw = np.frombuffer(reply.raw, dtype=np.uint8)
    reports = Reports(raw, starts[payee], ends[payee], starts[device], ends[device])
    versions = totals // REPORT_BYTES
    return reports, (versions[payee], versions[device])


def provenance_of(
    columns: PaymentColumns,
    places: NDArray[np.int64],
    versions: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.void]:
    """Return PROVENANCE[n]."""
    rows = np.empty(len(columns), dtype=PROVENANCE)
    _put_provenance(
        rows, columns.payer, columns.payee, columns.device, columns.event_time, columns.amount_paise,
        columns.payment_id, columns.place, columns.kind, np.ascontiguousarray(places), *versions,
    )  # fmt: skip
    return rows


@njit()
def _put_provenance(  # type: ignore[no-untyped-def]
    rows, payer, payee, device, event_time, amount_paise, payment_id, place, kind, places, payee_reports, device_reports
):  # fmt: skip
    for row in range(len(rows)):
        one = rows[row]
        one.payer, one.payee, one.device = payer[row], payee[row], device[row]
        put_record(
            one.record, 0, event_time[row], amount_paise[row], payee[row], payment_id[row], place[row], kind[row]
        )
        one.payer_at, one.payee_at, one.device_at, one.inbound_upto = (
            places[row, 0], places[row, 1], places[row, 2], places[row, 3],
        )  # fmt: skip
        one.payee_reports, one.device_reports = payee_reports[row], device_reports[row]
