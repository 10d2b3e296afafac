"""Optional fields: what is missing or null is unknown, what cannot be used is unknown and counted.

An optional field never costs a payment its verdict.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from features.columns import UNKNOWN_MCC, UNKNOWN_TIME
from stream.decode.fields import integer
from stream.decode.times import parse_rfc3339
from stream.wire import LAST_TIME_MS, MAX_MCC, MAX_RRN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_UNKNOWN_TIME: Final = int(UNKNOWN_TIME)
_MERCHANT_CODE = re.compile(r"[0-9]{4}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_string = msgspec.json.Decoder(str)


class OptionalFields:
    """Reads the optional fields of one record and remembers which could not be used."""

    def __init__(self, found: Mapping[str, bytes]) -> None:
        self._found = found
        self.unusable: list[str] = []

    def code(self, name: str, known: Mapping[str, int]) -> int:
        """Return the code of one of the known names; 0 is unknown."""
        return self._read(name, lambda raw: known.get(_text(raw) or ""), 0)

    def text(self, name: str) -> str:
        """Return text without control characters; empty is unknown."""
        return self._read(name, _text, "")

    def digits(self, name: str) -> str:
        """Return text, or a whole number of up to 12 digits as text: switches write an RRN either way."""
        return self._read(name, _digits, "")

    def time(self, name: str) -> int:
        """Return epoch milliseconds between 1970 and 9999, or `UNKNOWN_TIME`."""
        return self._read(name, _time, _UNKNOWN_TIME)

    def merchant_code(self, name: str) -> int:
        """Return a category code, written as four digits or as a number; -1 is unknown."""
        return self._read(name, _merchant_code, UNKNOWN_MCC)

    def degrees(self, name: str, limit: float) -> float | None:
        """Return degrees between -limit and limit."""
        return self._read(name, lambda raw: _degrees(raw, limit), None)

    def _read(self, name: str, read: Callable[[bytes], T | None], unknown: T) -> T:
        raw = self._found.get(name, b"null")
        if raw == b"null":
            return unknown
        value = read(raw)
        if value is None:
            self.unusable.append(name)
            return unknown
        return value


def _text(raw: bytes) -> str | None:
    if not raw.startswith(b'"'):
        return None
    text = _string.decode(raw)
    return text if text and not _CONTROL.search(text) else None


def _digits(raw: bytes) -> str | None:
    if raw.startswith(b'"'):
        return _text(raw)
    number = integer(raw)
    return str(number) if number is not None and 0 <= number <= MAX_RRN else None


def _time(raw: bytes) -> int | None:
    time = parse_rfc3339(_string.decode(raw)) if raw.startswith(b'"') else integer(raw)
    return time if time is not None and 0 <= time <= LAST_TIME_MS else None


def _merchant_code(raw: bytes) -> int | None:
    if raw.startswith(b'"'):
        text = _string.decode(raw)
        return int(text) if _MERCHANT_CODE.fullmatch(text) else None
    code = integer(raw)
    return code if code is not None and 0 <= code <= MAX_MCC else None


def _degrees(raw: bytes, limit: float) -> float | None:
    if raw[0] not in b"-0123456789":
        return None
    degrees = float(raw)
    return degrees if -limit <= degrees <= limit else None
