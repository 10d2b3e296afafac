"""The later part of a history, scored: by the model, and by simple ones beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.training.baselines import figures_of, probabilities
from model.training.evaluation import Scores
from model.training.watched import WATCHED, amount_paise, payee_reported

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from history.measured import Measured
    from history.spill.spilled import Spilled
    from model.training.labels import Labels
    from upifraud.commands.train import Made


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Scores of the later part, in order of rows."""

    scores: Scores
    baselines: dict[str, NDArray[np.float64]]
    """What simple models make of the same payments, by name."""
    constant: tuple[str, ...]
    """Features that have one value in the whole later part."""

    def by(self, name: str) -> Scores:
        """Return the scores of a simple model."""
        return Scores(self.baselines[name], self.scores.fraud)

    def baseline_figures(self, alert_budget: float) -> dict[str, Any]:
        """Return the figures of each simple model by name."""
        return {name: figures_of(self.by(name), alert_budget) for name in self.baselines}


def judge(
    measured: Measured | Spilled,
    rows: NDArray[np.intp],
    labels: Labels,
    made: Made,
    progress: Callable[[int], None],
) -> Judged:
    """Return the scores of ascending rows; vectors pass by once, and none is kept."""
    artifact = made.artifact
    names = [name for name in WATCHED if name in artifact.feature_names]
    columns = [artifact.feature_names.index(name) for name in names]
    scored: list[NDArray[np.float64]] = []
    simple: dict[str, list[NDArray[np.float64]]] = {name: [] for name in made.baselines}
    kept: list[NDArray[np.float32]] = []
    low, high = (np.full(len(artifact.feature_names), edge, dtype=np.float32) for edge in (np.inf, -np.inf))
    for part, vectors in measured.taken(rows):
        scored.append(artifact.scorer.probabilities(vectors))
        for name, baseline in made.baselines.items():
            simple[name].append(probabilities(baseline, vectors))
        kept.append(vectors[:, columns])
        low, high = np.fmin(low, np.fmin.reduce(vectors)), np.fmax(high, np.fmax.reduce(vectors))
        progress(part.stop)
    probability, values = np.concatenate(scored), np.concatenate(kept)
    watched: dict[str, NDArray[np.float32]] = {str(name): values[:, at] for at, name in enumerate(names)}
    scores = Scores(
        probability=probability,
        fraud=labels.fraud[rows],
        amount_paise=amount_paise(watched),
        typology=[labels.typology[row] for row in rows.tolist()],
        verdict=artifact.thresholds.verdicts(probability),
        event_time=measured.event_time[rows],
        payee_reported=payee_reported(watched),
    )
    same = [name for name, lowest, highest in zip(artifact.feature_names, low, high, strict=True) if lowest == highest]
    return Judged(scores, {name: np.concatenate(parts) for name, parts in simple.items()}, tuple(same))
