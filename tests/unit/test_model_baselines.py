"""Simple models beside the trees: the same every time, on any cores, and on whatever columns a history has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from model.training import baselines
from model.training.baselines import (
    LOGISTIC_REGRESSION,
    RANDOM_FOREST,
    compare,
    fit_baselines,
    fit_beside,
    probabilities,
)
from model.training.vectors import Held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

pytestmark = pytest.mark.slow

N = 4000


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    with threadpool_limits(limits=1):
        yield


def history(seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return amounts over six orders of magnitude, a column with holes, an empty and a constant one."""
    random = np.random.default_rng(seed)
    vectors = np.empty((N, 5), dtype=np.float32)
    vectors[:, 0] = np.exp(random.normal(10, 2.5, N))
    vectors[:, 1] = np.where(random.random(N) < 0.3, np.nan, random.standard_normal(N))
    vectors[:, 2] = np.nan
    vectors[:, 3] = 7
    vectors[:, 4] = np.where(random.random(N) < 0.01, np.inf, random.poisson(2, N))
    log_odds = 1.5 * (np.log(vectors[:, 0]) - 10) / 2.5 + 2 * np.isnan(vectors[:, 1]) - 5
    return vectors, random.random(N) < 1 / (1 + np.exp(-log_odds))


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return fit_baselines(*history(0))


def test_each_finds_what_there_is_to_find(fitted: dict[str, Any]) -> None:
    """A regression on raw amounts would not: one payment in a thousand would outweigh all others."""
    vectors, fraud = history(1)
    figures = compare(fitted, vectors, fraud, alert_budget=0.05)
    assert set(figures) == {LOGISTIC_REGRESSION, RANDOM_FOREST}
    for name, found in figures.items():
        scores = probabilities(fitted[name], vectors)
        assert found["roc_auc"] == roc_auc_score(fraud, scores) > 0.75
        assert found["average_precision"] == pytest.approx(average_precision_score(fraud, scores))
        assert found["average_precision_interval"][0] < found["average_precision"]
        assert 3 * 0.05 < found["recall_at_budget"] < 1
        assert (found["payments"], found["frauds"]) == (N, fraud.sum())


def test_the_same_vectors_give_the_same_scores(fitted: dict[str, Any]) -> None:
    """On two cores, too: trees of a forest add up in the order in which threads finish."""
    with threadpool_limits(limits=2):
        again = fit_baselines(*history(0))
    vectors = history(1)[0]
    for name, baseline in fitted.items():
        assert probabilities(again[name], vectors).tobytes() == probabilities(baseline, vectors).tobytes()


def test_of_many_vectors_some_are_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, fraud = history(0)
    monkeypatch.setattr(baselines, "FITTED", 1500)
    of_some = fit_baselines(vectors, fraud)
    monkeypatch.undo()
    of_those = fit_baselines(vectors[::3], fraud[::3])
    for name, baseline in of_some.items():
        assert probabilities(baseline, vectors).tobytes() == probabilities(of_those[name], vectors).tobytes()


def test_beside_other_work_they_are_the_same(fitted: dict[str, Any]) -> None:
    vectors, fraud = history(0)
    beside = fit_beside(Held(np.arange(N), vectors), np.arange(N), fraud, 0).result()
    for name, baseline in fitted.items():
        assert probabilities(beside[name], vectors).tobytes() == probabilities(baseline, vectors).tobytes()


def test_what_fails_beside_is_raised_where_the_result_is_asked_for() -> None:
    vectors, fraud = history(0)
    beside = fit_beside(Held(np.arange(N), vectors), np.arange(N), np.zeros_like(fraud), 0)
    with pytest.raises(ValueError, match="at least 2 classes"):
        beside.result()
