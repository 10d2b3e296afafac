"""A fitted classifier compiled into tables: equal to decision_function and shap.TreeExplainer, a thousandth the cost.

The algorithm (bins, groups, cells, values) is described in docs/model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.compiled.bins import read_bins
from model.compiled.cells import POINTS, WEIGHTS, cell_values, radices
from model.compiled.forest import read_forest
from model.compiled.grouping import feature_masks, group_leaves, is_chain, missing_right_mask
from model.compiled.paths import read_paths
from model.compiled.tables import TILE, Tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.compiled.bins import Bins
    from model.compiled.paths import Paths


@dataclass(frozen=True, slots=True)
class Group:
    """Leaves of one tree that are looked up at once."""

    row: list[int]
    """Row of bytes each condition compares."""
    bin: list[int]
    stride: list[int]
    slots: list[int]
    """Features the group contributes to, ascending."""
    values: NDArray[np.float64]
    """Contribution of each of them, shape [feature, cell]."""


def compile_tables(estimator: Any) -> Tables:
    """Return the tables of a fitted binary HistGradientBoostingClassifier.

    Raises UnsupportedModelError for categorical splits, a tree deeper than 8 or of more than 64 distinct conditions,
    and more than 255 thresholds on a feature.
    """
    forest = read_forest(estimator)
    bins = read_bins(forest)
    groups: list[Group] = []
    base_value = forest.baseline
    least = greatest = forest.baseline
    for tree in forest.trees:
        paths = read_paths(tree, bins)
        base_value += float((paths.value * paths.cover.prod(axis=1)).sum())
        least += float(paths.value.min())
        greatest += float(paths.value.max())
        groups.extend(_groups(paths))
    return _lay_out(groups, bins, forest.n_features, base_value, (least, greatest))


def _groups(paths: Paths) -> list[Group]:
    masks = feature_masks(paths)
    missing_right = missing_right_mask(paths)
    groups = []
    for leaves in group_leaves(paths):
        required = np.bitwise_or.reduce(paths.left[leaves] | paths.right[leaves])
        used = np.flatnonzero(masks & required)
        if len(used) == 0:  # a tree of one leaf: all of it is in the base value
            continue
        features = masks[used] & required
        values = cell_values(
            features,
            missing_right,
            paths.left[leaves],
            paths.right[leaves],
            paths.value[leaves],
            np.ascontiguousarray(paths.cover[np.ix_(leaves, used)]),
            POINTS,
            WEIGHTS,
        )
        row, bin_, stride = _conditions(paths, features, missing_right)
        groups.append(Group(row=row, bin=bin_, stride=stride, slots=[paths.features[i] for i in used], values=values))
    return groups


def _conditions(
    paths: Paths, features: NDArray[np.uint64], missing_right: np.uint64
) -> tuple[list[int], list[int], list[int]]:
    row: list[int] = []
    bin_: list[int] = []
    strides: list[int] = []
    stride = 1
    for conditions, radix in zip(features, radices(features, missing_right), strict=True):
        chain = is_chain(conditions, missing_right)
        bits = [bit for bit in range(len(paths.slot)) if int(conditions) >> bit & 1]
        for position, bit in enumerate(bits):
            row.append(2 * int(paths.slot[bit]) + int(paths.missing_left[bit]))
            bin_.append(int(paths.bin[bit]))
            strides.append(stride if chain else stride << position)
        stride *= int(radix)
    return row, bin_, strides


def _lay_out(
    groups: Sequence[Group], bins: Bins, n_features: int, base_value: float, margin_range: tuple[float, float]
) -> Tables:
    slots = len(bins.features)
    tiles = max(1, -(-len(groups) // TILE))
    entries: list[list[tuple[int, NDArray[np.float64]]]] = [[] for _ in range(tiles * slots)]
    for index, group in enumerate(groups):
        for slot, values in zip(group.slots, group.values, strict=True):
            entries[index // TILE * slots + slot].append((index, values))
    ordered = [entry for cell in entries for entry in cell]
    return Tables(
        n_features=np.array(n_features, dtype=np.int64),
        base_value=np.array(base_value, dtype=np.float64),
        slot_feature=bins.features.astype(np.int32),
        threshold_start=_starts([len(thresholds) for thresholds in bins.thresholds]),
        thresholds=np.concatenate([*bins.thresholds, np.empty(0, np.float32)]),
        condition_start=_starts([len(group.row) for group in groups]),
        condition_row=np.array([row for group in groups for row in group.row], dtype=np.int16),
        condition_bin=np.array([index for group in groups for index in group.bin], dtype=np.uint8),
        condition_stride=np.array([stride for group in groups for stride in group.stride], dtype=np.uint8),
        entry_start=_starts([len(cell) for cell in entries]),
        entry_group=np.array([group for group, _ in ordered], dtype=np.int32),
        entry_values=_starts([len(values) for _, values in ordered])[:-1],
        values=np.concatenate([*(values for _, values in ordered), np.empty(0)]),
        margin_range=np.array(margin_range, dtype=np.float64),
    )


def _starts(lengths: Sequence[int]) -> NDArray[np.int32]:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int32)
