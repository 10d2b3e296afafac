"""The tables against scikit-learn and shap, and against themselves in other batches, on random models and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from model.calibration import Calibration, fit_calibration
from model.compiled.compile import compile_tables
from model.compiled.scoring import Scorer
from model.compiled.tables import Tables
from model.training.reference import compare, probe_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BOUNDED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    with threadpool_limits(limits=1):
        yield


def payments_like(rows: int, features: int, missing: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors of the shape of real ones (counts, paise, flags, seconds, missing) and labels that depend on them."""
    random = np.random.default_rng(seed)
    vectors = np.empty((rows, features), dtype=np.float32)
    for feature in range(features):
        z = random.standard_normal(rows)
        kinds = (np.floor(np.exp(1 + z)), np.round(1e5 * np.exp(1.3 * z)), z > 0.5, np.floor(np.exp(9 + 2 * z)), z)
        vectors[:, feature] = kinds[feature % 5]
    vectors[random.random(vectors.shape) < missing] = np.nan
    signal = np.nan_to_num(np.log1p(np.abs(vectors[:, 0]))) - np.isnan(vectors[:, -1]) + random.logistic(size=rows)
    return vectors, signal > np.quantile(signal, 0.8)


def fitted(seed: int, missing: float, features: int, **limits: Any) -> HistGradientBoostingClassifier:
    vectors, fraud = payments_like(400, features, missing, seed)
    estimator = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **limits)
    return estimator.fit(vectors, fraud)


def scorer_of(estimator: HistGradientBoostingClassifier) -> Scorer:
    tables = compile_tables(estimator)
    low, high = tables.margin_range
    margin = np.linspace(low, high + 1.0, 50)
    return Scorer(tables, fit_calibration(margin, margin > np.median(margin), (low, high)))


models = st.builds(
    fitted,
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    features=st.sampled_from([1, 2, 5, 12]),
    max_iter=st.integers(1, 12),
    max_depth=st.integers(1, 8),
    max_leaf_nodes=st.integers(2, 40),
    min_samples_leaf=st.sampled_from([1, 5, 20]),
    max_bins=st.sampled_from([3, 20, 255]),
    learning_rate=st.sampled_from([0.1, 1.0]),
)


@pytest.mark.slow
@BOUNDED
@given(estimator=models, seed=st.integers(0, 10_000))
def test_contributions_equal_shap_and_margins_equal_the_estimator(
    estimator: HistGradientBoostingClassifier, seed: int
) -> None:
    scorer = scorer_of(estimator)
    vectors = probe_vectors(scorer.tables, 60, seed)
    assert compare(estimator, scorer, vectors).greatest < 1e-11


@BOUNDED
@given(estimator=models, seed=st.integers(0, 10_000), splits=st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_no_split_into_batches_and_no_order_of_rows_changes_a_bit(
    estimator: HistGradientBoostingClassifier, seed: int, splits: list[int]
) -> None:
    scorer = scorer_of(estimator)
    vectors = probe_vectors(scorer.tables, 300, seed)
    whole = scorer.score(vectors)
    order = np.random.default_rng(seed).permutation(len(vectors))
    start = 0
    for size in splits * 300:
        rows = order[start : start + size]
        if not len(rows):
            break
        part = scorer.score(vectors[rows])
        assert part.margin.tobytes() == whole.margin[rows].tobytes()
        assert part.probability.tobytes() == whole.probability[rows].tobytes()
        assert part.contributions.tobytes() == whole.contributions[rows].tobytes()
        start += size


@BOUNDED
@given(estimator=models, seed=st.integers(0, 10_000))
def test_contributions_and_base_value_add_up_to_the_margin_within_its_range(
    estimator: HistGradientBoostingClassifier, seed: int
) -> None:
    scorer = scorer_of(estimator)
    scored = scorer.score(probe_vectors(scorer.tables, 50, seed))
    assert np.abs(scored.contributions.sum(axis=1) + scorer.base_value - scored.margin).max() < 1e-12
    low, high = scorer.tables.margin_range
    assert scored.margin.min() > low - 1e-9
    assert scored.margin.max() < high + 1e-9


@BOUNDED
@given(estimator=models, seed=st.integers(0, 10_000))
def test_missing_directions_in_any_mixture_are_followed(estimator: HistGradientBoostingClassifier, seed: int) -> None:
    """Directions turned at random put missing-right above missing-left on the same feature, which no chain holds."""
    random = np.random.default_rng(seed)
    for (predictor,) in estimator._predictors:
        inner = predictor.nodes["is_leaf"] == 0
        predictor.nodes["missing_go_to_left"][inner] = random.integers(0, 2, inner.sum())
    scorer = scorer_of(estimator)
    assert compare(estimator, scorer, probe_vectors(scorer.tables, 60)).greatest < 1e-11


def test_a_deep_chain_on_one_feature_is_one_interval() -> None:
    """Growth by best leaf on one feature nests its splits as deep as the limit."""
    random = np.random.default_rng(0)
    vectors = np.sort(random.standard_normal((600, 1)).astype(np.float32), axis=0)
    fraud = random.random(600) < np.linspace(0, 1, 600) ** 4
    estimator = HistGradientBoostingClassifier(
        max_iter=5, max_depth=8, max_leaf_nodes=60, min_samples_leaf=1, early_stopping=False
    ).fit(vectors, fraud)
    assert max(predictor.get_max_depth() for (predictor,) in estimator._predictors) == 8
    scorer = scorer_of(estimator)
    assert compare(estimator, scorer, probe_vectors(scorer.tables, 200)).greatest < 1e-11


def test_trees_without_a_split_score_the_base_value() -> None:
    vectors = np.zeros((50, 3), dtype=np.float32)
    estimator = HistGradientBoostingClassifier(max_iter=2, early_stopping=False).fit(vectors, np.arange(50) % 5 == 0)
    scored = scorer_of(estimator).score(vectors)
    assert scored.margin == pytest.approx(estimator.decision_function(vectors), abs=1e-12)
    assert not scored.contributions.any()


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 31, 32, 33, 255, 256, 257, 600])
def test_every_batch_size_gives_the_estimators_margins(rows: int) -> None:
    """Around the widths of lanes, blocks and the path for few rows."""
    estimator = fitted(3, 0.3, 7, max_iter=20, max_depth=6)
    scorer = scorer_of(estimator)
    vectors = probe_vectors(scorer.tables, 600)[:rows]
    scored = scorer.score(vectors)
    assert len(scored) == rows
    assert scored.contributions.shape == (rows, 7)
    expected = estimator.decision_function(vectors) if rows else np.empty(0)
    assert np.abs(scored.margin - expected).max(initial=0.0) < 1e-12


@pytest.mark.slow
def test_more_groups_than_a_tile_keep_the_order_of_additions() -> None:
    """Above 256 groups the tables are walked in tiles; the path for few rows knows no tiles."""
    estimator = fitted(5, 0.1, 12, max_iter=150, max_depth=6, min_samples_leaf=1)
    scorer = scorer_of(estimator)
    assert scorer.tables.groups > 512
    vectors = probe_vectors(scorer.tables, 100)
    whole = scorer.score(vectors)
    for row in range(100):
        assert scorer.score(vectors[row : row + 1]).contributions.tobytes() == whole.contributions[row].tobytes()
    assert compare(estimator, scorer, vectors).greatest < 1e-11


def test_a_group_of_more_features_than_a_line_holds_adds_all_of_them() -> None:
    """No forest makes one, for a group has 256 cells at most; an artifact that somebody made by hand may have it."""
    slots, cells = 11, 12
    random = np.random.default_rng(0)
    values = random.normal(size=(slots, cells))
    tables = Tables(
        n_features=np.array(slots + 1, dtype=np.int64),
        base_value=np.array(0.5),
        slot_feature=np.arange(1, slots + 1, dtype=np.int32),
        threshold_start=np.arange(slots + 1, dtype=np.int32),
        thresholds=np.zeros(slots, dtype=np.float32),
        condition_start=np.array([0, slots], dtype=np.int32),
        condition_row=np.arange(1, 2 * slots, 2, dtype=np.int16),
        condition_bin=np.zeros(slots, dtype=np.uint8),
        condition_stride=np.ones(slots, dtype=np.uint8),
        entry_start=np.arange(slots + 1, dtype=np.int32),
        entry_group=np.zeros(slots, dtype=np.int32),
        entry_values=np.arange(0, slots * cells, cells, dtype=np.int32),
        values=values.ravel(),
        margin_range=np.array([-9.0, 9.0]),
    )
    vectors = random.normal(size=(77, slots + 1)).astype(np.float32)
    scored = Scorer(tables, Calibration(np.array([-9.0, 9.0]), np.array([0.0, 1.0]))).score(vectors)
    above = (vectors[:, 1:] > 0).sum(axis=1)
    assert not scored.contributions[:, 0].any()
    assert np.array_equal(scored.contributions[:, 1:], values.T[above])
