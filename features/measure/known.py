"""Which entities are known, and by what number: a table of identities, which are keyed hashes and so need no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.measure.logs import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_CELLS = 1_024


class Known:
    """Numbers identities from 0 on as they are first seen, and counts how often each is."""

    def __init__(self) -> None:
        self._cells = np.zeros(_FIRST_CELLS, dtype=np.uint64)
        self._numbers = np.zeros(_FIRST_CELLS, dtype=np.int64)
        self._counts = np.zeros(_FIRST_CELLS // 2, dtype=np.int64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each was seen, by number."""
        return self._counts[: self._size]

    def count(self, identities: NDArray[np.uint64]) -> None:
        """Count identities uint64[n], none of them 0."""
        self._make_room(self._size + len(identities))
        self._size = _count(self._cells, self._numbers, self._counts, self._size, identities)

    def find(self, identities: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the number of each identity, NONE of those that were never seen."""
        return _find(self._cells, self._numbers, identities)

    def _make_room(self, size: int) -> None:
        """Keep half of the cells free, so that a search ends soon."""
        if size <= len(self._counts):
            return
        cells = 1 << int(2 * size - 1).bit_length()
        old, numbers = self._cells, self._numbers
        self._cells, self._numbers = np.zeros(cells, dtype=np.uint64), np.zeros(cells, dtype=np.int64)
        _move(old, numbers, self._cells, self._numbers)
        counts = np.zeros(cells // 2, dtype=np.int64)
        counts[: self._size] = self.counts
        self._counts = counts


@njit(inline="always")
def _cell(cells: NDArray[np.uint64], identity: np.uint64) -> np.uint64:
    """Return the cell of an identity, or the free one where it would go."""
    mask = np.uint64(len(cells) - 1)
    at: np.uint64 = identity & mask
    while cells[at] != 0 and cells[at] != identity:
        at = (at + np.uint64(1)) & mask
    return at


@njit()
def _count(
    cells: NDArray[np.uint64],
    numbers: NDArray[np.int64],
    counts: NDArray[np.int64],
    size: int,
    identities: NDArray[np.uint64],
) -> int:
    for row in range(len(identities)):
        identity = identities[row]
        at = _cell(cells, identity)
        if cells[at] == 0:
            cells[at] = identity
            numbers[at] = size
            size += 1
        counts[numbers[at]] += 1
    return size


@njit()
def _find(cells: NDArray[np.uint64], numbers: NDArray[np.int64], identities: NDArray[np.uint64]) -> NDArray[np.int64]:
    found = np.full(len(identities), NONE, dtype=np.int64)
    for row in range(len(identities)):
        at = _cell(cells, identities[row])
        if cells[at] != 0:
            found[row] = numbers[at]
    return found


@njit()
def _move(
    old: NDArray[np.uint64], old_numbers: NDArray[np.int64], cells: NDArray[np.uint64], numbers: NDArray[np.int64]
) -> None:
    for row in range(len(old)):
        if old[row] != 0:
            at = _cell(cells, old[row])
            cells[at] = old[row]
            numbers[at] = old_numbers[row]
