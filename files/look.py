"""The first rows of somebody's files, as they stand, and what was found out about the files themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from files.formats import text
from files.formats.csv_file import CsvFile
from files.formats.detect import table
from files.formats.json_file import JsonFile, object_of, value_of
from files.formats.opened import readable
from files.formats.parquet_file import unreadable
from files.formats.paths import expand
from files.formats.piece import Told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from files.formats.piece import Piece, Table


@dataclass(frozen=True, slots=True)
class Look:
    """What the first of the files is, and its first rows."""

    format: str
    """csv, json-lines, json-array or parquet."""
    encoding: str | None
    """The one to name in a map; None where the file says its own, or is UTF-8."""
    separator: str | None
    """Of CSV, as found; None of other formats."""
    columns: list[str]
    """As a map names them: nested ones as `outer.inner`, beside the object that holds them."""
    samples: list[dict[str, object]]
    """By column. CSV: texts, empty where a cell is; JSON and Parquet: values, None where there is none. Timestamps of
    Parquet are datetimes, aware where the file gives a zone."""
    row_count: int | None
    """Of all files, where that is known without reading them."""
    files: list[Path]
    """All of them, in the order in which they are read."""


def look(paths: Path | Sequence[Path], rows: int = 1_000, told: Told | None = None) -> Look:
    """Return the first rows of the first file; raises SourceError where it cannot be read.

    An encoding that `told` does not name is guessed where the text is not UTF-8 (`text.guess`), and is to be shown.
    """
    files = expand(paths)
    told, guessed = told or Told(), None
    if told.encoding is None:
        with readable(files[0]):
            guessed = text.guess(files[0])
        told = told._replace(encoding=guessed)
    first = table(files[0], told)
    try:
        with readable(files[0]):  # a packed file may end too early behind what was read of it so far
            samples = _samples(files[0], first, rows)
    finally:
        first.close()
    return Look(
        format=first.format,
        encoding=told.encoding if isinstance(first, CsvFile | JsonFile) else None,
        separator=first.separator if isinstance(first, CsvFile) else None,
        columns=list(dict.fromkeys(first.names)),
        samples=samples,
        row_count=first.count if len(files) == 1 else _count(files, told),
        files=files,
    )


def _count(files: list[Path], told: Told) -> int | None:
    """Return how many rows all files have; None where one does not say."""
    total = 0
    for path in files:
        one = table(path, told)
        one.close()
        if one.count is None:
            return None
        total += one.count
    return total


def _samples(path: Path, file: Table, rows: int) -> list[dict[str, object]]:
    names = list(dict.fromkeys(file.names))
    found: list[dict[str, object]] = []
    for piece in file.pieces(names, [], rows):
        found += _rows(path, names, piece, file.format)
        if len(found) >= rows:
            break
    return found[:rows]


def _rows(path: Path, names: list[str], piece: Piece, format_: str) -> list[dict[str, object]]:
    if format_ == "csv":
        return [dict(zip(names, cells, strict=True)) for cells in piece.rows]
    if format_ == "parquet":
        columns = []
        for name in names:
            try:
                columns.append(piece.rows.column(name).to_pylist())
            except (ValueError, OverflowError) as error:
                raise unreadable(path, name, error) from None
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    objects = [row for value in piece.rows if value is not None and (row := object_of(value)) is not None]
    return [{name: value_of(row, name) for name in names} for row in objects]
