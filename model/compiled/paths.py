"""The leaves of one tree as bit masks over its distinct conditions: what grouping and cell values are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import UnsupportedModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.compiled.bins import Bins
    from model.compiled.forest import Tree

MAX_DEPTH = 8
"""A leaf of depth 8 has at most 256 cells, and the cell index is one byte."""

MAX_CONDITIONS = 64
"""Conditions of a tree are bits of one word."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Every leaf of one tree; conditions run by (slot, bin, missing right before missing left).

    A condition holds for a row that goes right at it: `byte > bin`, on the row byte of its side: model.compiled.bins.
    The order makes the conditions of one feature a chain: whoever satisfies one satisfies all before it.
    """

    slot: NDArray[np.int64]
    """Slot of each condition's feature."""
    bin: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.uint64]
    """Conditions that the path of each leaf goes left at."""
    right: NDArray[np.uint64]
    """Conditions that it goes right at; a leaf that nothing can reach may have one in both."""
    value: NDArray[np.float64]
    features: tuple[int, ...]
    """Slots in use, ascending; columns of `cover`."""
    cover: NDArray[np.float64]
    """Product of the cover ratios of each leaf's splits on each feature, 1 off its path, shape [leaf, feature]."""


def read_paths(tree: Tree, bins: Bins) -> Paths:
    """Return the leaves of `tree`; raises UnsupportedModelError beyond depth 8 or 64 distinct conditions."""
    nodes = np.flatnonzero(~tree.is_leaf)
    keys = {int(node): bins.condition(tree, int(node)) for node in nodes}
    conditions = sorted(set(keys.values()))
    if len(conditions) > MAX_CONDITIONS:
        raise UnsupportedModelError(
            f"Expected at most {MAX_CONDITIONS} distinct conditions in a tree, got {len(conditions)}; "
            f"train with max_leaf_nodes of at most {MAX_CONDITIONS + 1}."
        )
    order = {condition: index for index, condition in enumerate(conditions)}
    features = tuple(sorted({slot for slot, _, _ in conditions}))
    column = {slot: index for index, slot in enumerate(features)}
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []
    cover: list[NDArray[np.float64]] = []

    def descend(node: int, depth: int, lefts: int, rights: int, ratios: NDArray[np.float64]) -> None:
        if tree.is_leaf[node]:
            left.append(lefts)
            right.append(rights)
            value.append(float(tree.value[node]))
            cover.append(ratios)
            return
        if depth == MAX_DEPTH:
            raise UnsupportedModelError(
                f"Expected trees of depth at most {MAX_DEPTH}, got a deeper one; train with max_depth <= {MAX_DEPTH}."
            )
        bit = 1 << order[keys[node]]
        at = column[keys[node][0]]
        ways = ((int(tree.left[node]), lefts | bit, rights), (int(tree.right[node]), lefts, rights | bit))
        for child, lefts_below, rights_below in ways:
            share = ratios.copy()
            share[at] *= tree.count[child] / tree.count[node]
            descend(child, depth + 1, lefts_below, rights_below, share)

    descend(0, 0, 0, 0, np.ones(len(features)))
    return Paths(
        slot=np.array([slot for slot, _, _ in conditions], dtype=np.int64),
        bin=np.array([index for _, index, _ in conditions], dtype=np.int64),
        missing_left=np.array([left for _, _, left in conditions], dtype=np.bool_),
        left=np.array(left, dtype=np.uint64),
        right=np.array(right, dtype=np.uint64),
        value=np.array(value, dtype=np.float64),
        features=features,
        cover=np.array(cover).reshape(len(value), len(features)),
    )
