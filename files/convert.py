"""Values of files as values of messages: converted where the file's format is to blame, else left as they are.

What does not fit its field is published all the same: that it becomes a dead letter is for the stream to say.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from files.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_FLAGS: Final = {"true": True, "false": False}

SAME: Final = frozenset({str, int, bool, NoneType})
"""Types that are alike in files and messages: nearly all values, so they are looked for first."""

_LONGEST_INTEGER: Final = 400
"""Digits. Python converts 4,300 at most; a float holds 309."""

MISSING: Final = None
"""A field with this value is left out."""


def from_text(kind: Kind) -> Callable[[Any], Any]:
    """Return what turns a cell of a CSV file into a value: digits into an integer where the field is no text."""
    if kind is Kind.TEXT:
        return lambda cell: cell or MISSING
    if kind is Kind.FLAG:
        return lambda cell: _FLAGS.get(cell.lower(), cell) if cell else MISSING
    if kind is Kind.SCORES:
        return lambda cell: _json(cell) if cell else MISSING

    def convert(cell: str) -> Any:
        if not cell:
            return MISSING
        if _INTEGER.fullmatch(cell) and kind is not Kind.NUMBER and len(cell) <= _LONGEST_INTEGER:
            return int(cell)
        return float(cell) if len(cell) <= _LONGEST_INTEGER and _NUMBER.fullmatch(cell) else cell

    return convert


def _json(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError):
        return cell


def from_typed(value: Any) -> Any:
    """Return a value of a Parquet file as JSON has it: times as epoch ms, decimals as numbers, NaN as missing."""
    if type(value) in SAME:
        return value
    if isinstance(value, float):
        return MISSING if math.isnan(value) or math.isinf(value) else value
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, date) else value


def scaled(value: Any, factor: Decimal, kind: Kind) -> Any:
    """Return a number times the factor, exactly: 19.99 rupees are 1999 paise. Times are cut to whole milliseconds."""
    if value is MISSING or isinstance(value, bool):
        return value
    try:
        product = Decimal(value if isinstance(value, str) else repr(value)) * factor
    except InvalidOperation:
        return value
    if not product.is_finite():
        return value
    if kind is Kind.NUMBER:
        return float(product)
    if kind is Kind.TIME or product == product.to_integral_value():
        return int(product)
    return float(product)


def whole(value: Any) -> Any:
    """Return a float that is a whole number as an integer: how data frames write integers beside missing values."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def moment_of(value: Any) -> int | None:
    """Return a time of a message as epoch milliseconds; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return None if moment.tzinfo is None else int(from_typed(moment))
    return None


_MILLISECOND: Final = datetime(1970, 1, 1, 0, 0, 0, 1_000) - datetime(1970, 1, 1)  # noqa: DTZ001  # a difference
