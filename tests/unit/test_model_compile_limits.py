"""What the compiler refuses, and that it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from model.compiled.bins import floor32
from model.compiled.compile import compile_tables
from model.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.standard_normal((3000, 4)).astype(np.float32)
FRAUD = RANDOM.random(3000) < 1 / (1 + np.exp(-VECTORS.sum(axis=1)))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    with threadpool_limits(limits=1):
        yield


def classifier(**limits: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=3, early_stopping=False, min_samples_leaf=1, **limits)


def test_a_tree_deeper_than_eight_is_refused() -> None:
    vectors = np.linspace(-1, 1, 600)[:, None]
    fraud = RANDOM.random(600) < np.linspace(0, 1, 600) ** 4
    with pytest.raises(UnsupportedModelError, match="max_depth <= 8"):
        compile_tables(classifier(max_depth=20, max_leaf_nodes=60).fit(vectors, fraud))


def test_a_tree_of_more_than_64_conditions_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="max_leaf_nodes of at most 65"):
        compile_tables(classifier(max_depth=8, max_leaf_nodes=120).fit(VECTORS, FRAUD))


def test_65_leaves_are_not() -> None:
    tables = compile_tables(classifier(max_depth=8, max_leaf_nodes=65).fit(VECTORS, FRAUD))
    assert tables.groups > 0


def test_more_thresholds_than_a_byte_counts_are_refused() -> None:
    """scikit-learn gives at most 255; somebody else's edits may not."""
    estimator = HistGradientBoostingClassifier(max_iter=10, max_depth=8, early_stopping=False).fit(VECTORS, FRAUD)
    for number, (predictor,) in enumerate(estimator._predictors):
        inner = predictor.nodes["is_leaf"] == 0
        predictor.nodes["feature_idx"][inner] = 0
        predictor.nodes["num_threshold"][inner] += number
    with pytest.raises(UnsupportedModelError, match="at most 255 thresholds"):
        compile_tables(estimator)


def test_categorical_splits_are_refused() -> None:
    vectors = np.column_stack([RANDOM.integers(0, 5, 3000), VECTORS[:, 0]])
    with pytest.raises(UnsupportedModelError, match="categor"):
        compile_tables(classifier(categorical_features=[0]).fit(vectors, FRAUD))


def test_more_than_two_classes_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="two classes"):
        compile_tables(classifier().fit(VECTORS, RANDOM.integers(0, 3, 3000)))


def test_a_model_without_trees_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="call fit first"):
        compile_tables(classifier())


@pytest.mark.parametrize("estimator", [make_pipeline(StandardScaler(), classifier()), RandomForestClassifier(2)])
def test_another_estimator_is_refused(estimator: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="HistGradientBoostingClassifier"):
        compile_tables(estimator.fit(VECTORS, FRAUD))


@pytest.mark.parametrize("threshold", [0.1, -0.1, 1e300, -1e300, np.inf, -np.inf, 0.0, 3e-46, -3e-46, 16777217.0])
def test_a_float32_lies_on_the_same_side_of_a_threshold_rounded_down(threshold: float) -> None:
    rounded = floor32(np.array([threshold]))
    with np.errstate(over="ignore"):
        near = [np.nextafter(rounded[0], np.float32(way)) for way in (-np.inf, np.inf)]
    values = np.array([rounded[0], *near, np.inf, -np.inf, 0.0], dtype=np.float32)
    assert ((values <= rounded[0]) == (values.astype(np.float64) <= threshold)).all()
