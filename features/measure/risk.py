"""Outcome risk: how many payments of an entity were confirmed as fraud, as of a moment.

An outcome log is append-only too: 16 bytes a report (48-bit reported_at, 8-bit outcome, 8 bits zero, 64-bit payment
id), set by content, so that a report delivered again changes nothing. Of one payment the newest report not later
than the moment stands, ties by position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.compiled import njit
from features.measure.ingest import little

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REPORT_BYTES: Final = 16
MAX_REPORTS: Final = 512
"""Only an entity's newest reports are read, so that a reply is bounded."""

GENUINE: Final = 0
FRAUD: Final = 1


def pack_report(reported_at: int, outcome: int, payment_id: int) -> bytes:
    """Return the 16 bytes of one report; reported_at in epoch milliseconds."""
    return reported_at.to_bytes(6, "little") + bytes((outcome, 0)) + payment_id.to_bytes(8, "little")


@njit()
def confirmed_frauds(raw: NDArray[np.uint8], start: int, end: int, now: int, window: int) -> int:
    """Count the payments whose standing report at `now` says fraud and was made within the window before it."""
    frauds = 0
    for at in range(start, end, REPORT_BYTES):
        reported_at = little(raw, at, 6)
        if raw[at + 6] != FRAUD or reported_at > now or reported_at <= now - window:
            continue
        stands = True
        for other in range(start, end, REPORT_BYTES):
            if other == at or not _same_payment(raw, at, other):
                continue
            rival = little(raw, other, 6)
            if rival <= now and (rival > reported_at or (rival == reported_at and other > at)):
                stands = False
                break
        if stands:
            frauds += 1
    return frauds


@njit(inline="always")
def _same_payment(raw: NDArray[np.uint8], at: int, other: int) -> bool:
    for byte in range(8, REPORT_BYTES):  # noqa: SIM110 - numba compiles no generator expressions
        if raw[at + byte] != raw[other + byte]:
            return False
    return True
