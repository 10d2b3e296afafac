"""The rows that stand, and when a report arrives among them: the clock of the delivery, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from history.spill.tables import Opened, array_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from history.spill.place import Place

LAST: Final = np.int64(1 << 62)
"""The row before which a report arrives that no payment comes after."""


class Standing:
    """Which rows stand: a bit a row."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits = bits

    @classmethod
    def without(cls, dropped: NDArray[np.int64], rows: int) -> Self:
        """Return that all of so many rows stand but some."""
        bits = np.full(-(-rows // 8), 0xFF, dtype=np.uint8)
        np.bitwise_and.at(bits, dropped >> 3, ~(np.uint8(1) << (dropped & 7).astype(np.uint8)))
        return cls(bits)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some rows stand."""
        stands: NDArray[np.bool_] = (self._bits[rows >> 3] >> (rows & 7).astype(np.uint8) & 1).astype(np.bool_)
        return stands


@dataclass(frozen=True, slots=True)
class Clock:
    """The latest event time so far, of the rows that stand: by piece in memory, by row in a file a piece."""

    place: Place
    after: NDArray[np.int64]
    """The clock after each piece; epoch milliseconds, ascending."""
    first: NDArray[np.int64]
    """The first row that stands in each piece or, where none does, in a later one; LAST behind them all."""

    @classmethod
    def write(cls, place: Place, pieces: int, standing: Standing | None, progress: Callable[[int], None]) -> Self:
        """Read the times of all payments in file order, and write the clock."""
        now = np.int64(-LAST)
        after, first = np.empty(pieces, dtype=np.int64), np.full(pieces + 1, LAST, dtype=np.int64)
        for piece in range(pieces):
            with Opened(place.journal(piece), ["row", "event_time"]) as file:
                batch = file.batch(0)
            row = array_of(batch, "row")
            stands = slice(None) if standing is None else standing.of(row)
            row, clock = row[stands], np.maximum.accumulate(array_of(batch, "event_time")[stands])
            np.maximum(clock, now, out=clock)
            np.save(place.clock(piece), np.stack([row, clock]))
            if len(row):
                now, first[piece] = clock[-1], row[0]
            after[piece] = now
            progress(piece + 1)
        return cls(place, after, np.minimum.accumulate(first[::-1])[::-1])

    def arrivals(self, rows: NDArray[np.int64], reported_at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row that stands before which each report on a payment arrives (`features.history.arrivals`)."""
        return np.maximum(self._after_rows(rows), self._after_times(reported_at))

    def _after_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        def behind(stand: NDArray[np.int64], _clock: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
            return np.searchsorted(stand, wanted, side="right")

        return self._found(rows // self.place.piece, rows, behind)

    def _after_times(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        def behind(_stand: NDArray[np.int64], clock: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
            return np.searchsorted(clock, wanted, side="right")

        return self._found(np.searchsorted(self.after, times, side="right"), times, behind)

    def _found(
        self,
        pieces: NDArray[np.int64],
        wanted: NDArray[np.int64],
        behind: Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.intp]],
    ) -> NDArray[np.int64]:
        """Return the row in each one's piece that comes behind what is wanted, or the next one after the piece."""
        found = np.full(len(wanted), LAST, dtype=np.int64)
        order = np.argsort(pieces, kind="stable")
        inside = order[: np.searchsorted(pieces[order], len(self.after))]
        for part in np.split(inside, np.flatnonzero(np.diff(pieces[inside])) + 1):
            if len(part):
                piece = int(pieces[part[0]])
                stand, clock = np.load(self.place.clock(piece))
                rows = np.append(stand, self.first[piece + 1])
                found[part] = rows[behind(stand, clock, wanted[part])]
        return found
