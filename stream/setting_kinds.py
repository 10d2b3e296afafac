"""The kinds of value that a setting can have: what is expected in words, and how its text is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream.server_url import check_url

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Kind:
    """Reads the text of a setting; `parse` raises ValueError where the text is not what `expected` says."""

    expected: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    """Writes a value as a person would set it."""


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


TEXT = Kind("text", str)
FLAG = Kind("true or false", _flag)
PATH = Kind("a path", Path)
PATH_TEXT = Kind("a path", str)


def integer(low: int, high: int) -> Kind:
    """A whole number from low to high."""

    def parse(text: str) -> int:
        if not low <= (number := int(text)) <= high:
            raise ValueError
        return number

    return Kind(f"a whole number from {low:,} to {high:,}", parse)


def seconds(low: float, high: float) -> Kind:
    """A duration in seconds from low to high, fractions allowed."""

    def parse(text: str) -> float:
        if not low <= (number := float(text)) <= high:
            raise ValueError
        return number

    return Kind(f"seconds from {low:g} to {high:g}", parse)


_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(most: str) -> Kind:
    """A duration as whole milliseconds, written as 45s, 30m, 12h or 7d; 0 needs no unit."""

    def parse(text: str) -> int:
        number, unit = int(text[:-1] or text), text[-1].lower()
        if text == "0":
            return 0
        if number < 0 or unit not in _UNITS:
            raise ValueError
        return number * _UNITS[unit]

    def parse_bounded(text: str) -> int:
        if (found := parse(text)) > parse(most):
            raise ValueError
        return found

    def show(ms: int) -> str:
        unit = next((unit for unit in "dhms" if ms and ms % _UNITS[unit] == 0), None)
        return "0" if unit is None else f"{ms // _UNITS[unit]}{unit}"

    return Kind(f"0, or a duration of up to {most}, as 45s, 30m, 12h or 7d", parse_bounded, show)


def epoch_ms() -> Kind:
    """A time from 1970 on as epoch milliseconds, written as RFC 3339 or as a date in UTC."""

    def parse(text: str) -> int:
        try:
            moment = datetime.combine(date.fromisoformat(text), time(), UTC)
        except ValueError:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment < _EPOCH:
            raise ValueError
        return (moment - _EPOCH) // timedelta(milliseconds=1)

    def show(epoch_ms: int) -> str:
        return (_EPOCH + timedelta(milliseconds=epoch_ms)).isoformat().replace("+00:00", "Z")

    return Kind("a time from 1970 on, as 2015-01-01T00:00:00Z or 2015-01-01", parse, show)


def choice(*names: str) -> Kind:
    """One of the names, in whatever case; the name as it is written here is the value."""
    by_word = {name.lower(): name for name in names}

    def parse(text: str) -> str:
        if text.lower() not in by_word:
            raise ValueError
        return by_word[text.lower()]

    return Kind(f"one of {', '.join(names)}", parse)


def url(*schemes: str) -> Kind:
    """A URL with one of the schemes that every client reads as it was meant."""

    def parse(text: str) -> str:
        check_url(text, schemes)
        return text

    return Kind(" or ".join(f"{scheme}://..." for scheme in schemes), parse)


def networks() -> Kind:
    """Addresses and networks, separated by commas; the value is a tuple of them as text."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(str(ip_network(part.strip(), strict=False)) for part in text.split(",") if part.strip())

    return Kind("addresses or networks, as 10.0.0.7,10.1.0.0/16", parse, ",".join)


def hex_bytes(count: int) -> Kind:
    """So many bytes, written as hexadecimal digits."""

    def parse(text: str) -> bytes:
        if len(key := bytes.fromhex(text)) != count:
            raise ValueError
        return key

    return Kind(f"{2 * count} hexadecimal digits ({count} bytes)", parse)
