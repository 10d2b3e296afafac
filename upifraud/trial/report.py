"""The report of a trial as JSON: the figures that programs read, by the names of docs/your-own-data.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from history.refusals import Refusals
    from upifraud.trial.run import Asked, Trial


def report_of(trial: Trial, asked: Asked, payments: Refusals, outcomes: Refusals) -> dict[str, Any]:
    """Return the report as JSON values."""
    return {
        "file": payments.path.name,
        **counts(payments),
        "outcomes": counts(outcomes) | {"unmatched": outcomes.unmatched},
        **trial.parts,
        "train_share": asked.train_share,
        "label_delay_ms": asked.label_delay,
        "label_delay_assumed": asked.assumed_delay is not None,
        "metrics": trial.metrics,
        "not_attainable": trial.not_attainable,
        "reasons": trial.reasons,
        "findings": [{"code": finding.code, "text": finding.text} for finding in trial.findings],
        "model": {
            "model_id": trial.artifact.model_id,
            "schema_hash": trial.artifact.schema_hash,
            "review": trial.artifact.thresholds.review,
            "hold": trial.artifact.thresholds.hold,
            "block": trial.artifact.thresholds.block,
        },
    }


def counts(refusals: Refusals) -> dict[str, Any]:
    """Return what became of the rows of a file: each was accepted, refused, or a duplicate."""
    return {
        "rows": refusals.rows,
        "accepted": refusals.rows - refusals.refused - refusals.duplicates,
        "rejected": dict(refusals.reasons.most_common()),
        "duplicates": refusals.duplicates,
    }
