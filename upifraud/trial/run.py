"""A trial from a history to its figures: trained on the earlier part, scored and judged on the later part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from features.schema import FEATURE_NAMES
from model.training.evaluation import Ranking, Scores, evaluate
from model.training.labels import Labels, label
from model.training.plots import draw
from model.training.train import train_chunks
from upifraud.commands.train import train_artifact
from upifraud.trial.findings import Facts, Finding, findings
from upifraud.trial.history import Read, at_once, measured
from upifraud.trial.split import Split, split
from upifraud.trial.why import alerts_of, reasons_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from history.measured import Measured
    from model.artifact import Artifact
    from model.compiled.scoring import Scorer
    from model.training.settings import TrainingSettings

BUDGETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05)
"""Shares of payments that can be looked at, of which the report tells."""
CHUNK: Final = 65_536
AMOUNT: Final = "amount_paise"


@dataclass(frozen=True, slots=True)
class Asked:
    """How a trial is made."""

    train_share: float
    label_delay: int
    """Milliseconds after the end of the earlier part until which outcomes are used."""
    assumed_delay: str | None
    """As the map says it, where it makes the times of reports up."""
    settings: TrainingSettings
    baselines: bool = True
    """Whether simple models are trained beside."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came of a trial."""

    artifact: Artifact
    parts: dict[str, dict[str, int]]
    """train and test: payments, frauds, since, until."""
    metrics: dict[str, Any]
    not_attainable: dict[str, Any]
    """Metrics as they would be if frauds were known at once."""
    reasons: dict[str, Any]
    findings: list[Finding]
    plots: dict[str, bytes]


def run(read: Read, asked: Asked, directory: Path, step: Callable[[str, int], Callable[[int], None]]) -> Trial:
    """Return the figures of a trial; the artifact is written to `directory`. Raises ModelError."""
    history = read.history
    parts = split(history.event_time, asked.train_share)
    labels = label(history.transaction_id, read.reported.rows)
    payments = len(history.transaction_id)
    vectors = measured(read, read.reported, step("measuring", payments))
    artifact = train_artifact(vectors, None, parts.cut, asked.label_delay, asked.settings, directory, step)
    scores = _scores(artifact, vectors, parts, labels, step("scoring", len(parts.test)))
    metrics = evaluate(scores, alert_budget=asked.settings.alert_budget, base_rate=asked.settings.base_rate)
    metrics["at_budgets"] = _at_budgets(scores)
    facts = _facts(read, parts, labels, vectors, asked)
    budget = metrics["alerts_at_budget"]
    alerts = alerts_of(scores.probability, scores.fraud, budget)
    missed = np.setdiff1d(np.flatnonzero(scores.fraud), alerts.rows)
    told = reasons_of(artifact, vectors.vectors[parts.test], alerts, missed)
    found = findings(facts, artifact)
    plots = draw(scores, metrics)
    del vectors, facts  # as large as all the rest, and about to be made once more
    beside = _at_once(read, asked, parts, labels, step)
    return Trial(artifact, _parts(history.event_time, parts, labels.fraud), metrics, beside, told, found, plots)


def _scores(
    artifact: Artifact, vectors: Measured, parts: Split, labels: Labels, progress: Callable[[int], None]
) -> Scores:
    rows = parts.test
    probability = _probabilities(artifact.scorer, vectors.vectors, rows, progress)
    return Scores(
        probability=probability,
        fraud=labels.fraud[rows],
        amount_paise=vectors.vectors[rows, FEATURE_NAMES.index(AMOUNT)].astype(np.float64),
        typology=[labels.typology[row] for row in rows.tolist()],
        verdict=artifact.thresholds.verdicts(probability),
    )


def _probabilities(
    scorer: Scorer, vectors: NDArray[np.float32], rows: NDArray[np.intp], progress: Callable[[int], None]
) -> NDArray[np.float64]:
    made = []
    for start in range(0, len(rows), CHUNK):
        made.append(scorer.probabilities(vectors[rows[start : start + CHUNK]]))
        progress(min(start + CHUNK, len(rows)))
    return np.concatenate(made)


def _at_budgets(scores: Scores) -> list[dict[str, Any]]:
    """Return precision and recall where other shares of the payments can be looked at."""
    ranked, frauds = Ranking(scores.probability, scores.fraud), int(scores.fraud.sum())
    rows = []
    for share in BUDGETS:
        alerts = max(1, int(share * len(scores)))
        caught = ranked.caught(alerts)
        rows.append(
            {
                "alert_budget": share,
                "alerts": alerts,
                "precision": caught / alerts,
                "recall": caught / frauds if frauds else None,
            }
        )
    return rows


def _at_once(
    read: Read, asked: Asked, parts: Split, labels: Labels, step: Callable[[str, int], Callable[[int], None]]
) -> dict[str, Any]:
    """Return the figures as they would be if every fraud were known in the moment of its payment."""
    known = measured(read, at_once(read), step("without delay", len(read.history.transaction_id)))
    earlier = np.zeros(len(labels.fraud), dtype=np.bool_)
    earlier[parts.train] = True
    trained = train_chunks(
        _Earlier(known.vectors, earlier), labels.fraud[earlier], known.event_time[earlier], asked.settings
    )
    probability = _probabilities(trained.scorer, known.vectors, parts.test, lambda _done: None)
    scores = Scores(
        probability, labels.fraud[parts.test], verdict=trained.thresholds.verdicts(probability)
    )  # of the very payments that the trial itself is judged by
    figures = evaluate(scores, alert_budget=asked.settings.alert_budget, base_rate=asked.settings.base_rate)
    return {"label_delay_ms": 0, **figures}


@dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    """The vectors of some rows, in chunks, as often as they are asked for."""

    vectors: NDArray[np.float32]
    rows: NDArray[np.bool_]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(self.vectors), CHUNK):
            yield self.vectors[start : start + CHUNK][self.rows[start : start + CHUNK]]


def _facts(read: Read, parts: Split, labels: Labels, vectors: Measured, asked: Asked) -> Facts:
    history = read.history
    row_of = {one: row for row, one in enumerate(history.transaction_id)}
    reports = [(row_of[one.transaction_id], one) for one in read.reported.rows if one.transaction_id in row_of]
    rows = np.array([row for row, _ in reports], dtype=np.int64)
    reported_at = np.array([one.reported_at for _, one in reports], dtype=np.int64)
    return Facts(
        event_time=history.event_time,
        train=parts.train,
        test=parts.test,
        fraud=labels.fraud,
        payer=history.columns.payer,
        payee=history.columns.payee,
        delay_ms=reported_at - history.event_time[rows],
        report_row=rows,
        report_fraud=np.array([one.is_fraud for _, one in reports], dtype=np.bool_),
        vectors=vectors.vectors,
        reordered=read.reordered,
        assumed_delay=asked.assumed_delay,
        alert_budget=asked.settings.alert_budget,
    )


def _parts(event_time: NDArray[np.int64], parts: Split, fraud: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    def part(rows: NDArray[np.intp], since: int, until: int) -> dict[str, int]:
        return {"payments": len(rows), "frauds": int(fraud[rows].sum()), "since": since, "until": until}

    return {
        "train": part(parts.train, int(event_time.min()), parts.cut),
        "test": part(parts.test, parts.cut, int(event_time.max()) + 1),
    }
