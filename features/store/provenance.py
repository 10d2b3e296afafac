"""What a verdict keeps of its payment's place in the entity logs: enough to rebuild the logs and to audit the vector.

Order across partitions exists nowhere else: the positions are the order that the windows were measured in.
"""

from __future__ import annotations

from typing import Final

from features.measure.logs import row_dtype
from features.record import RECORD_BYTES

PROVENANCE: Final = row_dtype(
    [
        ("payer", "<u8"),
        ("payee", "<u8"),
        ("device", "<u8"),
        ("record", "u1", (RECORD_BYTES,)),
        ("payer_at", "<i4"),
        ("payee_at", "<i4"),
        ("device_at", "<i4"),
        ("inbound_upto", "<i4"),
        ("payee_reports", "<i4"),
        ("device_reports", "<i4"),
    ]
)
"""80 bytes: hashed identities; the record with the payee as counterparty and the kind of payment; positions in the
three logs; length of the payer's own inbound log, and of the two outcome logs, at that moment."""
