"""Training: slices in order of time, the same model every time, and errors that say what lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from model.errors import TrainingError
from model.training.choice import choose
from model.training.train import TrainingSettings, train, train_of
from model.training.vectors import InMemory, Within, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = TrainingSettings(trees=5, leaves=6, depth=3, min_payments_per_leaf=5, l2_regularization=1.0)
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


class Pieces:
    """Vectors that come in pieces of odd sizes; notes what was asked of it."""

    def __init__(self, vectors: np.ndarray, rows: int) -> None:
        self.vectors, self.rows, self.asked = vectors, rows, []

    def __len__(self) -> int:
        return len(self.vectors)

    def taken(self, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        self.asked.append(rows)
        for start in range(0, len(rows), self.rows):
            part = slice(start, min(start + self.rows, len(rows)))
            yield part, self.vectors[rows[part]]


@pytest.mark.parametrize("rows", [1, 7, 1000, N])
def test_vectors_in_pieces_give_the_same_model_and_are_taken_twice(rows: int) -> None:
    settings = replace(SMALL, genuine_per_fraud=3)
    whole, pieces = train(VECTORS, FRAUD, TIMES, settings), Pieces(VECTORS, rows)
    parts = train_of(pieces, FRAUD, TIMES, settings, feature_names="abcd", watched="bx")
    assert [asked.tolist() for asked in pieces.asked] == [parts.chosen.held.tolist(), parts.slices.later.tolist()]
    for name, array in whole.scorer.tables.arrays().items():
        assert array.tobytes() == parts.scorer.tables.arrays()[name].tobytes()
    assert parts.scorer.calibration.probability.tobytes() == whole.scorer.calibration.probability.tobytes()
    assert (parts.thresholds, parts.distribution, parts.risk_map, parts.score_distribution, parts.facts) == (
        whole.thresholds, whole.distribution, whole.risk_map, whole.score_distribution, whole.facts
    )  # fmt: skip
    later = whole.scorer.score(VECTORS[parts.later.rows])
    assert parts.later.probability.tobytes() == later.probability.tobytes()
    assert parts.later.watched.keys() == {"b"}
    assert parts.later.watched["b"].tolist() == VECTORS[parts.later.rows, 1].tolist()


def test_a_training_says_how_many_vectors_it_took() -> None:
    bars: list[tuple[str, int, list[int]]] = []

    def step(what: str, total: int) -> Callable[[int], None]:
        bars.append((what, total, []))
        return bars[-1][2].append

    trained = train_of(Pieces(VECTORS, 500), FRAUD, TIMES, SMALL, step=step)
    assert [what for what, _, _ in bars] == ["vectors", "trees", "calibrating"]
    assert [total for _, total, _ in bars] == [len(trained.chosen.held), 1, len(trained.slices.later)]
    for _, total, moves in bars:
        assert moves == [*range(500, total, 500), total]


def test_some_rows_of_a_history_are_a_history() -> None:
    rows = np.flatnonzero(np.arange(N) % 3 == 1)
    some = Within(InMemory(VECTORS), rows)
    assert len(some) == len(rows)
    assert hold(some, np.array([0, 5, 7])).vectors.tolist() == VECTORS[[1, 16, 22]].tolist()


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (VECTORS[:-1], "got 2999 vectors, 3000 labels and 3000 times"),
        (VECTORS[:, 0], r"float32 vectors \[n, features\], got float32"),
        (VECTORS.astype(np.float64), "got float64"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(vectors: np.ndarray, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        train(vectors, FRAUD, TIMES, SMALL)


def test_no_more_payments_are_held_than_allowed() -> None:
    """First fewer genuine ones a fraud; then, from twenty a fraud on, fewer frauds, too."""
    rare = FRAUD & (np.arange(N) % 10 == 0)
    fit_frauds = int(rare[choose(TIMES, rare, SMALL).slices.fit].sum())
    for most, frauds in ((40 * fit_frauds, fit_frauds), (5 * fit_frauds, 5 * fit_frauds // 21)):
        fitted = choose(TIMES, rare, replace(SMALL, most_fitted_payments=most)).fitted
        assert most - 21 <= len(fitted) <= most
        assert rare[fitted].sum() == frauds
        assert sorted(set(fitted.tolist())) == fitted.tolist()


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
    with pytest.raises(TrainingError, match="labels and 3000 times"):
        train(VECTORS, FRAUD[:-1], TIMES, SMALL)


def test_a_feature_that_is_missing_throughout_is_not_used() -> None:
    """A history without devices; scikit-learn itself would fail on it."""
    vectors = VECTORS.copy()
    vectors[:, 2] = np.nan
    trained = train(vectors, FRAUD, TIMES, SMALL)
    assert 2 not in trained.scorer.tables.slot_feature
    with_values = trained.scorer.score(VECTORS)
    assert with_values.margin.tobytes() == trained.scorer.score(vectors).margin.tobytes()
