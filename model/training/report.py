"""The report of a training: what the model does on the payments held out, and what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model.training.baselines import figures_of, probabilities
from model.training.evaluation import Scores, evaluate
from model.training.findings import Facts, drift_of, findings
from model.training.plots import draw, importance_plot
from model.training.reference import global_plot
from model.training.watched import amount_paise, payee_reported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from model.training.labels import Labels
    from model.training.train import Trained

EXPLAINED = 500
"""Payments in the global plot of contributions, half of them frauds where there are as many."""

WEIGHED = 20_000
"""Payments that the mean strength of features is taken of, at most."""


def make_report(
    trained: Trained,
    labels: Labels,
    event_time: NDArray[np.int64],
    feature_names: Sequence[str],
    baselines: Callable[[], Mapping[str, Any]] = dict,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the report as JSON values and its plots as PNG by file name.

    labels, event_time: of all payments that were trained with. baselines: returns fitted ones, to be held against the
    model; it is called as late as can be.
    Figures in rupees, and of what was known of payees, need a model trained with `WATCHED`.
    """
    settings, names = trained.facts["settings"], list(feature_names)
    scores = _held_out(trained, labels, event_time)
    held_out = evaluate(scores, alert_budget=settings["alert_budget"], base_rate=settings["base_rate"])
    drift = drift_of(trained, labels.fraud)
    strength = _strength(trained, names)
    looked_at, fraud = trained.chosen.compared, labels.fraud
    shown = np.concatenate([_some(looked_at[fraud[looked_at]]), _some(looked_at[~fraud[looked_at]])])
    of_features = {
        "importance.png": importance_plot(strength),
        "contributions.png": global_plot(trained.estimator, trained.held.of(shown), names),
    }
    own, others = _beside(trained, labels.fraud, baselines())
    figures = {name: figures_of(one, settings["alert_budget"]) for name, one in others.items()}
    compared = figures_of(own, settings["alert_budget"]) if others else {}
    facts = Facts(trained, labels, event_time, names, held_out, drift, compared, figures)
    report = {
        "training": trained.facts,
        "held_out": held_out,
        "metrics": {"model": compared, "baselines": figures} if others else {"baselines": {}},
        "findings": [finding.to_json() for finding in findings(facts)],
        "mean_absolute_contribution": [{"feature": name, "log_odds": value} for name, value in strength],
        "drift": {name: round(float(index), 4) for name, index in zip(names, drift, strict=True)},
    }
    return report, draw(scores, held_out, others) | of_features


def _held_out(trained: Trained, labels: Labels, event_time: NDArray[np.int64]) -> Scores:
    rows, later = trained.slices.hold_out, trained.later
    at = later.at(rows)
    probability = later.probability[at]
    watched = {name: values[at] for name, values in later.watched.items()}
    return Scores(
        probability=probability,
        fraud=labels.fraud[rows],
        amount_paise=amount_paise(watched),
        typology=[labels.typology[row] for row in rows.tolist()],
        verdict=trained.thresholds.verdicts(probability),
        event_time=event_time[rows],
        payee_reported=payee_reported(watched),
    )


def _beside(
    trained: Trained, fraud: NDArray[np.bool_], baselines: Mapping[str, Any]
) -> tuple[Scores, dict[str, Scores]]:
    """Return what the model and the baselines make of the same payments held out."""
    rows = trained.chosen.compared
    own = Scores(trained.later.probability[trained.later.at(rows)], fraud[rows])
    vectors = trained.held.of(rows) if baselines else None
    others = {
        name: Scores(probabilities(baseline, vectors), fraud[rows])
        for name, baseline in baselines.items()
        if vectors is not None
    }
    return own, others


def _strength(trained: Trained, names: Sequence[str]) -> list[tuple[str, float]]:
    """Return each feature's mean absolute contribution to payments held out, strongest first."""
    rows = trained.chosen.compared
    sample = trained.held.of(rows[:: -(-len(rows) // WEIGHED)])
    strength = np.abs(trained.scorer.score(sample).contributions).mean(axis=0)
    return [(names[at], float(strength[at])) for at in np.argsort(-strength, kind="stable").tolist()]


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows[:: max(1, -(-len(rows) // (EXPLAINED // 2)))]
