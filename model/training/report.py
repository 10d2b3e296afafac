"""The report of a training: what the model does on the payments held out, and what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model.training.evaluation import Scores, evaluate
from model.training.plots import draw
from model.training.reference import global_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.training.train import Trained

EXPLAINED = 500
"""Payments in the global plot of contributions, half of them frauds where there are as many."""

WEIGHED = 20_000
"""Payments that the mean strength of features is taken of, at most."""

AMOUNT = "amount_paise"


WATCHED = (AMOUNT,)
"""Features that the report needs of each payment held out."""


def make_report(
    trained: Trained,
    fraud: NDArray[np.bool_],
    feature_names: Sequence[str],
    typology: Sequence[str | None],
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the report as JSON values and its plots as PNG by file name.

    fraud, typology: of all payments that were trained with. Figures in rupees need a model trained with `WATCHED`.
    """
    rows, later = trained.slices.hold_out, trained.later
    at = later.at(rows)
    probability = later.probability[at]
    amount = later.watched.get(AMOUNT)
    scores = Scores(
        probability=probability,
        fraud=fraud[rows],
        amount_paise=None if amount is None else amount[at].astype(np.float64),
        typology=[typology[row] for row in rows.tolist()],
        verdict=trained.thresholds.verdicts(probability),
    )
    settings = trained.facts["settings"]
    held_out = evaluate(scores, alert_budget=settings["alert_budget"], base_rate=settings["base_rate"])
    looked_at = trained.chosen.compared
    sample = trained.held.of(looked_at[:: -(-len(looked_at) // WEIGHED)])
    strength = np.abs(trained.scorer.score(sample).contributions).mean(axis=0)
    strongest = np.argsort(-strength, kind="stable")
    names = list(feature_names)
    report = {
        "training": trained.facts,
        "held_out": held_out,
        "mean_absolute_contribution": [
            {"feature": names[index], "log_odds": float(strength[index])} for index in strongest.tolist()
        ],
    }
    plots = draw(scores, held_out)
    shown = np.concatenate([_some(looked_at[fraud[looked_at]]), _some(looked_at[~fraud[looked_at]])])
    plots["contributions.png"] = global_plot(trained.estimator, trained.held.of(shown), names)
    return report, plots


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows[:: max(1, -(-len(rows) // (EXPLAINED // 2)))]
