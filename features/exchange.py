"""What goes to the online store in one call and what comes back, between columns and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.layout import DEVICE, DEVICE_REPORTS, ENTRY_BYTES, PAYEE, PAYEE_REPORTS, PAYER, READ_BYTES
from features.logs import NONE
from features.provenance import PROVENANCE
from features.record import pack_records
from features.risk import REPORT_BYTES
from features.vector import Reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.online import Claims
    from features.store import Applied


@dataclass(frozen=True, slots=True)
class Entities:
    """The distinct identities of one kind in a micro-batch."""

    kind: bytes
    identities: NDArray[np.uint64]
    first: int
    """Where its reads begin."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which logs a micro-batch needs: each once, however many payments need it."""

    kinds: tuple[Entities, ...]
    """Payers, payees (of the payers' inbound logs, too), devices, and the payees and devices that outcomes are of."""
    of: tuple[NDArray[np.int64], ...]
    """For each payment, which read its payer's, payee's, device's and inbound log is; NONE without a device."""
    reports_of: tuple[NDArray[np.int64], NDArray[np.int64]]
    """For each payment, which read its payee's and its device's outcome log is; NONE without a device."""

    @classmethod
    def of_columns(cls, columns: PaymentColumns) -> Request:
        """Find the distinct entities of a micro-batch."""
        n = len(columns)
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
            kinds.append(Entities(kind, identities, first))
            first += len(identities)
        has_device = device_of != NONE
        return cls(
            tuple(kinds),
            (
                payer_of,
                payee_of[:n] + kinds[1].first,
                np.where(has_device, device_of + kinds[2].first, NONE),
                payee_of[n:] + kinds[1].first,
            ),
            (paid_of + kinds[3].first, np.where(has_device, device_of + kinds[4].first, NONE)),
        )

    @property
    def logs(self) -> int:
        """How many entity logs are read; outcome logs come behind them."""
        return self.kinds[3].first

    def reads(self, known: Callable[[bytes], list[int]] | None) -> NDArray[np.uint8]:
        """Lay out the logs to read, uint8[r, 13]. known: how many records of logs, 9 bytes each, there are already."""
        reads = np.zeros((self.kinds[4].first + len(self.kinds[4].identities), READ_BYTES), dtype=np.uint8)
        for entities in self.kinds:
            rows = slice(entities.first, entities.first + len(entities.identities))
            reads[rows, 0] = entities.kind[0]
            reads[rows, 1:9] = entities.identities.astype("<u8").view(np.uint8).reshape(-1, 8)
        if known is not None:
            records = known(reads[: self.logs, :9].tobytes())
            reads[: self.logs, 9:13] = np.array(records, dtype="<u4").view(np.uint8).reshape(-1, 4)
        return reads


def entries_of(columns: PaymentColumns, claims: Claims) -> bytes:
    """Pack payments and where they came from, 99 bytes each."""
    entries = np.empty((len(columns), ENTRY_BYTES), dtype=np.uint8)
    for k, identities in enumerate((columns.payer, columns.payee, columns.device)):
        entries[:, 8 * k : 8 * k + 8] = identities.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    entries[:, 24:56] = pack_records(columns, columns.payee)
    entries[:, 56:88] = pack_records(columns, columns.payer)
    entries[:, 88] = claims.claimed_before
    entries[:, 89:91] = claims.origin.astype("<u2").view(np.uint8).reshape(-1, 2)
    entries[:, 91:99] = claims.offset.astype("<u8").view(np.uint8).reshape(-1, 8)
    return entries.tobytes()


def reports_read(applied: Applied, request: Request) -> tuple[Reports, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Lay out the outcome logs; return them and their versions: the number of reports at that moment."""
    first = request.logs
    raw = b"".join(applied.logs[first:])
    totals = np.array([*applied.totals[first:], 0], dtype=np.int64)
    sizes = np.fromiter((*map(len, applied.logs[first:]), 0), dtype=np.int64, count=len(totals))
    ends = np.cumsum(sizes)
    starts = ends - sizes
    ends[totals < 0] = NONE
    payee, device = (np.where(read == NONE, len(totals) - 1, read - first) for read in request.reports_of)
    reports = Reports(np.frombuffer(raw, dtype=np.uint8), starts[payee], ends[payee], starts[device], ends[device])
    versions = totals // REPORT_BYTES
    return reports, (versions[payee], versions[device])


def provenance_of(
    columns: PaymentColumns,
    places: NDArray[np.int64],
    versions: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.void]:
    """Return PROVENANCE[n]."""
    rows = np.zeros(len(columns), dtype=PROVENANCE)
    rows["payer"], rows["payee"], rows["device"] = columns.payer, columns.payee, columns.device
    rows["record"] = pack_records(columns, columns.payee)
    rows["payer_at"], rows["payee_at"], rows["device_at"], rows["inbound_upto"] = places.T
    rows["payee_reports"], rows["device_reports"] = versions
    return rows
