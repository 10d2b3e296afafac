"""A classifier trained on the past, calibrated on what came later, and held out from what came last.

Three slices of one history, in order of event time: the first fits the trees, the second calibrates and sets the
thresholds, the third is for the report alone. A random split would let a fraud campaign be learnt from its second
half. The cuts are placed by frauds, not by payments, so that each slice has its share of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.calibration import fit_calibration
from model.compiled.compile import compile_tables
from model.compiled.scoring import Scorer
from model.distribution import Distribution, FeatureDistribution, bins_of, describe, sample_rows, usual_of
from model.errors import TrainingError
from model.risk_score import RiskMap, fit_risk_map
from model.verdict import Thresholds, choose_thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_FRAUDS = 20
"""Fewer cannot fill three slices."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained; the defaults are what the default artifact is trained with."""

    trees: int = 200
    leaves: int = 31
    depth: int = 6
    learning_rate: float = 0.06
    min_payments_per_leaf: int = 40
    l2_regularization: float = 1.0
    genuine_per_fraud: int = 200
    """The trees see at most this many genuine payments a fraud, drawn evenly; calibration and report see all.

    Rare fraud needs no millions of genuine payments to be told from them, and weights would be no remedy: the cover
    of nodes, and so the base value of the contributions, knows none.
    """
    fit_share: float = 0.7
    """Of the frauds, the earliest: they fit the trees."""
    calibration_share: float = 0.15
    """Of the frauds, the next: they calibrate and set thresholds."""
    alert_budget: float = 0.005
    """Share of payments that get REVIEW or stricter."""
    hold_precision: float = 0.5
    """Share of frauds among payments that get HOLD or stricter."""
    block_precision: float = 0.9
    """Share of frauds among payments that get BLOCK."""
    base_rate: float | None = None
    """Share of fraud of the stream that probabilities are for; None: of the calibration slice."""
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Rows of each slice, ascending."""

    fit: NDArray[np.intp]
    calibrate: NDArray[np.intp]
    hold_out: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model before it is published."""

    estimator: Any
    """The bare HistGradientBoostingClassifier, features in vector order."""
    scorer: Scorer
    thresholds: Thresholds
    distribution: Distribution
    score_distribution: FeatureDistribution
    """Of the calibrated probability."""
    risk_map: RiskMap
    slices: Slices
    facts: dict[str, Any]
    """What it was trained on and how: JSON values."""


def train(
    vectors: NDArray[np.float32],
    fraud: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    settings: TrainingSettings | None = None,
) -> Trained:
    """Return a model of vectors float32 [n, features], labels and event times in epoch milliseconds, in any order.

    The same input gives the same model. Raises TrainingError if there is too little fraud, and UnsupportedModelError
    if the settings allow trees that cannot be compiled.
    """
    settings = settings or TrainingSettings()
    _check(vectors, fraud, event_time)
    slices = _slice(event_time, fraud, settings)
    fitted = _thin(slices.fit, fraud, settings)
    estimator = _fit(vectors[fitted], fraud[fitted], settings)
    tables = compile_tables(estimator)
    low, high = tables.margin_range.tolist()
    later = slices.calibrate
    margin = estimator.decision_function(vectors[later])
    calibration = fit_calibration(margin, fraud[later], (low, high), settings.base_rate)
    scorer = Scorer(tables, calibration)
    thresholds = choose_thresholds(
        scorer.probabilities(vectors[later]),
        fraud[later],
        settings.alert_budget,
        settings.hold_precision,
        settings.block_precision,
        _fraud_weight(fraud[later], settings.base_rate),
    )
    facts = {
        "settings": asdict(settings),
        "slices": {
            name: _described(getattr(slices, name), fraud, event_time) for name in ("fit", "calibrate", "hold_out")
        },
        "fitted_payments": len(fitted),
        "base_rate": settings.base_rate if settings.base_rate is not None else float(fraud[later].mean()),
    }
    # What fitted no tree: payments that did are scored better than any that will come.
    recent = np.sort(np.concatenate([slices.calibrate, slices.hold_out]))
    scores = scorer.probabilities(vectors[recent])
    return Trained(
        estimator,
        scorer,
        thresholds,
        describe(vectors, fraud, recent),
        _describe_scores(scores, fraud[recent]),
        fit_risk_map(scores),
        slices,
        facts,
    )


def _describe_scores(probability: NDArray[np.float64], fraud: NDArray[np.bool_]) -> FeatureDistribution:
    rows = sample_rows(len(probability))
    scores = probability[rows].astype(np.float32)
    return FeatureDistribution(*bins_of(scores), usual_of(scores[~fraud[rows]]))


def _check(vectors: NDArray[np.float32], fraud: NDArray[np.bool_], event_time: NDArray[np.int64]) -> None:
    if vectors.dtype != np.float32 or vectors.ndim != 2 or not len(vectors) == len(fraud) == len(event_time):
        raise TrainingError(
            f"Expected float32 vectors [n, features] and n labels and times, got {vectors.dtype} "
            f"{list(vectors.shape)}, {len(fraud)} labels and {len(event_time)} times."
        )
    frauds = int(fraud.sum())
    if frauds < MIN_FRAUDS or frauds == len(fraud):
        raise TrainingError(
            f"Expected at least {MIN_FRAUDS} frauds and some genuine payments, got {frauds} frauds in "
            f"{len(fraud)} payments; give a longer history, or more of its outcomes."
        )


def _slice(event_time: NDArray[np.int64], fraud: NDArray[np.bool_], settings: TrainingSettings) -> Slices:
    times = np.sort(event_time[fraud])
    first = times[int(settings.fit_share * len(times))]
    second = times[min(int((settings.fit_share + settings.calibration_share) * len(times)), len(times) - 1)]
    fit, hold_out = event_time < first, event_time >= second
    parts = (fit, ~fit & ~hold_out, hold_out)
    if not all(fraud[part].any() for part in parts):
        raise TrainingError(
            f"Expected frauds in each slice of the history, got {len(times)} frauds at too few different times "
            f"({len(np.unique(times))}); give a longer history."
        )
    if any(fraud[part].all() for part in parts):
        raise TrainingError(
            f"Expected genuine payments in each slice of the history, got {int((~fraud).sum())} among "
            f"{len(fraud)} payments, and a slice without any; give a history with the payments that were no fraud."
        )
    return Slices(*(np.flatnonzero(part) for part in parts))


def _thin(rows: NDArray[np.intp], fraud: NDArray[np.bool_], settings: TrainingSettings) -> NDArray[np.intp]:
    genuine = rows[~fraud[rows]]
    frauds = rows[fraud[rows]]
    most = settings.genuine_per_fraud * len(frauds)
    if len(genuine) <= most:
        return rows
    drawn = np.random.default_rng(settings.seed).choice(genuine, size=most, replace=False)
    return np.sort(np.concatenate([frauds, drawn]))


def _fit(vectors: NDArray[np.float32], fraud: NDArray[np.bool_], settings: TrainingSettings) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # scikit-learn 1.9 cannot bin a feature that is missing throughout, such as those of devices in a history without
    # any. A constant is never split on, so it does not matter which.
    lacking = np.isnan(vectors).all(axis=0)
    if lacking.any():
        vectors = np.where(lacking, np.float32(0), vectors)
    estimator = HistGradientBoostingClassifier(
        max_iter=settings.trees,
        max_leaf_nodes=settings.leaves,
        max_depth=settings.depth,
        learning_rate=settings.learning_rate,
        min_samples_leaf=settings.min_payments_per_leaf,
        l2_regularization=settings.l2_regularization,
        early_stopping=False,  # it would validate on a random split
        categorical_features=None,
        random_state=settings.seed,
    ).fit(vectors, fraud)
    # The number of cores it was fitted with is kept in here, though nothing reads it again: no part of the content.
    estimator._bin_mapper.n_threads = 1  # noqa: SLF001
    return estimator


def _fraud_weight(fraud: NDArray[np.bool_], base_rate: float | None) -> float:
    """Return how many times a fraud counts for the slice to have the base rate."""
    if base_rate is None:
        return 1.0
    share = float(fraud.mean())
    return base_rate / (1 - base_rate) * (1 - share) / share


def _described(rows: NDArray[np.intp], fraud: NDArray[np.bool_], event_time: NDArray[np.int64]) -> dict[str, int]:
    return {
        "payments": len(rows),
        "frauds": int(fraud[rows].sum()),
        "first_event_time": int(event_time[rows].min()),
        "last_event_time": int(event_time[rows].max()),
    }
