"""Two models that anybody would try first, on the same vectors: what the trees add shows beside them alone."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from model.training.evaluation import ALERT_BUDGET, Scores, evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from model.training.vectors import Held

LOGISTIC_REGRESSION: Final = "logistic_regression"
RANDOM_FOREST: Final = "random_forest"

FITTED: Final = 200_000
"""Vectors that a baseline is fitted to, at most: evenly spaced, so that fraud keeps its share."""
DRAWN_A_TREE: Final = 50_000
"""Of these, what a tree of the forest is grown from: bounds the time, while all of them take part."""
TREES: Final = 100

COMPARED: Final = (
    "payments",
    "frauds",
    "average_precision",
    "average_precision_interval",
    "recall_at_budget",
    "roc_auc",
)
"""Figures of an evaluation that models are compared by."""

_MISSING_TO_TREES = -1e9
_GREATEST = 1e30


def fit_baselines(vectors: NDArray[np.float32], fraud: NDArray[np.bool_], seed: int = 0) -> dict[str, Any]:
    """Return fitted scikit-learn pipelines by name; vectors float32 [n, features], missing is NaN.

    Amounts, counts and seconds are spread over many orders of magnitude, so the regression sees their logarithms, and
    which were missing. The same input gives the same pipelines, on any number of cores.
    """
    rows = _evenly(len(vectors))
    vectors, fraud = vectors[rows], fraud[rows]
    fitted = {}
    for name, pipeline in _pipelines(len(vectors), seed).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a regression that has not wholly converged is as good a baseline
            fitted[name] = pipeline.fit(vectors, fraud)
    fitted[RANDOM_FOREST].set_params(classifier__n_jobs=1)  # threads add up scores in any order: other last bits
    return fitted


def fit_beside(held: Held, rows: NDArray[np.intp], fraud: NDArray[np.bool_], seed: int) -> Future[dict[str, Any]]:
    """Begin with what `fit_baselines` returns of the vectors of some rows, and of their labels, beside other work.

    Whoever calls it ignores `ConvergenceWarning` until the result is there: filters of warnings are of all threads.
    """
    fitted: Future[dict[str, Any]] = Future()
    evenly = _evenly(len(rows))

    def fit() -> None:
        try:
            fitted.set_result(fit_baselines(held.of(rows[evenly]), fraud[evenly], seed))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            fitted.set_exception(error)

    # A daemon: a training that is interrupted does not wait for it.
    threading.Thread(target=fit, name="upifraud-baselines", daemon=True).start()
    return fitted


def _evenly(n: int) -> slice:
    """Return which of n rows baselines are fitted to."""
    return slice(None, None, -(-n // FITTED) or 1)


def probabilities(baseline: Any, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the uncalibrated scores of a fitted baseline, float64 [n]."""
    scores: NDArray[np.float64] = baseline.predict_proba(vectors)[:, 1]
    return scores


def compare(
    baselines: Mapping[str, Any],
    vectors: NDArray[np.float32],
    fraud: NDArray[np.bool_],
    alert_budget: float = ALERT_BUDGET,
) -> dict[str, dict[str, Any]]:
    """Return the figures of each baseline by name, on payments held out."""
    return {
        name: figures_of(Scores(probabilities(baseline, vectors), fraud), alert_budget)
        for name, baseline in baselines.items()
    }


def figures_of(scores: Scores, alert_budget: float = ALERT_BUDGET) -> dict[str, Any]:
    """Return the figures that models are compared by."""
    figures = evaluate(Scores(scores.probability, scores.fraud), alert_budget=alert_budget)
    return {name: figures[name] for name in COMPARED}


def _pipelines(n: int, seed: int) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return {
        LOGISTIC_REGRESSION: Pipeline(
            [
                ("logarithm", FunctionTransformer(_signed_logarithm)),
                ("imputer", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
                ("scaler", StandardScaler()),
                ("classifier", LogisticRegression(max_iter=200)),
            ]
        ),
        RANDOM_FOREST: Pipeline(
            [
                ("finite", FunctionTransformer(_finite)),
                (
                    "imputer",
                    SimpleImputer(strategy="constant", fill_value=_MISSING_TO_TREES, keep_empty_features=True),
                ),
                (
                    "classifier",
                    RandomForestClassifier(
                        n_estimators=TREES,
                        min_samples_leaf=3,
                        max_samples=min(n, DRAWN_A_TREE),
                        n_jobs=-1,
                        random_state=seed,
                    ),
                ),
            ]
        ),
    }


def _finite(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(vectors, -_GREATEST, _GREATEST)


def _signed_logarithm(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    values = _finite(vectors).astype(np.float64)
    return np.sign(values) * np.log1p(np.abs(values))
