"""Score, verdict and exact contributions of one payment: as scikit-learn and shap do it, or by the compiled tables."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import skops.io

from model.artifact import ESTIMATOR
from model.training.reference import import_shap

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from model.artifact import Artifact


class Judged(NamedTuple):
    """What the model says of one payment."""

    margin: float
    score: float
    """Calibrated."""
    contributions: NDArray[np.float64]
    verdict: int


class Scoring(Protocol):
    """Judges one vector."""

    def judge(self, vector: NDArray[np.float32]) -> Judged:
        """Return what the model says of a vector, float32[f]."""


class SklearnAndShap:
    """The estimator that the artifact keeps, `predict_proba` and `shap.TreeExplainer`, a call of each a payment."""

    def __init__(self, directory: Path, artifact: Artifact) -> None:
        path = directory / ESTIMATOR
        self._estimator = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        self._explainer = import_shap().TreeExplainer(self._estimator, feature_perturbation="tree_path_dependent")
        self._calibration, self._thresholds = artifact.calibration, _thresholds(artifact)

    def judge(self, vector: NDArray[np.float32]) -> Judged:
        """Return what the model says of a vector, float32[f]."""
        row = vector.astype(np.float64).reshape(1, -1)
        probability = float(self._estimator.predict_proba(row)[0, 1])
        contributions = self._explainer.shap_values(row, check_additivity=False)[0]
        margin = math.log(probability / (1 - probability))
        score = float(np.interp(margin, self._calibration.margin, self._calibration.probability))
        return Judged(margin, score, contributions, bisect_right(self._thresholds, score))


class Compiled:
    """The compiled tables of the model package, a call a payment."""

    def __init__(self, artifact: Artifact) -> None:
        self._scorer, self._thresholds = artifact.scorer, _thresholds(artifact)

    def judge(self, vector: NDArray[np.float32]) -> Judged:
        """Return what the model says of a vector, float32[f]."""
        scored = self._scorer.score(vector.reshape(1, -1))
        score = float(scored.probability[0])
        return Judged(float(scored.margin[0]), score, scored.contributions[0], bisect_right(self._thresholds, score))


def _thresholds(artifact: Artifact) -> list[float]:
    chosen = artifact.thresholds
    return [chosen.review, chosen.hold, chosen.block]
