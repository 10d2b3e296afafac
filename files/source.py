"""Files of somebody else's payments or outcomes as messages, in file order: Parquet, CSV or JSON Lines."""

from __future__ import annotations

import csv
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from files import text
from files.column_map import ColumnMap
from files.convert import MISSING, from_text, from_typed, moment_of, scaled, whole
from files.errors import SourceError
from files.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from files.fields import Fields

    Reader = Callable[[str, Kind], Callable[[Any], Any]]
    """Returns what reads the values of a field (its name, its kind) from one format of file."""
    _Format = Callable[[], Iterator["Message | Refused"]]

LARGEST: Final = 1_000_000 - 1_000
"""Bytes of a value that librdkafka and a broker take by default, with room for the key."""

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
    row: int = 0
    """The row of the file that it was made of, counted from 1 without header and blank lines."""


class Refused(NamedTuple):
    """A row that no record can be made of."""

    row: int
    reason: str
    detail: str
    """What was expected of the row; never what it holds."""


TOO_MANY_CELLS: Final = "too-many-cells"
TOO_LARGE: Final = "too-large"
"""As the stream calls it; it says so itself of records that are large, but not too large for a broker."""


class Source:
    """The messages of one file; raises SourceError if it cannot be read or a column is missing.

    `zone` is that of Parquet timestamps without one, before the map's.
    """

    def __init__(self, path: Path, fields: Fields, columns: ColumnMap | None = None, zone: str | None = None) -> None:
        self.path = path
        self.map = columns or ColumnMap()
        self.fields = fields
        self._mapped = bool(self.map.columns or self.map.scale or self.map.const)
        self._zone = zone or self.map.zone
        readers: dict[str, _Format] = {
            ".parquet": self._parquet,
            ".csv": self._csv,
            ".jsonl": self._json_lines,
            ".ndjson": self._json_lines,
            ".json": self._json_lines,
        }
        try:
            self._read = self._parquet if self._is_parquet() else readers[path.suffix.lower()]
        except KeyError:
            raise SourceError(
                f"{path}: expected a file that ends in {', '.join(readers)}, got {path.suffix or 'no ending'}"
            ) from None

    def messages(self, refuse: Callable[[Refused], None] = lambda _refused: None) -> Iterator[Message]:
        """Yield a message for every row or line that one can be made of, in file order; `refuse` is told of others."""
        try:
            for made in self._read():
                if isinstance(made, Refused):
                    refuse(made)
                else:
                    yield made
        except OSError as error:
            raise self._unreadable(error) from None

    def __iter__(self) -> Iterator[Message]:
        """Read the file from its beginning."""
        return self.messages()

    def check(self) -> None:
        """Return if the file can be read and has every column it needs."""
        next(self.messages(), None)

    def __len__(self) -> int:
        """Count the rows without reading them, for a progress bar; 0 where that is not known."""
        if self._read != self._parquet:
            return 0
        from files.parquet import ParquetRows

        try:
            return ParquetRows(self.path).count
        except OSError as error:
            raise self._unreadable(error) from None

    def _is_parquet(self) -> bool:
        """Say whether it is Parquet by name or, under a name that says nothing, by its first bytes."""
        if self.path.suffix.lower() in {".csv", ".jsonl", ".ndjson", ".json", ".parquet"}:
            return self.path.suffix.lower() == ".parquet"
        try:
            return text.head_of(self.path).startswith(text.PARQUET)
        except OSError:
            return False

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self.path}: expected a file that can be read, got: {error.strerror or error}")

    def _parquet(self) -> Iterator[Message | Refused]:
        from files.parquet import ParquetRows

        file = ParquetRows(self.path, self._zone)
        sources = self.map.sources(self.fields, file.names, str(self.path))
        finish = self._finisher(sources, _typed)
        times = {source for target, source in sources.items() if self.fields.kinds[target] is Kind.TIME}
        for row, values in enumerate(file.rows(list(sources.values()), times), 1):
            yield finish(row, values)

    def _csv(self) -> Iterator[Message | Refused]:
        encoding = text.encoding_of(self.path, self.map.encoding)
        row = line = 0
        with text.opened(self.path, self.map.encoding) as file:
            # Strict: a quote in a wrong place makes one row of many, and where they end is not known any more.
            lines = csv.reader(file, strict=True)
            try:
                names = next((cells for cells in lines if cells), [])
                if not names:
                    raise SourceError(
                        f"{self.path}: expected the names of the columns in line 1, but the file is empty"
                    )
                line = lines.line_num
                sources = self.map.sources(self.fields, names, str(self.path))
                finish = self._finisher(sources, lambda _target, kind: from_text(kind))
                positions = [names.index(source) for source in sources.values()]
                for cells in lines:
                    if cells:
                        row += 1
                        if len(cells) > len(names):
                            yield Refused(row, TOO_MANY_CELLS, _too_many(len(names), len(cells), line + 1))
                        else:
                            padded = cells + [""] * (len(names) - len(cells))
                            yield finish(row, [padded[position] for position in positions])
                    line = lines.line_num
            except UnicodeDecodeError:
                raise text.not_in(encoding, self.path) from None
            except csv.Error as error:
                raise SourceError(
                    f"{self.path}: expected CSV with its quotes in pairs, got: {error}, in row {row + 1}, which begins "
                    f"in line {line + 1}"
                ) from None

    def _json_lines(self) -> Iterator[Message | Refused]:
        try:
            lines = text.lines_of(self.path, self.map.encoding, LARGEST)
            first = list(islice(lines, _LOOKED_AT))
            if not first:
                raise SourceError(f"{self.path}: expected a JSON object in every line, but the file is empty")
            names = dict.fromkeys(name for line in first for name in (_object(line or b"") or {}))
            sources = self.map.sources(self.fields, names, str(self.path))
            finish = self._finisher(sources, lambda _target, _kind: lambda value: value)
            for number, line in enumerate(chain(first, lines), 1):
                if line is None or len(line) > LARGEST:
                    yield _too_large(number)
                    continue
                row = _object(line)
                if row is None:
                    yield Message(None, line, None, row=number)  # not an object: the stream says what it is
                elif self._mapped:
                    yield finish(number, [row.get(source, MISSING) for source in sources.values()])
                else:
                    yield self._message(number, row, line)
        except UnicodeDecodeError:
            raise text.not_in(text.encoding_of(self.path, self.map.encoding), self.path) from None

    def _finisher(self, sources: dict[str, str], reader: Reader) -> Callable[[int, Iterable[Any]], Message | Refused]:
        """Return what turns a row's number and its values, in the order of `sources`, into a message."""
        const = dict(self.map.const)
        converters = [self._converter(target, reader) for target in sources]
        targets = list(sources)

        def finish(number: int, values: Iterable[Any]) -> Message | Refused:
            row = {
                target: made
                for target, convert, value in zip(targets, converters, values, strict=True)
                if (made := convert(value)) is not MISSING
            }
            row |= const
            return self._message(number, row, _encoder.encode(row))

        return finish

    def _converter(self, target: str, reader: Reader) -> Callable[[Any], Any]:
        """Return what turns a value of the file into one of the message."""
        kind = self.fields.kinds[target]
        factor = self.map.scale.get(target)
        basic = reader(target, kind)
        if factor is not None:
            return lambda value: scaled(basic(value), factor, kind)
        if kind in {Kind.INTEGER, Kind.TIME} and target not in self.fields.required:
            return lambda value: whole(basic(value))
        return basic

    def _message(self, number: int, row: Row, value: bytes) -> Message | Refused:
        if len(value) > LARGEST:
            return _too_large(number)
        key, transaction_id = row.get(self.fields.key), row.get("transaction_id")
        return Message(
            key.encode("utf-8", "replace") if isinstance(key, str) else None,
            value,
            moment_of(row.get(self.fields.moment)),
            transaction_id if isinstance(transaction_id, str) else None,
            number,
        )


def _too_many(names: int, cells: int, line: int) -> str:
    return f"line {line}: expected at most {names} cells, as in the header, got {cells}; quote cells that hold commas"


def _too_large(number: int) -> Refused:
    return Refused(number, TOO_LARGE, f"expected at most {LARGEST} bytes, which a broker takes")


def _typed(target: str, kind: Kind) -> Callable[[Any], Any]:
    """Return what reads a value of a Parquet file: a number in a column of names becomes text, as it would in CSV."""
    if kind is not Kind.TEXT or target in _NUMBERED:
        return from_typed

    def convert(value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else from_typed(value)

    return convert


def _object(line: bytes) -> Row | None:
    """Return the line's JSON object; None if it is none."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
