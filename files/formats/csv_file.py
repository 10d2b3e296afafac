"""CSV as it comes: any separator, header with names, quotes in pairs; a row that is broken is named by row and line."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from files.errors import SourceError
from files.formats import text
from files.formats.piece import Piece, Refused, unnamed
from files.formats.separator import said_in, separator_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from files.formats.opened import Opened

TOO_MANY_CELLS: Final = "too-many-cells"
_SAMPLE: Final = 1 << 16
"""Characters that are searched for the separator."""
_LARGEST_PIECE: Final = 1 << 23
"""Bytes of the file after which a piece ends early."""
_LONGEST_LINE: Final = 1 << 22
"""Characters."""
_LOOK: Final = 256

Row = tuple[str, ...]


class CsvFile:
    """One CSV file; raises SourceError where it has no header, or is not in its encoding."""

    format = "csv"
    count = None

    def __init__(self, path: Path, file: Opened, encoding: str, separator: str | None) -> None:
        self._path = path
        self._file = file
        self.encoding = encoding
        self._text = file.text(encoding)
        self._skipped = 0
        first = self._sample()
        self.separator = separator or self._said or separator_of("".join(first))
        # Strict: a quote in a wrong place makes one row of many, and where they end is not known any more.
        self._lines = csv.reader(self._from(first), delimiter=self.separator, strict=True)
        with self._said_of_row(lambda: 1, lambda: self._skipped + 1):
            self.names = next((cells for cells in self._lines if cells), [])
        if not self.names:
            raise SourceError(unnamed(path))

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far."""
        return self._file.position

    def close(self) -> None:
        """Close the file."""
        self._file.__exit__()

    def _sample(self) -> list[str]:
        """Return the first lines, and note the separator that the first one may name."""
        lines, seen = [], 0
        with self._said_of_row(lambda: 1, lambda: 1):
            while seen < _SAMPLE and (line := self._text.readline(_LONGEST_LINE)):
                lines.append(line)
                seen += len(line)
        self._said = said_in(lines[0]) if lines else None
        if self._said is not None:
            del lines[0]
            self._skipped = 1
        return lines

    def _from(self, first: list[str]) -> Iterator[str]:
        """Yield the lines that were read and those to come; one that is far too long is an error, never held whole."""
        for line in chain(first, iter(partial(self._text.readline, _LONGEST_LINE), "")):
            if len(line) == _LONGEST_LINE and not line.endswith(("\n", "\r")):
                raise csv.Error(f"a line of more than {_LONGEST_LINE:,} characters")
            yield line

    @contextmanager
    def _said_of_row(self, row: Callable[[], int], line: Callable[[], int]) -> Iterator[None]:
        """Say in one line in which row the file is broken, or that its text cannot be decoded."""
        try:
            yield
        except UnicodeDecodeError:
            raise text.not_in(self.encoding, self._path) from None
        except csv.Error as error:
            raise SourceError(
                f"{self._path}: expected CSV with its quotes in pairs, got: {error}, in row {row()}, which begins in "
                f"line {line()}"
            ) from None

    def pieces(self, needed: Sequence[str], _times: Sequence[str], size: int) -> Iterator[Piece]:
        """Yield the rows with the cells of the needed columns; a row that is too short has empty cells."""
        wide, skipped = len(self.names), self._skipped
        take = _taker([self.names.index(name) for name in needed])
        rows: list[Row] = []
        numbers: list[int] = []
        refused: list[Refused] = []
        row, line, begun = 0, self._lines.line_num, self.position
        try:
            with self._said_of_row(lambda: row + 1, lambda: line + skipped + 1):
                for cells in self._lines:
                    if cells:
                        row += 1
                        missing = wide - len(cells)
                        if missing < 0:
                            refused.append(_too_many(row, wide, cells, line + skipped + 1))
                        else:
                            rows.append(take(cells + [""] * missing if missing else cells))
                            numbers.append(row)
                        if len(rows) + len(refused) >= size or (
                            not row % _LOOK and self.position - begun > _LARGEST_PIECE
                        ):
                            yield Piece(rows, numbers, refused, row)
                            rows, numbers, refused, begun = [], [], [], self.position
                    line = self._lines.line_num
        except SourceError:
            # What comes before is whole.
            yield Piece(rows, numbers, refused, row)
            raise
        yield Piece(rows, numbers, refused, row)


def _taker(positions: list[int]) -> Callable[[list[str]], Row]:
    """Return what takes the cells at these positions as a tuple."""
    if len(positions) == 1:
        (position,) = positions
        return lambda cells: (cells[position],)
    return itemgetter(*positions) if positions else lambda _cells: ()


def _too_many(row: int, wide: int, cells: list[str], line: int) -> Refused:
    return Refused(
        row,
        TOO_MANY_CELLS,
        f"line {line}: expected at most {wide} cells, as in the header, got {len(cells)}; quote cells that hold "
        "separators",
        content=json.dumps(cells, ensure_ascii=False),
    )
