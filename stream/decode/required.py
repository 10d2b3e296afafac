"""Required fields: each reader takes the JSON of one value and returns the field, or rejects the record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from stream.decode.rejection import Rejected
from stream.decode.times import parse_rfc3339
from stream.wire import MAX_AMOUNT_PAISE, MAX_TRANSACTION_ID, MAX_VPA, MIN_VPA, RejectionReason

if TYPE_CHECKING:
    from collections.abc import Collection

_string = msgspec.json.Decoder(str)
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_VPA = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]*@[^@\s\x00-\x1f\x7f-\x9f]*")
_BEYOND_INT64 = 2**63 - 1


def transaction_id(raw: bytes) -> str:
    """Return an id of 1 to 64 printable characters."""
    text = _required_string(raw, "transaction_id")
    if not (1 <= len(text) <= MAX_TRANSACTION_ID and text.isprintable()):
        raise Rejected(
            RejectionReason.OUT_OF_RANGE, f"transaction_id: expected 1 to {MAX_TRANSACTION_ID} printable characters"
        )
    return text


def vpa(raw: bytes, name: str) -> str:
    """Return a VPA in lower case.

    Beyond the white space that the contract names, control characters are refused: no VPA has them, and U+0000 cannot
    be stored.
    """
    text = _required_string(raw, name)
    if not (MIN_VPA <= len(text) <= MAX_VPA and _VPA.fullmatch(text)):
        raise Rejected(
            RejectionReason.BAD_VPA,
            f"{name}: expected {MIN_VPA} to {MAX_VPA} characters with exactly one @ and no white space",
        )
    return text.lower()


def amount_paise(raw: bytes) -> int:
    """Return an amount from 1 to 10^10 paise."""
    amount = integer(raw)
    if amount is None:
        raise Rejected(RejectionReason.WRONG_TYPE, "amount_paise: expected an integer without fraction or exponent")
    if not 1 <= amount <= MAX_AMOUNT_PAISE:
        raise Rejected(RejectionReason.OUT_OF_RANGE, f"amount_paise: expected 1 to {MAX_AMOUNT_PAISE}")
    return amount


def time(raw: bytes, name: str) -> int:
    """Return epoch milliseconds from 1970 on, with no upper bound: what is too late depends on the clock."""
    if raw.startswith(b'"'):
        epoch_ms = parse_rfc3339(_string.decode(raw))
        if epoch_ms is None:
            raise Rejected(
                RejectionReason.BAD_TIME, f"{name}: expected RFC 3339 with an offset, as 2025-11-24T16:00:00Z"
            )
    else:
        epoch_ms = integer(raw)
        if epoch_ms is None:
            raise Rejected(
                RejectionReason.WRONG_TYPE, f"{name}: expected an RFC 3339 string or integer epoch milliseconds"
            )
    if epoch_ms < 0:
        raise Rejected(RejectionReason.OUT_OF_RANGE, f"{name}: expected a time from 1970-01-01T00:00:00Z on")
    return epoch_ms


def one_of(names: Collection[str], raw: bytes, name: str) -> str:
    """Return one of the names."""
    text = _required_string(raw, name)
    if text not in names:
        raise Rejected(RejectionReason.OUT_OF_RANGE, f"{name}: expected one of {', '.join(names)}")
    return text


def integer(raw: bytes) -> int | None:
    """Return a JSON number that is written as an integer; None for anything else, `100.0` and `1e2` included.

    Beyond 64 bits it is the nearest number that fits: every range that is asked for ends before.
    """
    if _INTEGER.fullmatch(raw) is None:
        return None
    if len(raw) > 18:
        return max(-_BEYOND_INT64, min(int(raw[:30]), _BEYOND_INT64))
    return int(raw)


def _required_string(raw: bytes, name: str) -> str:
    if not raw.startswith(b'"'):
        raise Rejected(RejectionReason.WRONG_TYPE, f"{name}: expected a string")
    return _string.decode(raw)
