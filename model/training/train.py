"""A classifier trained on the past, calibrated on what came later, and held out from what came last.

Labels and times choose the rows (`choice.py`). Then vectors are taken twice. First those of the rows that fit the trees
are held, and a few more for the report; then each row of the later slices is scored and forgotten. So memory grows with
the frauds, and by a score for each payment of the later slices, but not with the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.calibration import Calibration, fit_calibration
from model.compiled.compile import compile_tables
from model.compiled.scoring import CHUNK, Scorer
from model.distribution import Distribution, FeatureDistribution, bins_of, describe, sample_rows, usual_of
from model.errors import TrainingError
from model.risk_score import RiskMap, fit_risk_map
from model.training.choice import Chosen, Slices, choose
from model.training.settings import TrainingSettings
from model.training.vectors import InMemory, hold
from model.verdict import Thresholds, choose_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from model.compiled.tables import Tables
    from model.training.vectors import Held, Vectors

__all__ = ["Later", "Trained", "TrainingSettings", "train", "train_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """The payments that fitted no tree, by what is kept of them."""

    rows: NDArray[np.intp]
    """Ascending."""
    probability: NDArray[np.float64]
    watched: dict[str, NDArray[np.float32]]
    """Values of some features by name."""

    def at(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the places of some of the rows."""
        return np.searchsorted(self.rows, rows)


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
    chosen: Chosen
    held: Held
    """Vectors of `chosen.held`."""
    later: Later
    facts: dict[str, Any]
    """What it was trained on and how: JSON values."""

    @property
    def slices(self) -> Slices:
        """Rows of each slice."""
        return self.chosen.slices


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
    return train_of(InMemory(vectors), fraud, event_time, settings)


def train_of(
    vectors: Vectors,
    fraud: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    settings: TrainingSettings | None = None,
    *,
    feature_names: Sequence[str] = (),
    watched: Sequence[str] = (),
    step: Callable[[str, int], Callable[[int], None]] = lambda _what, _total: lambda _done: None,
    fitted: Callable[[Chosen, Held], None] = lambda _chosen, _held: None,
) -> Trained:
    """Return the model that `train` returns, to the bit, of vectors that need not be in memory.

    watched: names of features, as in `feature_names`, whose values are kept for each payment of the later slices.
    step: is told what comes and how much of it, and returns what is told how far it is. fitted: is called when the
    trees are fitted, and no more memory is needed than what is held.
    """
    settings = settings or TrainingSettings()
    if not len(vectors) == len(fraud) == len(event_time):
        raise TrainingError(
            f"Expected as many vectors as labels and times, got {len(vectors)} vectors, {len(fraud)} labels and "
            f"{len(event_time)} times."
        )
    chosen = choose(event_time, fraud, settings)
    held = hold(vectors, chosen.held, step("vectors", len(chosen.held)))
    grown = step("trees", 1)
    estimator = _fit(held.of(chosen.fitted), fraud[chosen.fitted], settings)
    grown(1)
    fitted(chosen, held)
    names = list(feature_names)
    columns = {name: names.index(name) for name in watched if name in names}
    slices, rows = chosen.slices, chosen.slices.later
    tables = compile_tables(estimator)
    margin, values = _score_later(tables, vectors, rows, columns, step("calibrating", len(rows)))
    calibrating = np.searchsorted(rows, slices.calibrate)
    later_fraud = fraud[slices.calibrate]
    calibration = fit_calibration(margin[calibrating], later_fraud, _range(tables), settings.base_rate)
    probability = calibration.apply(margin)
    thresholds = choose_thresholds(
        probability[calibrating],
        later_fraud,
        settings.alert_budget,
        settings.hold_precision,
        settings.block_precision,
        _fraud_weight(later_fraud, settings.base_rate),
    )
    facts = {
        "settings": asdict(settings),
        "slices": {
            name: _described(getattr(slices, name), fraud, event_time) for name in ("fit", "calibrate", "hold_out")
        },
        "fitted_payments": len(chosen.fitted),
        "fitted_frauds": int(fraud[chosen.fitted].sum()),
        "base_rate": settings.base_rate if settings.base_rate is not None else float(later_fraud.mean()),
    }
    return Trained(
        estimator,
        Scorer(tables, calibration),
        thresholds,
        describe(held.of(chosen.evenly), fraud[chosen.evenly], held.of(chosen.recent)),
        _describe_scores(probability, fraud[rows]),
        fit_risk_map(probability),
        chosen,
        held,
        Later(rows, probability, values),
        facts,
    )


def _range(tables: Tables) -> tuple[float, float]:
    low, high = tables.margin_range.tolist()
    return low, high


def _score_later(
    tables: Tables,
    vectors: Vectors,
    rows: NDArray[np.intp],
    columns: dict[str, int],
    moved: Callable[[int], None],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32]]]:
    """Return the margin of each of the rows, and their values of some columns."""
    low, high = _range(tables)
    margins = Scorer(tables, Calibration(np.array([low, max(high, low + 1.0)]), np.array([0.0, 1.0])))
    margin = np.empty(len(rows), dtype=np.float64)
    values = {name: np.empty(len(rows), dtype=np.float32) for name in columns}
    for at, part in vectors.taken(rows):
        here = margin[at]
        for start in range(0, len(part), CHUNK):
            here[start : start + CHUNK] = margins.score(part[start : start + CHUNK]).margin
        for name, column in columns.items():
            values[name][at] = part[:, column]
        moved(at.stop)
    return margin, values


def _describe_scores(probability: NDArray[np.float64], fraud: NDArray[np.bool_]) -> FeatureDistribution:
    rows = sample_rows(len(probability))
    scores = probability[rows].astype(np.float32)
    return FeatureDistribution(*bins_of(scores), usual_of(scores[~fraud[rows]]))


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
