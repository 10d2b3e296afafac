"""Pieces of a file: some of its rows in file order, quick to make and to send to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Refused(NamedTuple):
    """A row that no record can be made of."""

    row: int
    reason: str
    detail: str
    """What was expected, of which column, and what came; what may be personal is masked."""
    column: str = ""
    """The column of the file that is to blame; empty where it is the whole row."""
    content: str = ""
    """What the row holds: personal, so only for who asks for it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of one file, numbered from 1 in the file."""

    rows: Any
    """CSV: a list of tuples of cells; Parquet: a RecordBatch; JSON: a list of values as bytes."""
    numbers: Sequence[int]
    """Of each of the rows."""
    refused: list[Refused] = field(default_factory=list)
    """Rows in between that are none."""
    last: int = 0
    """The number of the last row up to here, refused ones included."""


class Table(Protocol):
    """A file that has rows and columns with names."""

    format: str
    names: list[str]
    """Of the columns; nested ones as `outer.inner`."""

    def pieces(self, needed: Sequence[str], times: Sequence[str], size: int) -> Iterator[Piece]:
        """Yield the rows, at most so many a piece; `needed` are the columns to read, `times` those that hold times."""
        ...

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far."""
        ...

    @property
    def count(self) -> int | None:
        """How many rows there are, where that is known without reading them."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Told(NamedTuple):
    """What is told of files, as they do not say it themselves."""

    encoding: str | None = None
    separator: str | None = None
    zone: str | None = None


def unnamed(path: Path) -> str:
    """Say that an empty file has no columns."""
    return f"{path}: expected the names of the columns in line 1, but the file is empty"
