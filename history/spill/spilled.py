"""A history measured on disk, bucket by bucket, and read again in the order of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from history.spill.joining import chunks, journal
from history.spill.labels import labels
from history.spill.tables import array_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from history.chunk import Chunk
    from history.refusals import Refusals
    from history.spill.clock import Standing
    from history.spill.place import Place
    from model.training.labels import Labels


@dataclass(frozen=True, slots=True)
class ReportedRows:
    """The outcomes of a history."""

    count: int
    refusals: Refusals


@dataclass
class Spilled:
    """The distinct payments of a history, with the vector that each had when it came; its files are there meanwhile."""

    place: Place
    pieces: int
    standing: Standing | None
    """Which rows stand; None if all do."""
    payments: int
    refusals: Refusals
    reported: ReportedRows | None
    """None without outcomes."""

    def __len__(self) -> int:
        return self.payments

    @cached_property
    def event_time(self) -> NDArray[np.int64]:
        """Epoch milliseconds of each payment: int64[n], 8 bytes of memory a payment."""
        return self._column("event_time")

    def chunks(self) -> Iterator[Chunk]:
        """Yield the payments in file order, some ten thousands at a time; may be called again."""
        return chunks(self.place, range(self.pieces), self.standing)

    def taken(self, rows: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the vectors of ascending rows piece by piece, each time with their place among them.

        A piece that has none of them is not read.
        """
        places = np.searchsorted(rows, self._starts)

        def part(piece: int) -> slice:
            return slice(int(places[piece]), int(places[piece + 1]))

        def wanted(piece: int) -> NDArray[np.intp]:
            of_piece: NDArray[np.intp] = rows[part(piece)] - self._starts[piece]
            return of_piece

        pieces = np.flatnonzero(np.diff(places)).tolist()
        for piece, chunk in zip(pieces, chunks(self.place, pieces, self.standing, wanted), strict=True):
            yield part(piece), chunk.vectors

    def labels(self, asked: NDArray[np.intp], reported_before: int | None = None) -> Labels:
        """Return the labels of some payments, ascending, as of a moment; epoch milliseconds."""
        return labels(self.place, self._column("row"), asked, reported_before, reported=self.reported is not None)

    def account(self) -> Iterator[str]:
        """Yield for each file how many of its rows were refused, and why."""
        yield str(self.refusals)
        if self.reported is not None:
            yield str(self.reported.refusals)

    def expect_a_match(self, payments: str) -> None:
        """Return if some outcome is of one of the payments, or there are none; raises ClickException otherwise."""
        if self.reported is not None:
            self.reported.refusals.expect_a_match(self.reported.count, payments)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """How many payments stand before each piece, and in all pieces."""
        return np.concatenate([[0], np.cumsum([len(part) for part in self._parts("row")])])

    def _column(self, name: str) -> NDArray[np.int64]:
        """Return a column of all payments that stand."""
        return np.concatenate(list(self._parts(name)))

    def _parts(self, name: str) -> Iterator[NDArray[np.int64]]:
        """Yield that column piece by piece."""
        for piece in range(self.pieces):
            yield array_of(journal(self.place, piece, self.standing, [*{"row", name}]), name)
