"""The compiled form of a forest: every score and its exact contributions are table look-ups and additions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

TILE = 256
"""Groups looked up before their values are added: their cell indices stay in the nearest caches."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Compiled tables; all of them are read-only. docs/specs/artifact.md has the layout in words.

    A slot is a feature in use, ascending. A condition is `row byte > condition_bin`; the cell of a group is the sum
    of `condition_stride` over its conditions that hold. An entry is one (group, feature) pair: its values, one a
    cell, start at `entry_values`. Entries run by tile, slot, group, which is the order of all additions.
    """

    n_features: NDArray[np.int64]
    """Width of a vector, shape []."""
    base_value: NDArray[np.float64]
    """The expected margin that contributions add to, shape []."""
    slot_feature: NDArray[np.int32]
    threshold_start: NDArray[np.int32]
    """Slot s has thresholds[threshold_start[s]:threshold_start[s + 1]]."""
    thresholds: NDArray[np.float32]
    condition_start: NDArray[np.int32]
    """Group g has conditions condition_start[g]:condition_start[g + 1]."""
    condition_row: NDArray[np.int16]
    """2 * slot for missing right, 2 * slot + 1 for missing left."""
    condition_bin: NDArray[np.uint8]
    condition_stride: NDArray[np.uint8]
    entry_start: NDArray[np.int32]
    """Tile t and slot s have entries entry_start[t * slots + s]:entry_start[t * slots + s + 1]."""
    entry_group: NDArray[np.int32]
    entry_values: NDArray[np.int32]
    values: NDArray[np.float64]
    margin_range: NDArray[np.float64]
    """Every margin lies in here: sums of the least and of the greatest leaf of each tree, shape [2]."""

    def __post_init__(self) -> None:
        """Refuse arrays that the kernels would read out of bounds: they do not check."""
        for field in fields(self):
            array = getattr(self, field.name)
            expected = _DTYPES[field.name]
            if not isinstance(array, np.ndarray) or array.dtype != expected or not array.flags.c_contiguous:
                raise ArtifactError(f"Expected table {field.name} as contiguous {expected}; build the artifact anew.")
            array.flags.writeable = False
        if not self._consistent():
            raise ArtifactError("The tables contradict each other; build the artifact anew with `upifraud train`.")

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self.condition_start) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def cells(self) -> NDArray[np.int64]:
        """Return the number of cells of each group: one more than the greatest index."""
        sums = np.concatenate(([0], np.cumsum(self.condition_stride, dtype=np.int64)))
        return np.diff(sums[self.condition_start]) + 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Tables:
        """Build from arrays by name; raises ArtifactError if one is missing, of another type, or out of bounds."""
        missing = sorted({field.name for field in fields(cls)} - set(arrays))
        if missing:
            raise ArtifactError(f"Expected the tables {', '.join(missing)}, found none; build the artifact anew.")
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def _consistent(self) -> bool:
        slots = len(self.slot_feature)
        tiles = max(1, -(-self.groups // TILE))
        if self.n_features.ndim or self.base_value.ndim or self.margin_range.shape != (2,):
            return False
        if not (
            _is_index(self.threshold_start, slots, len(self.thresholds))
            and _is_index(self.condition_start, self.groups, len(self.condition_bin))
            and _is_index(self.entry_start, tiles * slots, len(self.entry_group))
            and len(self.condition_row) == len(self.condition_stride) == len(self.condition_bin)
            and len(self.entry_values) == len(self.entry_group)
            and _within(self.slot_feature, int(self.n_features))
            and _within(self.condition_row, 2 * slots)
            and bool((np.diff(self.threshold_start) <= 255).all())
        ):
            return False
        tile = np.repeat(np.arange(tiles * slots) // max(1, slots), np.diff(self.entry_start))
        cells = self.cells()
        if (cells > 256).any() or not _within(self.entry_group, self.groups):
            return False
        ends = self.entry_values + cells[self.entry_group]
        return bool(
            (self.entry_group // TILE == tile).all()
            and (self.entry_values >= 0).all()
            and _within(ends - 1, len(self.values))
        )


def _is_index(start: NDArray[Any], n: int, total: int) -> bool:
    ascending = bool((np.diff(start) >= 0).all())
    return len(start) == n + 1 and ascending and int(start[0]) == 0 and int(start[-1]) == total


def _within(index: NDArray[Any], end: int) -> bool:
    return len(index) == 0 or (int(index.min()) >= 0 and int(index.max()) < end)


_DTYPES = {
    "n_features": np.dtype(np.int64),
    "base_value": np.dtype(np.float64),
    "slot_feature": np.dtype(np.int32),
    "threshold_start": np.dtype(np.int32),
    "thresholds": np.dtype(np.float32),
    "condition_start": np.dtype(np.int32),
    "condition_row": np.dtype(np.int16),
    "condition_bin": np.dtype(np.uint8),
    "condition_stride": np.dtype(np.uint8),
    "entry_start": np.dtype(np.int32),
    "entry_group": np.dtype(np.int32),
    "entry_values": np.dtype(np.int32),
    "values": np.dtype(np.float64),
    "margin_range": np.dtype(np.float64),
}
