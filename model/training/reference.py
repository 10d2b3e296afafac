"""The tables held against shap and scikit-learn: what they are the fast form of, and the only place that uses shap."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.compiled.scoring import Scored, Scorer
    from model.compiled.tables import Tables

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Differences:
    """Greatest absolute differences over all rows."""

    rows: int
    margin: float
    """Against decision_function."""
    probability: float
    """Of the classifier's own, uncalibrated, against predict_proba."""
    contributions: float
    """Against shap.TreeExplainer, path-dependent."""
    base_value: float
    """Against shap's expected value."""
    additivity: float
    """Of base value plus contributions against the margin."""

    @property
    def greatest(self) -> float:
        """The greatest of them all; NaN if any is."""
        return float(np.max([self.margin, self.probability, self.contributions, self.base_value, self.additivity]))


def import_shap() -> Any:
    """Return the module shap; its import itself calls what newer versions of matplotlib deprecate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        import shap
    return shap


def shap_values(estimator: Any, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return shap's path-dependent contributions [n, features] and its expected value, of the margin."""
    shap = import_shap()
    explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    values = explainer.shap_values(vectors.astype(np.float64), check_additivity=False)
    return np.asarray(values, dtype=np.float64), float(np.ravel(explainer.expected_value)[0])


def compare(estimator: Any, scorer: Scorer, vectors: NDArray[np.float32]) -> Differences:
    """Return how far the scorer is from shap and from the estimator on the given vectors."""
    scored = scorer.score(vectors)
    wide = vectors.astype(np.float64)
    contributions, expected = shap_values(estimator, vectors)
    own = np.exp(-np.logaddexp(0.0, -scored.margin))
    return Differences(
        rows=len(vectors),
        margin=_greatest(scored.margin - estimator.decision_function(wide)),
        probability=_greatest(own - estimator.predict_proba(wide)[:, 1]),
        contributions=_greatest(scored.contributions - contributions),
        base_value=abs(scorer.base_value - expected),
        additivity=_greatest(_added(scorer, scored) - scored.margin),
    )


def verify(estimator: Any, scorer: Scorer, vectors: NDArray[np.float32]) -> Differences:
    """Return the differences; raises VerificationError if one of them is above 1e-9 or not a number."""
    differences = compare(estimator, scorer, vectors)
    if not differences.greatest <= TOLERANCE:
        raise VerificationError(
            f"Expected tables within {TOLERANCE} of scikit-learn and shap, got {differences}; "
            "do not use this model, and report the versions of scikit-learn, shap and numba."
        )
    return differences


def _added(scorer: Scorer, scored: Scored) -> NDArray[np.float64]:
    added: NDArray[np.float64] = scorer.base_value + scored.contributions.sum(axis=1)
    return added


def _greatest(difference: NDArray[np.float64]) -> float:
    return float(np.abs(difference).max(initial=0.0))


def global_plot(estimator: Any, vectors: NDArray[np.float32], feature_names: Sequence[str]) -> bytes:
    """Return shap's beeswarm of the strongest features as PNG; a pixel per payment, coloured by the value."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shap = import_shap()
    contributions, expected = shap_values(estimator, vectors)
    explanation = shap.Explanation(
        values=contributions,
        base_values=np.full(len(vectors), expected),
        data=vectors.astype(np.float64),
        feature_names=list(feature_names),
    )
    state = np.random.get_state()  # noqa: NPY002 (shap scatters its points by the global generator)
    np.random.seed(0)  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shap.plots.beeswarm(explanation, max_display=20, show=False)
        buffer = io.BytesIO()
        plt.gcf().savefig(buffer, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
    finally:
        np.random.set_state(state)  # noqa: NPY002
        plt.close("all")
    return buffer.getvalue()


def probe_vectors(tables: Tables, rows: int, seed: int = 0) -> NDArray[np.float32]:
    """Return float32 [rows, features] where tables go wrong: on thresholds, next to them, at infinities, missing.

    The first row is all missing.
    """
    random = np.random.default_rng(seed)
    shape = (rows, int(tables.n_features))
    vectors = random.standard_normal(shape).astype(np.float32)
    infinities = np.array([-np.inf, np.inf], dtype=np.float32)
    for slot, feature in enumerate(tables.slot_feature):
        thresholds = tables.thresholds[tables.threshold_start[slot] : tables.threshold_start[slot + 1]]
        with np.errstate(over="ignore"):  # the neighbour of the greatest float32 is infinite
            values = np.concatenate(
                [
                    thresholds,
                    np.nextafter(thresholds, infinities[0]),
                    np.nextafter(thresholds, infinities[1]),
                    np.tile(infinities, -(-len(thresholds) // 8)),
                ]
            )
        vectors[:, feature] = random.choice(values, size=rows)
    missing = random.random((rows, 1)) * (random.random((rows, 1)) < 0.75)  # a quarter of the rows lack nothing
    vectors[random.random(shape) < missing] = np.nan
    vectors[:1] = np.nan
    return vectors
