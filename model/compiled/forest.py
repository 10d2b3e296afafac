"""A fitted gradient boosting classifier as plain arrays: the only place that knows scikit-learn's inner layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import UnsupportedModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ESTIMATOR = "HistGradientBoostingClassifier"


@dataclass(frozen=True, slots=True)
class Tree:
    """One regression tree; node 0 is the root, arrays run over nodes.

    A value goes left if it is `<= threshold`; NaN goes left where `missing_left`, whether training had any or not.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    count: NDArray[np.float64]
    """Training rows that reached the node, unweighted: what shap calls cover."""
    is_leaf: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Forest:
    """What the compiler reads: the trees, the constant they are added to, and the width of a vector."""

    trees: tuple[Tree, ...]
    baseline: float
    n_features: int


def read_forest(estimator: Any) -> Forest:
    """Return the trees of a fitted binary HistGradientBoostingClassifier without categorical splits.

    Raises UnsupportedModelError for anything else. Categorical splits are refused because shap 0.48 to 0.51 explains
    them wrongly without saying so, and there would be nothing to check the tables against.
    """
    name = type(estimator).__name__
    if name != ESTIMATOR:
        raise UnsupportedModelError(
            f"Expected a fitted {ESTIMATOR}, got {name}; pass the bare classifier, not a pipeline."
        )
    if not hasattr(estimator, "_predictors"):
        raise UnsupportedModelError(f"Expected a fitted {ESTIMATOR}, got one without trees; call fit first.")
    if estimator.n_trees_per_iteration_ != 1:
        raise UnsupportedModelError(
            f"Expected two classes, got {len(estimator.classes_)}; train on fraud against genuine."
        )
    if getattr(estimator, "is_categorical_", None) is not None:
        raise UnsupportedModelError(
            "Expected numerical features only, got categorical splits; encode categories as ordinals or by target."
        )
    trees = tuple(_tree(predictor.nodes) for (predictor,) in estimator._predictors)  # noqa: SLF001 (nothing public)
    baseline = float(np.ravel(estimator._baseline_prediction)[0])  # noqa: SLF001
    return Forest(trees=trees, baseline=baseline, n_features=int(estimator.n_features_in_))


def _tree(nodes: NDArray[Any]) -> Tree:
    if nodes["is_categorical"].any():
        raise UnsupportedModelError("Expected numerical splits only, got a categorical one; encode the feature.")
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        value=nodes["value"].astype(np.float64),
        count=nodes["count"].astype(np.float64),
        is_leaf=nodes["is_leaf"].astype(np.bool_),
    )
