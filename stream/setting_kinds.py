"""The kinds of value that a setting can have: what is expected in words, and how its text is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream.server_url import check_url

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Kind:
    """Reads the text of a setting; `parse` raises ValueError where the text is not what `expected` says."""

    expected: str
    parse: Callable[[str], Any]


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


def hex_bytes(count: int) -> Kind:
    """So many bytes, written as hexadecimal digits."""

    def parse(text: str) -> bytes:
        if len(key := bytes.fromhex(text)) != count:
            raise ValueError
        return key

    return Kind(f"{2 * count} hexadecimal digits ({count} bytes)", parse)
