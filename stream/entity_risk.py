"""Outcomes as the entity logs take them: one report for the payee and one for the device of the payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.measure.risk import FRAUD, GENUINE, pack_report
from features.record import PAYMENT_ID
from features.store.layout import DEVICE_REPORTS, IDENTITY_BYTES, PAYEE_REPORTS
from features.store.provenance import PROVENANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.verdict_store import PaymentRef


def reports_of(outcomes: Iterable[PaymentRef]) -> list[tuple[bytes, bytes]]:
    """Return the reports that a run of outcomes makes: kind and identity, and the 16 bytes to set."""
    reports = []
    for outcome in outcomes:
        place = np.frombuffer(outcome.provenance, dtype=PROVENANCE)[0]
        payment_id = int.from_bytes(place["record"][PAYMENT_ID : PAYMENT_ID + 8].tobytes(), "little")
        report = pack_report(outcome.outcome.reported_at, FRAUD if outcome.outcome.is_fraud else GENUINE, payment_id)
        for kind, identity in ((PAYEE_REPORTS, place["payee"]), (DEVICE_REPORTS, place["device"])):
            if identity:
                reports.append((kind + int(identity).to_bytes(IDENTITY_BYTES, "little"), report))
    return reports
