"""Score and exact contributions: compiled tables, or scikit-learn's predict_proba and shap.TreeExplainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import skops.io
from threadpoolctl import threadpool_limits

from bench import score
from bench.ablations.ablation import Ablation, Way
from model.artifact import DEFAULT_DIR, ESTIMATOR, load
from model.training.reference import import_shap


def measure(*, rounds: int) -> Ablation:
    """Score and explain vectors with the artifact that ships, rounds taking turns; the least round counts."""
    path = DEFAULT_DIR / ESTIMATOR
    artifact, estimator = load(DEFAULT_DIR), skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    explainer = import_shap().TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    vectors, _ = score.history(4_096, seed=1)
    vectors = np.tile(vectors, 2)[:, : artifact.scorer.n_features]
    wide = vectors.astype(np.float64)

    def reference(rows: Any) -> None:
        estimator.predict_proba(rows)
        explainer.shap_values(rows, check_additivity=False)

    def part(at: int, rows: int) -> slice:
        start = at * rows % (len(vectors) - rows + 1)
        return slice(start, start + rows)

    with threadpool_limits(limits=1):  # its threads spin while they wait
        least = score.measure(
            [
                score.Contestant("ours 512", lambda at: artifact.scorer.score(vectors[part(at, 512)]), 512, 4),
                score.Contestant("ours 1", lambda at: artifact.scorer.score(vectors[part(at, 1)]), 1, 256),
                score.Contestant("shap 512", lambda at: reference(wide[part(at, 512)]), 512, 1),
                score.Contestant("shap 1", lambda at: reference(wide[part(at, 1)]), 1, 16),
            ],
            rounds,
        )
    names = {
        "ours 512": "compiled tables, micro-batches of 512",
        "ours 1": "compiled tables, a payment at a time",
        "shap 512": "predict_proba and shap, micro-batches of 512",
        "shap 1": "predict_proba and shap, a payment at a time",
    }
    return Ablation("score and contributions", [Way(name, least[kind]) for kind, name in names.items()])
