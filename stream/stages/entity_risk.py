"""Outcomes as the entity logs take them: one report for each entity of the payment that has any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.entities import KINDS
from features.measure.risk import FRAUD, GENUINE, pack_report
from features.record import payment_ids
from features.store.layout import IDENTITY_BYTES
from features.store.provenance import read_provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.verdict_store import PaymentRef, Report


def reports_of(outcomes: Iterable[PaymentRef]) -> list[tuple[bytes, bytes]]:
    """Return the reports that a run of outcomes makes: kind and identity, and the 16 bytes to set."""
    return packed_reports([outcome.report for outcome in outcomes])


def packed_reports(reports: Sequence[Report]) -> list[tuple[bytes, bytes]]:
    """Return kind and identity, and the 16 bytes to set, of each entity that a report is about."""
    kept = read_provenance([report.provenance for report in reports])
    ids = payment_ids(kept["record"])
    packed = []
    for report, row, payment_id in zip(reports, kept, ids.tolist(), strict=True):
        content = pack_report(report.reported_at, FRAUD if report.is_fraud else GENUINE, payment_id)
        packed += [
            (kind.reports + int(row[kind.name]).to_bytes(IDENTITY_BYTES, "little"), content)
            for kind in KINDS
            if kind.reports and row[kind.name]
        ]
    return packed
