"""Vectors of a history in pieces, of which a training holds a few and looks at the others one piece at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Vectors of some rows of a history."""

    rows: NDArray[np.intp]
    """Ascending."""
    vectors: NDArray[np.float32]

    def of(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return a copy of the vectors of rows that are held, shape [rows, features]."""
        return self.vectors[np.searchsorted(self.rows, rows)]


def hold(chunks: Iterable[NDArray[np.float32]], rows: NDArray[np.intp], n: int) -> Held:
    """Return the vectors of ascending rows, in one pass over the chunks of a history of n rows."""
    vectors: NDArray[np.float32] | None = None
    for at, part in taken(chunks, rows, n):
        if vectors is None:
            vectors = np.empty((len(rows), part.shape[1]), dtype=np.float32)
        vectors[at] = part
    if vectors is None:
        raise TrainingError("Expected rows to hold, got none; give a longer history.")
    return Held(rows, vectors)


def taken(
    chunks: Iterable[NDArray[np.float32]], rows: NDArray[np.intp], n: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the vectors of ascending rows chunk by chunk, each time with their place among `rows`.

    Chunks hold n rows together, one after the other, in the order of labels and times. A chunk without any of the
    rows is not looked into, so one that is mapped from a file costs nothing. Raises TrainingError for chunks of
    another type, width or number of rows.
    """
    start = done = 0
    width: int | None = None
    for chunk in chunks:
        if chunk.dtype != np.float32 or chunk.ndim != 2 or chunk.shape[1] != (width or chunk.shape[1]):
            raise TrainingError(
                f"Expected float32 vectors [n, {width or 'features'}], got {chunk.dtype} {list(chunk.shape)}."
            )
        width, end = chunk.shape[1], start + len(chunk)
        upto = int(np.searchsorted(rows, end))
        if upto > done:
            wanted = rows[done:upto] - start
            yield slice(done, upto), chunk if len(wanted) == len(chunk) else chunk[wanted]
        start, done = end, upto
    if start != n:
        raise TrainingError(f"Expected as many vectors as labels and times, got {start} vectors and {n} labels.")
