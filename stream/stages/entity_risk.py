"""Outcomes as the entity logs take them: one report for each entity of the payment that has any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.entities import KINDS
from features.measure.risk import FRAUD, GENUINE, pack_report
from features.record import payment_ids
from features.store.layout import IDENTITY_BYTES
from features.store.provenance import read_provenance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.verdict_store import PaymentRef


def reports_of(outcomes: Iterable[PaymentRef]) -> list[tuple[bytes, bytes]]:
    """Return the reports that a run of outcomes makes: kind and identity, and the 16 bytes to set."""
    outcomes = list(outcomes)
    kept = read_provenance([outcome.provenance for outcome in outcomes])
    ids = payment_ids(kept["record"])
    reports = []
    for outcome, row, payment_id in zip(outcomes, kept, ids.tolist(), strict=True):
        report = pack_report(outcome.outcome.reported_at, FRAUD if outcome.outcome.is_fraud else GENUINE, payment_id)
        reports += [
            (kind.reports + int(row[kind.name]).to_bytes(IDENTITY_BYTES, "little"), report)
            for kind in KINDS
            if kind.reports and row[kind.name]
        ]
    return reports
