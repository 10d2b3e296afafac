"""Files of somebody else's payments or outcomes as messages, in file order: Parquet, CSV or JSON Lines."""

from __future__ import annotations

import csv
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from simulator.column_map import ColumnMap
from simulator.convert import MISSING, from_text, from_typed, moment_of, scaled, whole
from simulator.errors import SourceError
from simulator.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from simulator.fields import Fields

    Reader = Callable[[str, Kind], Callable[[Any], Any]]
    """Returns what reads the values of a field (its name, its kind) from one format of file."""

_ROWS: Final = 16_384
_LOOKED_AT: Final = 100
"""Lines of a JSON Lines file that are searched for the columns it has."""

_encoder: Final = msgspec.json.Encoder()

_NUMBERED: Final = frozenset({"mcc", "rrn"})
"""Text fields that a switch may as well write as numbers."""

Row = dict[str, Any]


class Message(NamedTuple):
    """One record to publish; `moment` is its event_time or reported_at in epoch ms, None where it has none."""

    key: bytes | None
    value: bytes
    moment: int | None
    transaction_id: str | None = None


class Source:
    """The messages of one file; raises SourceError if it cannot be read or a column is missing."""

    def __init__(self, path: Path, fields: Fields, columns: ColumnMap | None = None) -> None:
        self._path = path
        self._fields = fields
        self._mapped = columns is not None
        self._map = columns or ColumnMap()
        readers = {
            ".parquet": self._parquet,
            ".csv": self._csv,
            ".jsonl": self._json_lines,
            ".ndjson": self._json_lines,
            ".json": self._json_lines,
        }
        try:
            self._read = readers[path.suffix.lower()]
        except KeyError:
            raise SourceError(
                f"{path}: expected a file that ends in {', '.join(readers)}, got {path.suffix or 'no ending'}"
            ) from None

    def messages(self) -> Iterator[Message]:
        """Yield a message for every row or line, in file order."""
        try:
            yield from self._read()
        except OSError as error:
            raise SourceError(
                f"{self._path}: expected a file that can be read, got: {error.strerror or error}"
            ) from None

    def __iter__(self) -> Iterator[Message]:
        """Read the file from its beginning."""
        return self.messages()

    def check(self) -> None:
        """Return if the file can be read and has every column it needs."""
        next(self.messages(), None)

    def __len__(self) -> int:
        """Count the rows without reading them, for a progress bar; 0 where that is not known."""
        if self._path.suffix.lower() != ".parquet":
            return 0
        import pyarrow.parquet as pq

        return int(pq.read_metadata(self._path).num_rows)

    def _parquet(self) -> Iterator[Message]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(self._path)
        except pa.ArrowInvalid as error:
            raise SourceError(f"{self._path}: expected a Parquet file, got: {error}") from None
        with file:
            sources = self._map.sources(self._fields, file.schema_arrow.names, str(self._path))
            finish = self._finisher(sources, _typed)
            for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(sources.values()))):
                columns = {name: _values(batch.column(name)) for name in batch.schema.names}
                rows = zip(*(columns[source] for source in sources.values()), strict=True)
                yield from map(finish, rows)

    def _csv(self) -> Iterator[Message]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            names = next(lines, [])
            sources = self._map.sources(self._fields, names, str(self._path))
            finish = self._finisher(sources, lambda _target, kind: from_text(kind))
            positions = [names.index(source) for source in sources.values()]
            try:
                for cells in lines:
                    if cells:
                        padded = cells + [""] * (len(names) - len(cells))
                        yield finish([padded[position] for position in positions])
            except (csv.Error, UnicodeDecodeError) as error:
                raise SourceError(
                    f"{self._path}: expected CSV in UTF-8, got: {error} (line {lines.line_num})"
                ) from None

    def _json_lines(self) -> Iterator[Message]:
        with self._path.open("rb") as file:
            lines = (line.strip() for line in file)
            lines = (line for line in lines if line)
            first = list(islice(lines, _LOOKED_AT))
            names = dict.fromkeys(name for line in first for name in (_object(line) or {}))
            sources = self._map.sources(self._fields, names, str(self._path))
            finish = self._finisher(sources, lambda _target, _kind: lambda value: value)
            for line in chain(first, lines):
                row = _object(line)
                if row is None:
                    yield Message(None, line, None)  # not an object: the stream says what it is
                elif self._mapped:
                    yield finish([row.get(source, MISSING) for source in sources.values()])
                else:
                    yield self._message(row, line)

    def _finisher(self, sources: dict[str, str], reader: Reader) -> Callable[[Iterable[Any]], Message]:
        """Return what turns the values of a row, in the order of `sources`, into a message."""
        const = dict(self._map.const)
        converters = [self._converter(target, reader) for target in sources]
        targets = list(sources)

        def finish(values: Iterable[Any]) -> Message:
            row = {
                target: made
                for target, convert, value in zip(targets, converters, values, strict=True)
                if (made := convert(value)) is not MISSING
            }
            row |= const
            return self._message(row, _encoder.encode(row))

        return finish

    def _converter(self, target: str, reader: Reader) -> Callable[[Any], Any]:
        """Return what turns a value of the file into one of the message."""
        kind = self._fields.kinds[target]
        factor = self._map.scale.get(target)
        basic = reader(target, kind)
        if factor is not None:
            return lambda value: scaled(basic(value), factor, kind)
        if kind in {Kind.INTEGER, Kind.TIME} and target not in self._fields.required:
            return lambda value: whole(basic(value))
        return basic

    def _message(self, row: Row, value: bytes) -> Message:
        key, transaction_id = row.get(self._fields.key), row.get("transaction_id")
        return Message(
            key.encode("utf-8", "replace") if isinstance(key, str) else None,
            value,
            moment_of(row.get(self._fields.moment)),
            transaction_id if isinstance(transaction_id, str) else None,
        )


def _typed(target: str, kind: Kind) -> Callable[[Any], Any]:
    """Return what reads a value of a Parquet file: a number in a column of names becomes text, as it would in CSV."""
    if kind is not Kind.TEXT or target in _NUMBERED:
        return from_typed

    def convert(value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else from_typed(value)

    return convert


def _values(column: Any) -> list[Any]:
    """Return a column's values; timestamps as epoch ms, which is far quicker than by way of datetime."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return list(column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64()).to_pylist())
    return list(column.to_pylist())


def _object(line: bytes) -> Row | None:
    """Return the line's JSON object; None if it is none."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
