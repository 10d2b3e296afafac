"""A trial from a history to its figures: trained on the earlier part, scored and judged on the later part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from model.artifact import REPORT
from model.training.evaluation import Ranking, Scores, evaluate
from model.training.plots import draw
from model.training.train import train_of
from model.training.vectors import Within, hold
from upifraud.commands.train import train_artifact
from upifraud.proposal.became import LONGEST_MS, SHARE
from upifraud.trial.findings import Facts, findings
from upifraud.trial.history import refusals_of
from upifraud.trial.judged import Judged, judge
from upifraud.trial.split import Split, split
from upifraud.trial.why import alerts_of, reasons_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from history.measured import Measured
    from history.refusals import Refusals
    from history.spill.spilled import Spilled
    from model.artifact import Artifact
    from model.training.labels import Labels
    from model.training.settings import TrainingSettings
    from upifraud.trial.history import InMemory, OnDisk, Step

BUDGETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05)
"""Shares of payments that can be looked at, of which the report tells."""

OF_TRAINING: Final = ("importance.png", "contributions.png")
"""Plots that the training made, and the trial shows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a trial is made."""

    train_share: float
    label_delay: int | None
    """Milliseconds after the end of the earlier part until which outcomes are used; None: by the file's span."""
    assumed_delay: str | None
    """As the map says it, where it makes the times of reports up."""
    settings: TrainingSettings
    baselines: bool = True
    """Whether simple models are trained beside."""

    def delay_of(self, event_time: NDArray[np.int64]) -> int:
        """Return how long after the end of the earlier part outcomes are waited for, in milliseconds."""
        if self.label_delay is not None:
            return self.label_delay
        return min(LONGEST_MS, int(event_time.max() - event_time.min()) // SHARE)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came of a trial."""

    artifact: Artifact
    parts: dict[str, dict[str, int]]
    """train and test: payments, frauds, since, until."""
    label_delay: int
    metrics: dict[str, Any]
    not_attainable: dict[str, Any] | None
    """Metrics as they would be if frauds were known at once; None where that cannot be told."""
    reasons: dict[str, Any]
    findings: list[dict[str, Any]]
    plots: dict[str, bytes]
    refusals: tuple[Refusals, Refusals]
    """Of payments, and of outcomes."""


def run(history: InMemory | OnDisk, asked: Asked, directory: Path, step: Step) -> Trial:
    """Return the figures of a trial; the artifact is written to `directory`. Raises ModelError."""
    settings = asked.settings
    with history.known_in_time(step) as measured:
        parts = split(measured.event_time, asked.train_share)
        labels = measured.labels(np.arange(len(measured)))
        delay = asked.delay_of(measured.event_time)
        made = train_artifact(measured, None, parts.cut, delay, settings, directory, step, baselines=asked.baselines)
        judged = judge(measured, parts.test, labels, made, step("scoring", len(parts.test)))
        metrics = _metrics(judged, settings)
        told = _reasons(made.artifact, measured, parts, judged, metrics["alerts_at_budget"])
        facts = Facts(
            event_time=measured.event_time,
            parts=parts,
            fraud=labels.fraud,
            columns=history.columns,
            metrics=metrics,
            constant=judged.constant,
            reordered=history.reordered,
            assumed_delay=asked.assumed_delay,
            of_training=json.loads((directory / REPORT).read_bytes())["findings"],
        )
        others = {name: judged.by(name) for name in judged.baselines}
        plots = draw(judged.scores, metrics, others) | {
            name: (directory / name).read_bytes() for name in OF_TRAINING if (directory / name).exists()
        }
        refusals, times = refusals_of(measured), _parts(measured.event_time, parts, labels.fraud)
        del measured  # its vectors are as large as all the rest, and are about to be made once more
    found = [finding.to_json() for finding in findings(facts)]
    beside = _at_once(history, parts, labels, settings, step)
    return Trial(made.artifact, times, delay, metrics, beside, told, found, plots, refusals)


def _metrics(judged: Judged, settings: TrainingSettings) -> dict[str, Any]:
    metrics = evaluate(judged.scores, alert_budget=settings.alert_budget, base_rate=settings.base_rate)
    metrics["baselines"] = judged.baseline_figures(settings.alert_budget)
    metrics["at_budgets"] = _at_budgets(judged.scores)
    return metrics


def _at_budgets(scores: Scores) -> list[dict[str, Any]]:
    """Return precision and recall where other shares of the payments can be looked at."""
    ranked, frauds = Ranking(scores.probability, scores.fraud), int(scores.fraud.sum())
    rows = []
    for share in BUDGETS:
        alerts = max(1, int(share * len(scores)))
        caught = ranked.caught(alerts)
        recall = caught / frauds if frauds else None
        rows.append({"alert_budget": share, "alerts": alerts, "precision": caught / alerts, "recall": recall})
    return rows


def _reasons(
    artifact: Artifact, measured: Measured | Spilled, parts: Split, judged: Judged, budget: int
) -> dict[str, Any]:
    alerts = alerts_of(judged.scores.probability, judged.scores.fraud, budget)
    told = parts.test[alerts.told]
    held = hold(measured, np.unique(told))
    return reasons_of(artifact, alerts, held.of(told))


def _at_once(
    history: InMemory | OnDisk, parts: Split, labels: Labels, settings: TrainingSettings, step: Step
) -> dict[str, Any] | None:
    """Return the figures as they would be if every fraud were known in the moment of its payment."""
    with history.known_at_once(step) as measured:
        if measured is None:
            return None
        earlier = parts.train
        fraud, times = labels.fraud[earlier], measured.event_time[earlier]
        trained = train_of(Within(measured, earlier), fraud, times, settings, step=step)
        # Of the very payments that the trial itself is judged by.
        probability, moved = np.empty(len(parts.test)), step("scoring", len(parts.test))
        for part, vectors in measured.taken(parts.test):
            probability[part] = trained.scorer.probabilities(vectors)
            moved(part.stop)
    verdict = trained.thresholds.verdicts(probability)
    scores = Scores(probability, labels.fraud[parts.test], verdict=verdict)
    return {"label_delay_ms": 0, **evaluate(scores, alert_budget=settings.alert_budget, base_rate=settings.base_rate)}


def _parts(event_time: NDArray[np.int64], parts: Split, fraud: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    def part(rows: NDArray[np.intp], since: int, until: int) -> dict[str, int]:
        return {"payments": len(rows), "frauds": int(fraud[rows].sum()), "since": since, "until": until}

    return {
        "train": part(parts.train, int(event_time.min()), parts.cut),
        "test": part(parts.test, parts.cut, int(event_time.max()) + 1),
    }
