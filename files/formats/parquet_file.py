"""Parquet files as pieces of columns; times as epoch milliseconds, refused without a zone unless one is named."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from files.errors import SourceError
from files.formats.piece import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from files.formats.opened import Opened

PARQUET: Final = b"PAR1"
_DEEPEST: Final = 8
_BROKEN: Final = (OSError, ValueError, OverflowError, pa.ArrowException)
"""What damaged files end in: footers that make no sense, names that are no text, pages that cannot be unpacked."""


class ParquetFile:
    """One Parquet file; raises SourceError where it is none, is damaged, or has times without a zone."""

    format = "parquet"

    def __init__(self, path: Path, file: Opened, zone: str | None = None) -> None:
        self._path = path
        self._opened = file
        self._zone = zone
        self._held = _unpacked(file) if file.packed else None
        try:
            # Buffered ahead, the whole file would be held in the end: 2 GB of 40 million payments.
            self._file = pq.ParquetFile(self._held or path, pre_buffer=False)
            own = self._file.schema_arrow.names
            inside = [name for field in self._file.schema_arrow for name in _names(field)]
        except _BROKEN as error:
            if self._held is not None:
                self._held.close()
            raise SourceError(f"{path}: expected a Parquet file, got: {_line(error)}") from None
        self.names: list[str] = [*own, *(name for name in dict.fromkeys(inside) if name not in own)]
        self.count: int | None = int(self._file.metadata.num_rows)
        self._size = path.stat().st_size
        self._done = 0

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far, as far as its rows tell."""
        return self._size * self._done // max(self.count or 0, 1)

    def close(self) -> None:
        """Close the file, and forget what was unpacked of it."""
        self._file.close()
        self._opened.__exit__()
        if self._held is not None:
            self._held.close()

    def pieces(self, needed: Sequence[str], times: Sequence[str], size: int) -> Iterator[Piece]:
        """Yield the rows as record batches that have the needed columns, in that order; times as epoch ms."""
        for name in times:
            kind = _field(self._file.schema_arrow, name).type
            if pa.types.is_timestamp(kind) and kind.tz is None and self._zone is None:
                raise SourceError(
                    f"{self._path}: expected {name} as timestamps with a zone or as epoch milliseconds, got timestamps "
                    'without a zone; say which it is with --zone Asia/Kolkata, or in a map with zone = "Asia/Kolkata"'
                )
        try:
            for batch in self._file.iter_batches(size, columns=list(needed)):
                first, self._done = self._done, self._done + len(batch)
                columns = [
                    self._as_times(name, column) if name in times else column
                    for name in needed
                    for column in (_column(batch, name),)
                ]
                rows = pa.RecordBatch.from_arrays(columns, names=list(needed)) if needed else batch
                yield Piece(rows, range(first + 1, self._done + 1), last=self._done)
        except _BROKEN as error:
            raise SourceError(f"{self._path}: expected a whole Parquet file, got: {_line(error)}") from None

    def _as_times(self, name: str, column: Any) -> Any:
        """Return a column of timestamps as epoch ms, which is quick; others as they are."""
        if not pa.types.is_timestamp(column.type):
            return column
        try:
            if column.type.tz is None:
                # Of an hour that a clock shows twice the first is meant; one that it never shows is the next.
                column = pc.assume_timezone(column, self._zone or "UTC", ambiguous="earliest", nonexistent="latest")
            return column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
        except (ValueError, OverflowError) as error:  # a year beyond 9999, an unknown zone
            raise unreadable(self._path, name, error) from None


def unreadable(path: Path, name: str, error: BaseException) -> SourceError:
    """Return the error for a column of which a value cannot be made."""
    return SourceError(f"{path}: expected readable values in {name}, got: {_line(error)}")


def _unpacked(file: Opened) -> IO[bytes]:
    """Return what was packed as a file of its own, without a name: Parquet is read from its end."""
    held = tempfile.TemporaryFile()  # noqa: SIM115  # its owner closes it
    while piece := file.bytes.read(1 << 20):
        held.write(piece)
    held.seek(0)
    return held


def _names(field: Any, prefix: str = "", depth: int = 0) -> Iterator[str]:
    yield prefix + field.name
    if pa.types.is_struct(field.type) and depth < _DEEPEST:
        for inner in field.type:
            yield from _names(inner, f"{prefix}{field.name}.", depth + 1)


def _splits(name: str) -> Iterator[tuple[str, str]]:
    at = name.find(".")
    while at >= 0:
        yield name[:at], name[at + 1 :]
        at = name.find(".", at + 1)


def _field(inside: Any, name: str) -> Any:
    """Return a field by its name; one whose own name has the dot wins over one inside."""
    if there := inside.get_all_field_indices(name):
        return inside.field(there[0])
    for outer, inner in _splits(name):
        if inside.get_field_index(outer) >= 0 and pa.types.is_struct(inside.field(outer).type):
            try:
                return _field(inside.field(outer).type, inner)
            except KeyError:
                continue
    raise KeyError(name)


def _column(batch: Any, name: str) -> Any:
    """Return a column by its name; one inside a struct as long as the struct, null where the struct is."""
    if there := batch.schema.get_all_field_indices(name):
        return batch.column(there[0])
    for outer, inner in _splits(name):
        at = batch.schema.get_field_index(outer)
        if at >= 0:
            struct = batch.column(at)
            names = [field.name for field in struct.type]
            return _column(pa.RecordBatch.from_arrays(struct.flatten(), names=names), inner)
    raise KeyError(name)


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
