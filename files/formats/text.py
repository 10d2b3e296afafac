"""Text files as they come: UTF-8, or what a byte order mark or the map says; what is no text is refused by name."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from files.errors import SourceError
from files.formats.opened import Opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER: Final = (
    (b"PK\x03\x04", "a ZIP archive, or an Excel workbook; unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the sheet as CSV"),
    (b"BZh", "packed by bzip2; unpack it first, or pack it by gzip or zstd"),
    (b"\xfd7zXZ\x00", "packed by xz; unpack it first, or pack it by gzip or zstd"),
    (b"\x1f\x8b", "packed by gzip twice; unpack it once"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd twice; unpack it once"),
    (b"%PDF", "a PDF; save the table as CSV"),
)
_HEAD: Final = 8
_LOOKED_AT: Final = 1 << 28
"""Bytes that are searched for what is not UTF-8."""


def encoding_of(path: Path, head: bytes, named: str | None = None) -> str:
    """Return the encoding of a text file by its first bytes: its byte order mark's, else the named one, else UTF-8.

    Raises SourceError where they say that it is no text, or UTF-16 or UTF-32 without a mark.
    """
    for magic, what in _OTHER:
        if head.startswith(magic):
            raise SourceError(f"{path}: expected text, but it is {what}")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    wide = _without_mark(head)
    if named is None and wide is not None:
        name = wide[:6].upper()
        raise SourceError(
            f"{path}: expected UTF-8, or {name} with a byte order mark, got {name} without one; save it as UTF-8, or "
            f'say in the map: encoding = "{wide}"'
        )
    return named or "utf-8"


def _without_mark(head: bytes) -> str | None:
    """Return which UTF of two or four bytes a character the first bytes are, as far as those of ASCII tell."""
    zeros = "".join("0" if byte == 0 else "x" for byte in head[:4])
    by_zeros = (("x000", "utf-32-le"), ("000x", "utf-32-be"), ("x0", "utf-16-le"), ("0x", "utf-16-be"))
    return next((name for begin, name in by_zeros if zeros.startswith(begin)), None)


def guess(path: Path) -> str | None:
    """Return the encoding to name for a text file that is not UTF-8 and has no mark; None where none is to be named.

    UTF-16 and UTF-32 without a mark are told by their zeros. All else is taken for cp1252, or for latin-1 where it has
    bytes that cp1252 has not: a guess, which somebody has to look at. 256 MB are searched.
    """
    with Opened(path) as file:
        head = file.bytes.read(_HEAD)
        if any(head.startswith(mark) for mark, _ in _MARKS):
            return None
        wide = _without_mark(head)
        if wide is not None:
            return wide
        candidates = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
        seen, piece = 0, head
        while piece and candidates and seen < _LOOKED_AT:
            for name, decoder in [*candidates.items()]:
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError:
                    del candidates[name]
            seen += len(piece)
            piece = file.bytes.read(1 << 20)
    if "utf-8" in candidates:
        return None
    return "cp1252" if candidates else "latin-1"


def read(path: Path) -> str:
    """Return a small text file whole; a byte order mark is no part of it."""
    whole = path.read_bytes()
    return whole.decode(encoding_of(path, whole[:_HEAD]))


def lines_of(file: Opened, encoding: str, longest: int = 1 << 20) -> Iterator[bytes | None]:
    """Yield the lines that are not blank, as UTF-8 without a byte order mark; None for one of more than `longest`.

    Bytes that are no UTF-8 stay as they are where the file is taken for UTF-8: what they are is for the reader to say.
    """
    if encoding not in {"utf-8", "utf-8-sig"}:
        for decoded in file.text(encoding, "\n"):
            if text := decoded.strip():
                yield text.encode()
        return
    raw = file.bytes
    if encoding == "utf-8-sig":
        raw.read(len(codecs.BOM_UTF8))
    while line := raw.readline(longest + 2):
        if len(line) > longest + 1 and not line.endswith(b"\n"):
            # A line without an end may be larger than the memory: it is passed over, never held.
            while (rest := raw.readline(longest)) and not rest.endswith(b"\n"):
                pass
            yield None
        elif stripped := line.strip():
            yield stripped


def _first_bad_line(path: Path, encoding: str) -> int | None:
    """Return the number of the first line that is not in this encoding; None where lines cannot be told apart so."""
    if encoding.startswith(("utf-16", "utf-32")):
        return None
    with Opened(path) as file:
        for number, line in enumerate(file.bytes, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
    return None


def not_in(encoding: str, path: Path) -> SourceError:
    """Return the error for a file that cannot be decoded."""
    line = _first_bad_line(path, encoding)
    where = "" if line is None else f" (line {line})"
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    return SourceError(
        f"{path}: expected text in {name}, got bytes that are not{where}; save it as UTF-8, or say in a map what it "
        'is: encoding = "cp1252"'
    )
