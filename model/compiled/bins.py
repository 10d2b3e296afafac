"""Every split of a forest as one unsigned byte compare: the thresholds of each feature, sorted and distinct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import UnsupportedModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.compiled.forest import Forest, Tree

MAX_THRESHOLDS = 255
"""A bin is one byte, and 255 stands for NaN at nodes that send missing right."""


def floor32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the greatest float32 not above each value, so that `x <= floor32(t)` iff `x <= t` for float32 x."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    above = rounded.astype(np.float64) > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


@dataclass(frozen=True, slots=True)
class Bins:
    """The features in use (`slot` counts them, ascending) and their thresholds.

    The bin of x is the number of thresholds below it, so `x <= threshold[j]` is `bin <= j`. A row holds two bytes a
    slot: side 0, where NaN is 255 (goes right everywhere), and side 1, where NaN is 0 (goes left everywhere).
    """

    features: NDArray[np.int64]
    thresholds: tuple[NDArray[np.float32], ...]

    def condition(self, tree: Tree, node: int) -> tuple[int, int, bool]:
        """Return (slot, bin, missing goes left) of an inner node."""
        slot = int(np.searchsorted(self.features, tree.feature[node]))
        threshold = floor32(tree.threshold[node : node + 1])[0]
        return slot, int(np.searchsorted(self.thresholds[slot], threshold)), bool(tree.missing_left[node])


def read_bins(forest: Forest) -> Bins:
    """Return the bins of a forest; raises UnsupportedModelError beyond 255 thresholds a feature."""
    none = np.empty(0)
    feature = np.concatenate([none, *(tree.feature[~tree.is_leaf] for tree in forest.trees)]).astype(np.int64)
    threshold = np.concatenate([none, *(tree.threshold[~tree.is_leaf] for tree in forest.trees)])
    features = np.unique(feature)
    thresholds = []
    for index in features:
        distinct = np.unique(floor32(threshold[feature == index]))
        if len(distinct) > MAX_THRESHOLDS:
            raise UnsupportedModelError(
                f"Expected at most {MAX_THRESHOLDS} thresholds a feature, got {len(distinct)} on feature {index}; "
                "train with max_bins <= 255."
            )
        thresholds.append(distinct)
    return Bins(features=features, thresholds=tuple(thresholds))
