"""Training: slices in order of time, the same model every time, and errors that say what lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from model.errors import TrainingError
from model.training.train import TrainingSettings, train

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = TrainingSettings(trees=5, leaves=6, depth=3, min_payments_per_leaf=5)
N = 3000
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.standard_normal((N, 4)).astype(np.float32)
FRAUD = RANDOM.random(N) < 0.3 / (1 + np.exp(-4 * VECTORS[:, 0]))
TIMES = RANDOM.permutation(N) * 1000


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    import sklearn.ensemble  # noqa: F401 (only what is loaded can be limited)

    with threadpool_limits(limits=1):
        yield


def test_each_slice_is_later_than_the_one_before() -> None:
    """File order is delivery order, not time order."""
    slices = train(VECTORS, FRAUD, TIMES, SMALL).slices
    assert TIMES[slices.fit].max() < TIMES[slices.calibrate].min()
    assert TIMES[slices.calibrate].max() < TIMES[slices.hold_out].min()
    assert sorted(np.concatenate([slices.fit, slices.calibrate, slices.hold_out]).tolist()) == list(range(N))


def test_slices_share_the_frauds_as_set() -> None:
    slices = train(VECTORS, FRAUD, TIMES, SMALL).slices
    shares = [FRAUD[rows].sum() / FRAUD.sum() for rows in (slices.fit, slices.calibrate, slices.hold_out)]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.01)


def test_the_future_does_not_change_the_trees() -> None:
    """Whatever happens after the fit slice, the trees are the same: nothing leaks back."""
    before = train(VECTORS, FRAUD, TIMES, SMALL)
    later = np.concatenate([before.slices.calibrate, before.slices.hold_out])
    changed = VECTORS.copy()
    changed[later] = RANDOM.standard_normal((len(later), 4))
    after = train(changed, FRAUD, TIMES, SMALL)
    assert after.scorer.tables.values.tobytes() == before.scorer.tables.values.tobytes()


def test_the_same_input_gives_the_same_model() -> None:
    one, two = train(VECTORS, FRAUD, TIMES, SMALL), train(VECTORS, FRAUD, TIMES, SMALL)
    assert all(
        array.tobytes() == two.scorer.tables.arrays()[name].tobytes()
        for name, array in one.scorer.tables.arrays().items()
    )
    assert one.thresholds == two.thresholds
    assert one.facts == two.facts


def test_genuine_payments_are_thinned_for_the_trees_only() -> None:
    trained = train(VECTORS, FRAUD, TIMES, replace(SMALL, genuine_per_fraud=2))
    frauds = int(FRAUD[trained.slices.fit].sum())
    assert trained.facts["fitted_payments"] == 3 * frauds
    later = trained.slices.calibrate
    probability = trained.scorer.score(VECTORS[later]).probability
    assert probability.mean() == pytest.approx(FRAUD[later].mean(), rel=0.05)


def test_the_budget_is_kept_on_the_calibration_slice() -> None:
    trained = train(VECTORS, FRAUD, TIMES, replace(SMALL, alert_budget=0.05))
    verdicts = trained.thresholds.verdicts(trained.scorer.score(VECTORS[trained.slices.calibrate]).probability)
    assert 0 < (verdicts > 0).mean() <= 0.05


@pytest.mark.parametrize("fraud", [np.zeros(N, bool), np.arange(N) < 19, np.ones(N, bool)])
def test_too_little_fraud_is_refused(fraud: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="at least 20 frauds"):
        train(VECTORS, fraud, TIMES, SMALL)


def test_frauds_all_at_one_time_are_refused() -> None:
    with pytest.raises(TrainingError, match="too few different times"):
        train(VECTORS, FRAUD, np.where(FRAUD, 5, TIMES), SMALL)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(TrainingError, match="labels and"):
        train(VECTORS, FRAUD[:-1], TIMES, SMALL)


def test_a_feature_that_is_missing_throughout_is_not_used() -> None:
    """A history without devices; scikit-learn itself would fail on it."""
    vectors = VECTORS.copy()
    vectors[:, 2] = np.nan
    trained = train(vectors, FRAUD, TIMES, SMALL)
    assert 2 not in trained.scorer.tables.slot_feature
    with_values = trained.scorer.score(VECTORS)
    assert with_values.margin.tobytes() == trained.scorer.score(vectors).margin.tobytes()
