"""Why the model alerted: the reasons of frauds that were found, of false alerts, and a few payments in sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from model.reasons import Explainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.artifact import Artifact

TOP: Final = 3
"""Reasons of a payment that are counted."""
SHOWN: Final = 8
"""Codes of each kind that are shown."""
EXPLAINED: Final = 2_000
"""Alerts that are explained at most, the highest first."""
EXAMPLES: Final = 3
"""Payments of each kind that are told in sentences."""


@dataclass(frozen=True, slots=True, eq=False)
class Alerts:
    """The payments of the later part that the budget lets be looked at, the highest score first."""

    rows: NDArray[np.intp]
    """Of the later part."""
    fraud: NDArray[np.bool_]


def alerts_of(probability: NDArray[np.float64], fraud: NDArray[np.bool_], budget: int) -> Alerts:
    """Return the alerts of a budget; ties are broken by the order of rows."""
    rows = np.argsort(-probability, kind="stable")[: min(budget, EXPLAINED)]
    return Alerts(rows, fraud[rows])


def reasons_of(
    artifact: Artifact, vectors: NDArray[np.float32], alerts: Alerts, missed: NDArray[np.intp]
) -> dict[str, object]:
    """Return the most frequent codes by kind of alert, and examples, as JSON values.

    vectors: of the later part. missed: rows of frauds without an alert, any number.
    """
    explainer = Explainer(artifact)
    kinds = {
        "frauds_found": alerts.rows[alerts.fraud],
        "false_alerts": alerts.rows[~alerts.fraud],
        "frauds_missed": missed[:EXPLAINED],
    }
    told: dict[str, object] = {}
    for kind, rows in kinds.items():
        codes: Counter[str] = Counter()
        scored = artifact.scorer.score(np.ascontiguousarray(vectors[rows]))
        examples = []
        for at, row in enumerate(rows.tolist()):
            shares = explainer.shares(vectors[row], scored.contributions[at], TOP)
            codes.update({share.code for share in shares})
            if at < EXAMPLES:
                reasons = explainer.reasons(vectors[row], scored.contributions[at], TOP)
                examples.append(
                    {
                        "payment": row,
                        "score": float(scored.probability[at]),
                        "reasons": [{"code": reason.code, "text": reason.text} for reason in reasons],
                    }
                )
        told[kind] = {
            "payments": len(rows),
            "codes": [{"code": code, "payments": count} for code, count in codes.most_common(SHOWN)],
            "examples": examples,
        }
    return told
