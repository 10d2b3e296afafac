"""Where a payment lies in the logs that it is measured over."""

from __future__ import annotations

from typing import Final

from features.compiled import row_dtype
from features.entities import POSITIONS, REPORTED

LOCATED: Final = row_dtype(
    [
        ("slot", "i8", (POSITIONS,)),  # its logs, inbound and outbound ones too; NONE where there is none
        ("at", "i8", (POSITIONS,)),  # its position there; of the last two how many records they had (NONE: not known)
        ("reports_start", "i8", (len(REPORTED),)),  # where the outcome logs lie among all reports, in bytes
        ("reports_end", "i8", (len(REPORTED),)),  # NONE where one could not be read: the payment is DEGRADED
        ("reports", "i8", (len(REPORTED),)),  # how many there were
        # Whether the log has it no more, or never had it: it is measured as it is now, and the payment is LATE.
        ("lost", "u1", (POSITIONS,)),
    ]
)
"""One payment's positions, a row beside its row of PAYMENT."""
