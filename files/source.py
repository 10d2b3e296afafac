"""Files of somebody else's payments or outcomes as messages, in file order, whatever their format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from files.column_map import ColumnMap
from files.convert import moment_of
from files.explained import explained
from files.formats.detect import table
from files.formats.json_file import LARGEST, object_of, value_of
from files.formats.opened import readable
from files.formats.parquet_file import unreadable
from files.formats.paths import expand, title
from files.formats.piece import Refused, Told
from files.maker import Maker, Message, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from files.fields import Fields
    from files.formats.piece import Piece, Table

__all__ = ["LARGEST", "Batch", "Message", "Refused", "Source"]

BATCH = 8_192


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one file, before anything is made of them: cheap to make, and to send to another process."""

    path: Path
    format: str
    names: tuple[str, ...]
    """Of the file's columns."""
    first: int
    """How many rows the files before have; what a row's number in its file is added to."""
    piece: Piece

    def __len__(self) -> int:
        return len(self.piece.rows) + len(self.piece.refused)


class Source:
    """The messages of files; raises SourceError if one cannot be read or a column is missing.

    Several files, those of a folder or of a pattern, are read in the order of their names as if they were one; each has
    its own header and format. `zone` is that of times without one, before the map's. A Source can be pickled: another
    process can make messages of its batches.
    """

    def __init__(
        self, paths: Path | Sequence[Path], fields: Fields, columns: ColumnMap | None = None, zone: str | None = None
    ) -> None:
        self.files = expand(paths)
        self.path = title(paths, self.files)
        """What the files are called together in errors and accounts."""
        self.map = columns or ColumnMap()
        self.fields = fields
        self._zone = zone or self.map.zone
        self._mapped = self.map.says_of(fields) or self._zone is not None
        self._told = Told(self.map.encoding, self.map.separator, self._zone)
        self._makers: dict[tuple[str, tuple[str, ...]], Maker] = {}
        self._done = 0
        self._open: Table | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_makers": {}, "_open": None}

    def messages(self, refuse: Callable[[Refused], None] = lambda _refused: None) -> Iterator[Message]:
        """Yield a message for every row or line that one can be made of, in file order; `refuse` is told of others."""
        for batch in self.batches():
            yield from self.messages_of(batch, refuse)

    def __iter__(self) -> Iterator[Message]:
        """Read the files from their beginning."""
        return self.messages()

    def check(self) -> None:
        """Return if the first file can be read and all have every column they need."""
        for path in self.files:
            with readable(path):
                opened = table(path, self._told)
                try:
                    maker = self._maker(path, opened.format, tuple(opened.names))
                    next(iter(opened.pieces(maker.needed, maker.times, 1)), None)
                finally:
                    opened.close()

    def __len__(self) -> int:
        """Count the rows without reading them, for a progress bar; 0 where that is not known."""
        total = 0
        for path in self.files:
            with readable(path):
                opened = table(path, self._told)
                opened.close()
            if opened.count is None:
                return 0
            total += opened.count
        return total

    def __bool__(self) -> bool:
        return True

    def size(self) -> int:
        """Return the bytes of all files, packed as they are; raises SourceError where one is not there."""
        total = 0
        for path in self.files:
            with readable(path):
                total += path.stat().st_size
        return total

    def position(self) -> int:
        """Return how many of those bytes were read so far by `messages` or `batches`."""
        return self._done + (self._open.position if self._open is not None else 0)

    def batches(self, rows: int = BATCH) -> Iterator[Batch]:
        """Yield the rows in file order, about so many at a time."""
        self._done = first = 0
        for path in self.files:
            with readable(path):
                last = 0
                self._open = opened = table(path, self._told)
                try:
                    names = tuple(opened.names)
                    maker = self._maker(path, opened.format, names)
                    for piece in opened.pieces(maker.needed, maker.times, rows):
                        last = piece.last
                        yield Batch(path, opened.format, names, first, piece)
                finally:
                    self._open = None
                    opened.close()
                first += last
                self._done += path.stat().st_size

    def messages_of(
        self, batch: Batch, refuse: Callable[[Refused], None] = lambda _refused: None, *, bare: bool = False
    ) -> list[Message]:
        """Return a message for every row of a batch that one can be made of; `refuse` is told of others.

        Any process can do that. A row whose label is empty is neither. bare: who asks wants no more of them than their
        values and rows.
        """
        piece, first = batch.piece, batch.first
        say = refuse if len(self.files) == 1 else self._saying_which(batch.path, first, refuse)
        for one in piece.refused:
            say(one._replace(row=first + one.row))
        maker = self._maker(batch.path, batch.format, batch.names)
        if batch.format.startswith("json"):
            return self._of_json(maker, batch, say)
        numbers = [first + number for number in piece.numbers] if first else piece.numbers
        if batch.format == "csv":
            columns: list[Any] = list(zip(*piece.rows, strict=True)) or [()] * len(maker.needed)
        else:
            columns = [_listed(batch.path, name, piece.rows.column(at)) for at, name in enumerate(maker.needed)]
        return maker.messages(columns, numbers, say, bare=bare)

    def explained(self, message: Message, reason: str, detail: str) -> Refused:
        """Return why the stream would refuse a message, in words of the file that it was made of."""
        columns = {target: rule for maker in self._makers.values() for target, rule in maker.columns.items()}
        return explained(columns, message, reason, detail)

    def _of_json(self, maker: Maker, batch: Batch, refuse: Callable[[Refused], None]) -> list[Message]:
        """Return messages of JSON: without a map byte for byte; what is no object is for the stream to judge."""
        made: list[Message] = []
        objects: list[tuple[int, dict[str, Any]]] = []
        for number, value in zip(batch.piece.numbers, batch.piece.rows, strict=True):
            number += batch.first
            if value is None or len(value) > LARGEST:
                refuse(too_large(number))
                continue
            row = object_of(value)
            if row is None:
                made.append(Message(None, value, None, row=number))
            elif self._mapped:
                objects.append((number, row))
            else:
                made.append(self._as_it_stands(number, row, value))
        if objects:
            columns = [[value_of(row, name) for _, row in objects] for name in maker.needed]
            made += maker.messages(columns, [number for number, _ in objects], refuse)
            made.sort(key=lambda message: message.row)
        return made

    def _as_it_stands(self, number: int, row: dict[str, Any], value: bytes) -> Message:
        key, transaction_id = row.get(self.fields.key), row.get("transaction_id")
        return Message(
            key.encode("utf-8", "replace") if isinstance(key, str) else None,
            value,
            moment_of(row.get(self.fields.moment)),
            transaction_id if isinstance(transaction_id, str) else None,
            number,
        )

    def _maker(self, path: Path, format_: str, names: tuple[str, ...]) -> Maker:
        maker = self._makers.get((format_, names))
        if maker is None:
            rules = self.map.rules_of(self.fields, names, str(path), self._zone, format_)
            maker = self._makers[format_, names] = Maker(self.fields, rules, self.map.const)
        return maker

    @staticmethod
    def _saying_which(path: Path, first: int, refuse: Callable[[Refused], None]) -> Callable[[Refused], None]:
        """Return what tells of which of several files a row is."""
        return lambda one: refuse(one._replace(detail=f"{one.detail} (row {one.row - first} of {path.name})"))


def _listed(path: Path, name: str, column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError) as error:  # a year beyond 9999, text that is no UTF-8
        raise unreadable(path, name, error) from None
