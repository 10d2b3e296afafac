"""Microseconds of CPU a payment for score and exact contributions, shap beside them: `python bench/score.py`.

Three models of the sizes in docs/model.md, fitted to vectors of the shape of real ones (counts, paise, seconds,
flags, missing values), or the model of `--artifact`. Rows are cycled: the same row again and again flatters, for its
branches and table lines are known. CPU of the whole process, scikit-learn kept to one thread, for its threads spin
while they wait; rounds of all contestants take turns and the least is printed, for what other work on the machine adds
is never negative. shap.TreeExplainer is
path-dependent and explains only; predict_proba only scores.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from bench import machine
from model.artifact import ESTIMATOR, load
from model.calibration import fit_calibration
from model.compiled.compile import compile_tables
from model.compiled.scoring import Scorer
from model.reasons import Explainer
from model.training.reference import import_shap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FEATURES = 75
MODELS = {"100x16": (100, 16, 4), "100x31": (100, 31, 6), "200x31": (200, 31, 6)}
BATCHES = (1, 8, 32, 256, 2048)
SHAP_ROWS = 64
REASONS = 5


@dataclass(frozen=True)
class Contestant:
    """A name, what to call, and for how many rows a call is."""

    name: str
    call: Callable[[int], object]
    rows: int
    calls: int


def history(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return vectors of the shape of real ones and labels that depend on a dozen of the features."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((n, 8))
    vectors = np.empty((n, FEATURES), dtype=np.float32)
    for feature in range(FEATURES):
        z = 0.7 * hidden[:, feature % 8] + 0.7 * random.standard_normal(n)
        kinds = (
            np.floor(np.exp(1 + z)),
            np.round(124_300 * np.exp(1.3 * z)),
            np.where(random.random(n) < 0.3, np.nan, np.floor(np.exp(12 + 2 * z))),
            z > 0.5,
            np.clip(np.floor(12 + 5 * z), 0, 23),
        )
        vectors[:, feature] = kinds[feature % 5]
    present = np.nan_to_num(vectors)
    signal = 0.8 * np.log1p(present[:, 0]) + present[:, 3] * hidden[:, 1] - hidden[:, 2] * hidden[:, 3] + hidden[:, 4]
    signal += random.logistic(size=n)
    return vectors, signal > np.quantile(signal, 0.98)


def fitted(trees: int, leaves: int, depth: int) -> tuple[Any, Scorer]:
    """Fit one of the models and compile it."""
    vectors, fraud = history(20_000, seed=0)
    estimator = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, max_depth=depth, early_stopping=False, random_state=0
    ).fit(vectors, fraud)
    tables = compile_tables(estimator)
    low, high = tables.margin_range.tolist()
    return estimator, Scorer(tables, fit_calibration(estimator.decision_function(vectors), fraud, (low, high)))


def contestants(estimator: Any, scorer: Scorer, vectors: NDArray[np.float32]) -> list[Contestant]:
    """Return everything that is measured for one model."""
    explainer = import_shap().TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    wide = vectors.astype(np.float64)
    names = tuple(f"payer_count_{number}m" for number in range(1, scorer.n_features + 1))
    reasons = Explainer(SimpleNamespace(feature_names=names, usual=(1.0,) * len(names)))
    contributions = scorer.score(vectors[:256]).contributions

    def part(at: int, rows: int, of: NDArray[Any]) -> NDArray[Any]:
        start = at * rows % (len(of) - rows + 1)
        return of[start : start + rows]

    found = [
        Contestant(
            f"score {batch}",
            lambda at, batch=batch: scorer.score(part(at, batch, vectors)),
            batch,
            max(1, 512 // batch),
        )
        for batch in BATCHES
    ]
    found.append(Contestant("predict_proba 256", lambda at: estimator.predict_proba(part(at, 256, wide)), 256, 4))
    found.append(Contestant("predict_proba 1", lambda at: estimator.predict_proba(part(at, 1, wide)), 1, 8))
    found.append(
        Contestant(
            "shap", lambda at: explainer.shap_values(part(at, SHAP_ROWS, wide), check_additivity=False), SHAP_ROWS, 1
        )
    )
    found.append(
        Contestant(
            f"{REASONS} reasons",
            lambda at: reasons.reasons(vectors[at % 256], contributions[at % 256], REASONS),
            1,
            256,
        )
    )
    return found


def measure(found: list[Contestant], rounds: int) -> dict[str, float]:
    """Return the least microseconds of CPU a row of each contestant, rounds taking turns."""
    least = dict.fromkeys((one.name for one in found), float("inf"))
    for one in found:
        one.call(0)
    for round_ in range(rounds):
        for one in found:
            began = time.process_time()
            for call in range(one.calls):
                one.call(round_ * one.calls + call)
            spent = (time.process_time() - began) / (one.calls * one.rows) * 1e6
            least[one.name] = min(least[one.name], spent)
    return least


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--artifact", type=Path, help="measure this artifact instead")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    threadpool_limits(limits=1)  # of the libraries loaded by now, so scikit-learn is imported above
    vectors, _ = history(8192, seed=1)
    results: dict[str, dict[str, float]] = {}
    if arguments.artifact:
        import skops.io

        path = arguments.artifact / ESTIMATOR
        estimator = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        artifact = load(arguments.artifact)
        models = {artifact.model_id: (estimator, artifact.scorer)}
        vectors = np.tile(vectors, 2)[:, : artifact.scorer.n_features]
    else:
        models = {name: fitted(*MODELS[name]) for name in arguments.models}
    index = machine.index()
    for name, (estimator, scorer) in models.items():
        results[name] = measure(contestants(estimator, scorer, vectors), arguments.rounds)
        results[name]["table megabytes"] = scorer.tables.nbytes / 1e6
    if arguments.json:
        print(json.dumps({"machine_index_s": index, "us_cpu_a_row": results}))
        return
    print(f"machine index {index:.2f} s for 3 million loop steps; microseconds of CPU a row, least of rounds")
    for name, least in results.items():
        print(f"\n{name}, tables of {least.pop('table megabytes'):.1f} MB")
        for contestant, spent in least.items():
            ratio = (
                "" if contestant in {"shap", f"{REASONS} reasons"} else f"   shap / this = {least['shap'] / spent:,.0f}"
            )
            print(f"  {contestant:>18} {spent:>10.2f}{ratio}")


if __name__ == "__main__":
    main()
