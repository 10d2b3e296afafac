"""JSON as it comes: an object a line, or one array of objects, whose elements are read one by one."""

from __future__ import annotations

import json
import re
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from files.errors import SourceError
from files.formats import text
from files.formats.piece import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from files.formats.opened import Opened

LARGEST: Final = 1_000_000 - 1_000
"""Bytes of a value that librdkafka and a broker take by default, with room for the key."""
_LOOKED_AT: Final = 100
"""Values that are searched for the columns there are."""
_DEEPEST: Final = 8
_LARGEST_PIECE: Final = 1 << 23
_CHUNK: Final = 1 << 18
_LARGEST_ELEMENT: Final = 1 << 22
_ARRAY: Final = re.compile(r"\s*\[\s*(?:[{\]]|$)")
_BLANK: Final = re.compile(r"[ \t\r\n]*")

# Numbers are not made, for one of 5,000 digits would be refused; what an element means is for its reader to say.
_scanner: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)

Object = dict[str, Any]


class JsonFile:
    """One file of JSON; raises SourceError where it is empty."""

    count = None

    def __init__(self, path: Path, file: Opened, encoding: str, *, array: bool) -> None:
        self._path = path
        self._file = file
        self.encoding = encoding
        self.format = "json-array" if array else "json-lines"
        self._values = self._elements() if array else text.lines_of(file, encoding, LARGEST)
        try:
            self._first = list(islice(self._values, _LOOKED_AT))
        except UnicodeDecodeError:
            raise text.not_in(encoding, path) from None
        if not self._first:
            what = "an array of JSON objects" if array else "a JSON object in every line"
            raise SourceError(f"{path}: expected {what}, but the file is empty")
        objects = [one for value in self._first if value is not None and (one := object_of(value)) is not None]
        self.names = list(dict.fromkeys(name for one in objects for name in names_of(one)))
        if not objects:
            raise SourceError(
                f"{path}: expected rows with names of columns, but no row has any: an object in every line, or one "
                f"array of objects; got {len(self._first)} lines at the beginning of which none is an object by itself"
            )

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far."""
        return self._file.position

    def close(self) -> None:
        """Close the file."""
        self._file.__exit__()

    def pieces(self, _needed: Sequence[str], _times: Sequence[str], size: int) -> Iterator[Piece]:
        """Yield the values as they stand, as bytes in UTF-8; None for one that is larger than a broker takes."""
        rows: list[bytes | None] = []
        row = held = 0
        try:
            for value in chain(self._first, self._values):
                row += 1
                rows.append(value)
                held += len(value or b"")
                if len(rows) >= size or held > _LARGEST_PIECE:
                    yield _piece(rows, row)
                    rows, held = [], 0
        except UnicodeDecodeError:
            yield _piece(rows, row)
            raise text.not_in(self.encoding, self._path) from None
        except SourceError:
            yield _piece(rows, row)
            raise
        yield _piece(rows, row)

    def _elements(self) -> Iterator[bytes]:
        """Yield the elements of the file's one array."""
        source = _Growing(self._file.text(self.encoding))
        source.skip()
        source.at += 1  # the bracket, which is there, or this were no array
        for number in range(1, 1 << 62):
            sign = source.skip()
            if sign == "]" or not sign:
                break
            if number > 1:
                if sign != ",":
                    raise self._broken(number - 1, "expected a comma behind it, or the array's end")
                source.at += 1
                source.skip()
            element = source.element()
            if element is None:
                raise self._broken(number, "expected one whole value of JSON")
            yield element.encode()
        if not sign:
            raise self._broken(number - 1, "expected the array's end `]` behind it, but the file ends there")
        source.at += 1
        if source.skip():
            raise self._broken(number - 1, "expected nothing behind the array's end")

    def _broken(self, row: int, what: str) -> SourceError:
        return SourceError(f"{self._path}: expected one JSON array; in row {row}: {what}")


class _Growing:
    """The text of a file, of which no more is held than the element that is read."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self.at = 0
        self._all = False

    def _more(self) -> bool:
        piece = self._file.read(_CHUNK)
        self._all = not piece
        self._text, self.at = self._text[self.at :] + piece, 0
        return not self._all

    def skip(self) -> str:
        """Pass over white space and return the next character; nothing at the file's end."""
        while True:
            self.at = _BLANK.match(self._text, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._more():
                return ""

    def element(self) -> str | None:
        """Return the value that begins here, and go behind it; None where none does, or it is larger than 4 MiB."""
        while True:
            try:
                _, end = _scanner.raw_decode(self._text, self.at)
            except (ValueError, RecursionError):
                end = -1
            # A number that ends with the piece may go on in the next.
            if end >= 0 and (end < len(self._text) or self._all):
                found, self.at = self._text[self.at : end], end
                return found
            if self._all or len(self._text) - self.at > _LARGEST_ELEMENT:
                return None
            self._more()


def is_array(sample: str) -> bool:
    """Say whether a text begins as an array of objects."""
    return _ARRAY.match(sample) is not None


def object_of(value: bytes) -> Object | None:
    """Return a JSON object; None if it is none."""
    try:
        row = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def names_of(row: Object, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the names of an object's values; those of objects inside as `outer.inner`."""
    for name, value in row.items():
        yield prefix + name
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from names_of(value, f"{prefix}{name}.", depth + 1)


def value_of(row: Object, name: str) -> Any:
    """Return a value by its name; a name that has the dot itself wins over one inside. None where it is not there."""
    if name in row or "." not in name:
        return row.get(name)
    at = name.find(".")
    while at >= 0:
        inner = row.get(name[:at])
        if isinstance(inner, dict) and (found := value_of(inner, name[at + 1 :])) is not None:
            return found
        at = name.find(".", at + 1)
    return None


def _piece(rows: list[bytes | None], last: int) -> Piece:
    return Piece(rows, range(last - len(rows) + 1, last + 1), last=last)
