"""Text files as they come: UTF-8, or what a byte order mark or the map says; what is no text is refused by name."""

from __future__ import annotations

import codecs
from typing import IO, TYPE_CHECKING, Final

from files.errors import SourceError

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
PARQUET: Final = b"PAR1"
_OTHER: Final = (
    (b"\x1f\x8b", "packed by gzip; unpack it first"),
    (b"PK\x03\x04", "a ZIP archive, or an Excel workbook; unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the sheet as CSV"),
    (b"BZh", "packed by bzip2; unpack it first"),
    (b"\xfd7zXZ\x00", "packed by xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it first"),
    (PARQUET, "Parquet; let its name end in .parquet"),
)
_HEAD: Final = 8


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def encoding_of(path: Path, named: str | None = None) -> str:
    """Return the encoding of a text file: its byte order mark's, else the named one, else UTF-8.

    Raises SourceError where the first bytes say that it is no text, or UTF-16 without a mark.
    """
    head = head_of(path)
    for magic, what in _OTHER:
        if head.startswith(magic):
            raise SourceError(f"{path}: expected text, but it is {what}")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if named is None and b"\x00" in head[:2]:
        raise SourceError(
            f"{path}: expected UTF-8, or UTF-16 with a byte order mark, got UTF-16 without one; save it as UTF-8, or "
            'say in the map: encoding = "utf-16-le"'
        )
    return named or "utf-8"


def opened(path: Path, named: str | None = None) -> IO[str]:
    """Open a text file for reading, line ends as they are."""
    return path.open(encoding=encoding_of(path, named), newline="")


def read(path: Path) -> str:
    """Return a text file whole; a byte order mark is no part of it."""
    return path.read_text(encoding=encoding_of(path))


def lines_of(path: Path, named: str | None = None, longest: int = 1 << 20) -> Iterator[bytes | None]:
    """Yield the lines that are not blank, as UTF-8 without a byte order mark; None for one of more than `longest`.

    Bytes that are no UTF-8 stay as they are where the file is taken for UTF-8: what they are is for the reader to say.
    """
    encoding = encoding_of(path, named)
    if encoding not in {"utf-8", "utf-8-sig"}:
        with path.open(encoding=encoding, newline="\n") as file:
            yield from (text.encode() for decoded in file if (text := decoded.strip()))
        return
    with path.open("rb") as raw:
        raw.seek(len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0)
        while line := raw.readline(longest + 2):
            if len(line) > longest + 1 and not line.endswith(b"\n"):
                # A line without an end may be larger than the memory: it is passed over, never held.
                while (rest := raw.readline(longest)) and not rest.endswith(b"\n"):
                    pass
                yield None
            elif stripped := line.strip():
                yield stripped


def first_bad_line(path: Path, encoding: str) -> int | None:
    """Return the number of the first line that is not in this encoding; None where lines cannot be told apart so."""
    if encoding.startswith(("utf-16", "utf-32")):
        return None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
    return None


def not_in(encoding: str, path: Path) -> SourceError:
    """Return the error for a file that cannot be decoded."""
    line = first_bad_line(path, encoding)
    where = "" if line is None else f" (line {line})"
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    return SourceError(
        f"{path}: expected text in {name}, got bytes that are not{where}; save it as UTF-8, or say in a map what it "
        'is: encoding = "cp1252"'
    )
