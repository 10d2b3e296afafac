"""Parquet files as rows of plain values: times as epoch milliseconds, refused without a zone unless one is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from files.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_ROWS: Final = 16_384


class ParquetRows:
    """The rows of one Parquet file; raises SourceError where it is none, is damaged, or has times without a zone."""

    def __init__(self, path: Path, zone: str | None = None) -> None:
        self._path = path
        self._zone = zone
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowException as error:
            raise SourceError(f"{path}: expected a Parquet file, got: {_line(error)}") from None
        self.names: list[str] = self._file.schema_arrow.names
        self.count = int(self._file.metadata.num_rows)

    def rows(self, columns: Sequence[str], times: Collection[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the values of these columns, row by row; `times` are those that hold times."""
        schema = self._file.schema_arrow
        for name in times:
            kind = schema.field(name).type
            if pa.types.is_timestamp(kind) and kind.tz is None and self._zone is None:
                raise SourceError(
                    f"{self._path}: expected {name} as timestamps with a zone or as epoch milliseconds, got timestamps "
                    'without a zone; say which it is with --zone Asia/Kolkata, or in a map with zone = "Asia/Kolkata"'
                )
        with self._file as file:
            try:
                for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(columns))):
                    values = {name: self._values(name, batch.column(name)) for name in batch.schema.names}
                    yield from zip(*(values[name] for name in columns), strict=True)
            except (OSError, pa.ArrowException) as error:
                raise SourceError(f"{self._path}: expected a whole Parquet file, got: {_line(error)}") from None

    def _values(self, name: str, column: Any) -> list[Any]:
        """Return a column's values; timestamps as epoch ms, which is far quicker than by way of datetime."""
        try:
            if pa.types.is_timestamp(column.type):
                if column.type.tz is None:
                    # Of an hour that a clock shows twice the first is meant; one that it never shows is the next.
                    column = pc.assume_timezone(column, self._zone or "UTC", ambiguous="earliest", nonexistent="latest")
                column = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
            return list(column.to_pylist())
        except (ValueError, OverflowError) as error:  # a year beyond 9999, text that is no UTF-8, an unknown zone
            raise SourceError(f"{self._path}: expected readable values in {name}, got: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
