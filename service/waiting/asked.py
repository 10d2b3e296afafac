"""Payments as they were posted: taken apart by the stream's own decoder, so 422 is what would be a dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.decode import decode_payments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.identity import Identities
    from stream.decode import Decoded, Rejection


@dataclass(slots=True, eq=False)
class Asked:
    """One well-formed payment."""

    value: bytes
    """What the topic gets: the very bytes that were posted."""
    index: int
    """Which of the call's values it was."""
    row: int
    """Which of the well-formed payments in `decoded` it is."""
    decoded: Decoded
    transaction_id: bytes
    payer_vpa: bytes
    payee_vpa: bytes
    """VPAs in lower case."""
    event_time: int
    """Epoch milliseconds."""
    amount_paise: int
    fingerprint: int
    id128: bytes
    """Keyed hash of the id, 16 bytes."""

    @property
    def key(self) -> tuple[bytes, int]:
        """What tells this payment from all others: posts of equal ones wait together."""
        return self.id128, self.fingerprint


def take_apart(
    values: Sequence[bytes | None], now_ms: int, identities: Identities, earliest_ms: int
) -> tuple[list[Asked], list[Rejection]]:
    """Return the payments among the values of a call, in order, and why the others are none."""
    decoded = decode_payments(values, now_ms, identities, earliest_ms=earliest_ms)
    rows = decoded.rows.tolist()
    times, amounts = decoded.payments.event_time.tolist(), decoded.payments.amount_paise.tolist()
    prints = decoded.fingerprint.tolist()
    ids = decoded.ids128.tobytes()
    asked = [
        Asked(
            value=values[index] or b"",
            index=index,
            row=row,
            decoded=decoded,
            transaction_id=decoded.transaction_id[row],
            payer_vpa=decoded.payer_vpa[row],
            payee_vpa=decoded.payee_vpa[row],
            event_time=times[row],
            amount_paise=amounts[row],
            fingerprint=prints[row],
            id128=ids[16 * row : 16 * row + 16],
        )
        for row, index in enumerate(rows)
    ]
    return asked, decoded.rejections
