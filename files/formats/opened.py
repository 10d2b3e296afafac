"""A file's bytes, unpacked where it is packed by gzip or zstd; how far the reading is counts the bytes of the file."""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, Self

import pyarrow as pa

from files.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BUFFER: Final = 1 << 18


class Opened:
    """The bytes of one file, unpacked; a context manager. `position` is how many bytes of the file itself were read."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        try:
            self.packed = is_packed(self._raw.peek(4)[:4])
            self.bytes: io.BufferedReader = self._unpacked()
            self._text: IO[str] | None = None
        except BaseException:
            self._raw.close()
            raise

    def _unpacked(self) -> io.BufferedReader:
        if not self.packed:
            return self._raw
        if self._raw.peek(4).startswith(GZIP):
            return io.BufferedReader(gzip.GzipFile(fileobj=self._raw), _BUFFER)
        # The standard library reads no zstd before Python 3.14.
        stream = pa.CompressedInputStream(pa.PythonFile(self._raw, "r"), "zstd")
        return io.BufferedReader(stream, _BUFFER)

    def text(self, encoding: str, newline: str = "") -> IO[str]:
        """Return its text; line ends as they are, or only those that are named."""
        self._text = io.TextIOWrapper(self.bytes, encoding, newline=newline)
        return self._text

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far, packed as they are."""
        return 0 if self._raw.closed else self._raw.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._text, self.bytes, self._raw):
            if part is not None:
                part.close()


def is_packed(head: bytes) -> bool:
    """Say whether these first bytes are those of gzip or zstd."""
    return head.startswith((GZIP, ZSTD))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be read, or cannot be unpacked."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path}: expected a whole file packed by gzip, got: {error}; pack it again") from None
    except OSError as error:
        if error.errno is None:  # pyarrow's own, of zstd
            said = " ".join(str(error).split())
            raise SourceError(f"{path}: expected a whole file packed by zstd, got: {said}; pack it again") from None
        raise SourceError(f"{path}: expected a file that can be read, got: {error.strerror or error}") from None
