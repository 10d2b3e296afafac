"""Rules that came after the first records: what one of them refuses is still a payment where its id has a claim.

A worker of an older version may have claimed and stored such a payment, and its record may come again: after a crash,
or because somebody rewinds. It must then end as it did before, and not on the dead-letter topic beside its verdict.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stream.decode.rejection import Rejected
from stream.wire import EARLIEST_TIME_MS, FORMAT_CHARACTERS, LAST_TIME_MS, RejectionReason, utc_time

if TYPE_CHECKING:
    from stream.decode.fields import ReadPayment

_FORMAT_CHARACTER = re.compile(f"[{FORMAT_CHARACTERS}]")


def refused(payment: ReadPayment, earliest_ms: int) -> Rejected | None:
    """Return why a payment that the first rules accept is none after all; None if it is one."""
    for name, vpa in (("payer_vpa", payment.payer_vpa), ("payee_vpa", payment.payee_vpa)):
        if vpa.startswith("@") or vpa.endswith("@"):
            return Rejected(RejectionReason.BAD_VPA, f"{name}: expected something on both sides of the @")
        if not vpa.isascii() and _FORMAT_CHARACTER.search(vpa):
            return Rejected(
                RejectionReason.BAD_VPA,
                f"{name}: expected no characters that are invisible or change the direction of the text",
            )
    return too_early(int(payment.event_time), "event_time", earliest_ms)


def too_early(epoch_ms: int, name: str, earliest_ms: int) -> Rejected | None:
    """Return why a time is too early, with a hint at its unit; None if it is not."""
    if epoch_ms >= earliest_ms:
        return None
    hint = (
        "it would be a likely one in seconds, and milliseconds are expected"
        if EARLIEST_TIME_MS <= epoch_ms * 1000 <= LAST_TIME_MS
        else "check its unit"
    )
    return Rejected(RejectionReason.OUT_OF_RANGE, f"{name}: expected a time from {utc_time(earliest_ms)} on; {hint}")
