"""The report of a trial as JSON: the figures that programs read, by the names of docs/your-own-data.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from history.refusals import Refusals
    from upifraud.trial.run import Asked, Trial


def report_of(trial: Trial, asked: Asked) -> dict[str, Any]:
    """Return the report as JSON values."""
    payments, outcomes = trial.refusals
    thresholds = trial.artifact.thresholds
    return {
        "file": payments.path.name,
        **counts(payments),
        "outcomes": counts(outcomes) | {"unmatched": outcomes.unmatched},
        **trial.parts,
        "train_share": asked.train_share,
        "label_delay_ms": trial.label_delay,
        "label_delay_assumed": asked.assumed_delay is not None,
        "metrics": trial.metrics,
        "not_attainable": trial.not_attainable,
        "reasons": trial.reasons,
        "findings": trial.findings,
        "model": {
            "model_id": trial.artifact.model_id,
            "schema_hash": trial.artifact.schema_hash,
            "thresholds": {"review": thresholds.review, "hold": thresholds.hold, "block": thresholds.block},
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
