"""Vectors of a history, of which a training holds a few and looks at the others some at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from model.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

AT_ONCE: Final = 65_536
"""Vectors that are taken together of those in memory."""


class Vectors(Protocol):
    """The vectors of the rows of a history, wherever they are; they may be asked for again and again."""

    def __len__(self) -> int:
        """Return how many there are."""

    def taken(self, rows: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield vectors float32 [some, features] of ascending rows, part by part, each with its place among them."""


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """Vectors float32 [n, features] as they are."""

    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.vectors)

    def taken(self, rows: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the vectors of ascending rows."""
        for start in range(0, len(rows), AT_ONCE):
            part = slice(start, min(start + AT_ONCE, len(rows)))
            yield part, self.vectors[rows[part]]


@dataclass(frozen=True, slots=True, eq=False)
class Within:
    """Some rows of a history, as a history of their own."""

    vectors: Vectors
    rows: NDArray[np.intp]
    """Ascending."""

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, rows: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the vectors of ascending rows among these."""
        return self.vectors.taken(self.rows[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Vectors of some rows of a history."""

    rows: NDArray[np.intp]
    """Ascending."""
    vectors: NDArray[np.float32]

    def of(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return a copy of the vectors of rows that are held, shape [rows, features]."""
        return self.vectors[np.searchsorted(self.rows, rows)]


def hold(vectors: Vectors, rows: NDArray[np.intp], moved: Callable[[int], None] = lambda _: None) -> Held:
    """Return the vectors of ascending rows; raises TrainingError for vectors of another type or shape.

    moved: is told how many of them were taken.
    """
    held: NDArray[np.float32] | None = None
    for at, part in vectors.taken(rows):
        if part.dtype != np.float32 or part.ndim != 2:
            raise TrainingError(f"Expected float32 vectors [n, features], got {part.dtype} {list(part.shape)}.")
        if held is None:
            held = np.empty((len(rows), part.shape[1]), dtype=np.float32)
        held[at] = part
        moved(at.stop)
    if held is None:
        raise TrainingError("Expected rows to hold, got none; give a longer history.")
    return Held(rows, held)
