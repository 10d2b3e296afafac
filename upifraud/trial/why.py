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
"""Payments of each kind that are explained at most, the highest scores first."""
EXAMPLES: Final = 3
"""Payments of each kind that are told in sentences."""


@dataclass(frozen=True, slots=True, eq=False)
class Alerts:
    """Rows of the later part by what a budget of alerts makes of them, each the highest score first."""

    frauds_found: NDArray[np.intp]
    false_alerts: NDArray[np.intp]
    frauds_missed: NDArray[np.intp]

    @property
    def told(self) -> NDArray[np.intp]:
        """All of them, one kind after the other."""
        return np.concatenate([self.frauds_found, self.false_alerts, self.frauds_missed])


def alerts_of(probability: NDArray[np.float64], fraud: NDArray[np.bool_], budget: int) -> Alerts:
    """Return the alerts of a budget; ties are broken by the order of rows."""
    order = np.argsort(-probability, kind="stable")
    alerts, rest = order[:budget], order[budget:]
    return Alerts(alerts[fraud[alerts]][:EXPLAINED], alerts[~fraud[alerts]][:EXPLAINED], rest[fraud[rest]][:EXPLAINED])


def reasons_of(artifact: Artifact, alerts: Alerts, vectors: NDArray[np.float32]) -> dict[str, object]:
    """Return the most frequent codes by kind, and examples, as JSON values; vectors: those of `alerts.told`."""
    explainer = Explainer(artifact)
    told: dict[str, object] = {}
    start = 0
    for kind in ("frauds_found", "false_alerts", "frauds_missed"):
        rows = getattr(alerts, kind)
        mine = np.ascontiguousarray(vectors[start : start + len(rows)])
        start += len(rows)
        scored = artifact.scorer.score(mine)
        codes: Counter[str] = Counter()
        examples = []
        for at, vector in enumerate(mine):
            codes.update({share.code for share in explainer.shares(vector, scored.contributions[at], TOP)})
            if at < EXAMPLES:
                reasons = explainer.reasons(vector, scored.contributions[at], TOP)
                texts = [{"code": reason.code, "text": reason.text} for reason in reasons]
                examples.append({"score": float(scored.probability[at]), "reasons": texts})
        told[kind] = {
            "payments": len(rows),
            "codes": [{"code": code, "payments": count} for code, count in codes.most_common(SHOWN)],
            "examples": examples,
        }
    return told
