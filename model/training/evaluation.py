"""How good scores are, in figures that do not depend on the order of rows: offline and on verdicts alike."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import TrainingError
from model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALERT_BUDGET = 0.005
TOP = (100, 1000)
CURVE_BINS = 20
DAY_MS = 86_400_000
RESAMPLES = 200
MOST_CELLS = 4_000_000
"""Resamples of a very long list of frauds are fewer, for their memory."""
LEAST_RESAMPLES = 40
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scored payments and what became of them; columns of one length, any order."""

    probability: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    amount_paise: NDArray[np.float64] | None = None
    """NaN counts as 0."""
    typology: Sequence[str | None] | None = None
    verdict: NDArray[np.uint8] | None = None
    event_time: NDArray[np.int64] | None = None
    """Epoch milliseconds: for figures a day."""
    payee_reported: NDArray[np.bool_] | None = None
    """Whether the payee had been reported for fraud before the payment."""

    def __len__(self) -> int:
        return len(self.fraud)


def evaluate(scores: Scores, *, alert_budget: float = ALERT_BUDGET, base_rate: float | None = None) -> dict[str, Any]:
    """Return the figures as JSON values; None where frauds or genuine payments are lacking to give one.

    recall_at_budget: share of frauds among the `alert_budget` x payments with the highest scores; where the last of
    them ties with others, the expected share. by_typology, by_payee: for some of the frauds against all genuine
    payments. With `base_rate`, the figures that depend on it are given again as they would be if that share of
    payments were fraud (`at_base_rate`).
    """
    if not len(scores):
        raise TrainingError("Expected scored payments to evaluate, got none; widen --since and --until.")
    fraud, probability = scores.fraud, scores.probability
    payments, frauds = len(fraud), int(fraud.sum())
    ranked = Ranking(probability, fraud)
    budget = max(1, int(alert_budget * payments))
    figures: dict[str, Any] = {
        "payments": payments,
        "frauds": frauds,
        "fraud_share": frauds / payments,
        "roc_auc": _roc_auc(fraud, probability),
        **average_precision(probability[fraud], probability[~fraud]),
        "alert_budget": alert_budget,
        "alerts_at_budget": budget,
        "recall_at_budget": ranked.caught(budget) / frauds if frauds else None,
        "precision_at_budget": ranked.caught(budget) / budget,
        "precision_at": {str(k): ranked.caught(k) / k for k in TOP if k <= payments},
        "expected_frauds": float(np.sort(probability).sum()),
        "brier": float(np.sort((probability - fraud) ** 2).mean()),
        "calibration": calibration_curve(probability, fraud),
    }
    if scores.amount_paise is not None:
        amount = np.nan_to_num(scores.amount_paise)
        stolen = float(np.sort(amount[fraud]).sum())
        caught = Ranking(probability, np.where(fraud, amount, 0.0)).caught(budget)
        figures["fraud_amount_paise"] = stolen
        figures["value_recall_at_budget"] = caught / stolen if stolen else None
    if scores.event_time is not None:
        figures["days"] = (int(scores.event_time.max()) - int(scores.event_time.min())) / DAY_MS
    groups = _Groups(scores, ranked.cut(budget))
    if scores.typology is not None:
        kinds = [scores.typology[row] or "UNKNOWN" for row in groups.rows.tolist()]
        figures["by_typology"] = groups.figures(kinds)
    if scores.payee_reported is not None:
        known = scores.payee_reported[groups.rows]
        figures["by_payee"] = {"REPORTED_BEFORE": groups.of(known), "NOT_REPORTED": groups.of(~known)}
    if scores.verdict is not None:
        figures["by_verdict"] = _by_verdict(scores.verdict, fraud)
    if base_rate is not None and 0 < frauds < payments:
        figures["at_base_rate"] = _at_base_rate(scores, ranked, budget, base_rate)
    return figures


class Ranking:
    """Payments by score, highest first, ties kept together."""

    def __init__(self, probability: NDArray[np.float64], worth: NDArray[Any]) -> None:
        """worth: what finding a payment counts: 1 for a fraud, its amount, 0 for a genuine payment."""
        score, group, size = np.unique(-probability, return_inverse=True, return_counts=True)
        self._score = -score
        self._size = size
        self._through = np.cumsum(size)
        order = np.lexsort((worth, group))  # a sum of floats depends on the order of rows, so that is fixed here
        self._worth = np.bincount(group[order], weights=np.asarray(worth, dtype=np.float64)[order])

    def caught(self, k: int) -> float:
        """Return the worth among the k highest scores; of a tie at the edge, the expected part."""
        whole = int(np.searchsorted(self._through, k, side="right"))
        worth = float(self._worth[:whole].sum())
        if whole < len(self._size):
            before = int(self._through[whole - 1]) if whole else 0
            worth += float(self._worth[whole]) * (k - before) / int(self._size[whole])
        return worth

    def cut(self, k: int) -> tuple[float, float]:
        """Return the score of the k-th payment, and the share of the payments with just that score that are within."""
        at = min(int(np.searchsorted(self._through, k, side="left")), len(self._size) - 1)
        before = int(self._through[at - 1]) if at else 0
        return float(self._score[at]), min(1.0, (k - before) / int(self._size[at]))


def calibration_curve(probability: NDArray[np.float64], fraud: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Return bins of equal payment counts from the lowest scores up, narrower towards the top.

    A bin holds half of the payments above the one before, so that the few high scores are seen at all.
    """
    order = np.lexsort((fraud, probability))
    edges = [0]
    while len(edges) < CURVE_BINS and len(order) - edges[-1] > 40:
        edges.append(edges[-1] + (len(order) - edges[-1] + 1) // 2)
    edges.append(len(order))
    curve = []
    for start, end in itertools.pairwise(edges):
        rows = order[start:end]
        curve.append(
            {
                "payments": len(rows),
                "mean_probability": float(probability[rows].mean()),
                "fraud_share": float(fraud[rows].mean()),
            }
        )
    return curve


def _roc_auc(fraud: NDArray[np.bool_], probability: NDArray[np.float64]) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(fraud, probability)) if 0 < fraud.sum() < len(fraud) else None


def average_precision(frauds: NDArray[np.float64], genuine: NDArray[np.float64]) -> dict[str, Any]:
    """Return `average_precision` and its 95 % interval `[low, high]` of the scores of some frauds among all genuine.

    Equal to scikit-learn's, ties included, and the same in any order. None where there are no frauds; no interval of
    a single fraud. It needs no more of genuine payments than how many lie above each fraud. So frauds are drawn anew
    with replacement, and the genuine payments between two of their scores by Poisson's law, which is what drawing
    each of them anew gives (the Poisson bootstrap). Payments are taken as independent; frauds of one campaign are
    not, so the truth is wider.
    """
    if not len(frauds):
        return {"average_precision": None, "average_precision_interval": None}
    scores, hits = np.unique(frauds, return_counts=True)
    hits = hits[::-1]
    above = len(genuine) - np.searchsorted(np.sort(genuine, kind="stable"), scores[::-1], side="left")
    interval = None
    if len(frauds) > 1:
        between = np.diff(above, prepend=0)
        resamples = max(LEAST_RESAMPLES, min(RESAMPLES, MOST_CELLS // len(hits)))
        random = np.random.default_rng(0)
        drawn = [
            _average(random.multinomial(len(frauds), hits / len(frauds)), random.poisson(between).cumsum())
            for _ in range(resamples)
        ]
        interval = [float(one) for one in np.percentile(drawn, PERCENTILES)]
    return {"average_precision": _average(hits, above), "average_precision_interval": interval}


def _average(hits: NDArray[np.int64], genuine_above: NDArray[np.int64]) -> float:
    """Return the average precision of frauds by descending score."""
    caught = hits.cumsum()
    precision = np.divide(caught, caught + genuine_above, out=np.zeros(len(hits)), where=caught > 0)
    return float((hits * precision).sum() / caught[-1])


class _Groups:
    """Figures of some of the frauds, each group against all genuine payments."""

    def __init__(self, scores: Scores, cut: tuple[float, float]) -> None:
        threshold, share = cut
        self.rows = np.flatnonzero(scores.fraud)
        self._probability = scores.probability[self.rows]
        self._genuine = np.sort(scores.probability[~scores.fraud])  # once: sorted, it is sorted again at no cost
        self._within = np.where(
            self._probability > threshold, 1.0, np.where(self._probability == threshold, share, 0.0)
        )

    def figures(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return figures by name; one name for each of the frauds in `rows`."""
        of = np.array(names, dtype=object)
        return {name: self.of(of == name) for name in sorted(set(names))}

    def of(self, some: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the figures of some of the frauds in `rows`."""
        within = np.sort(self._within[some])
        return {
            "frauds": len(within),
            "recall_at_budget": float(within.mean()) if len(within) else None,
            **average_precision(self._probability[some], self._genuine),
        }


def _by_verdict(verdict: NDArray[np.uint8], fraud: NDArray[np.bool_]) -> dict[str, dict[str, float | None]]:
    figures: dict[str, dict[str, float | None]] = {}
    for level in (Verdict.REVIEW, Verdict.HOLD, Verdict.BLOCK):
        given = verdict >= level
        hits = int((given & fraud).sum())
        figures[f"{level.name}_or_stricter" if level is not Verdict.BLOCK else level.name] = {
            "share": float(given.mean()),
            "precision": hits / int(given.sum()) if given.any() else None,
            "recall": hits / int(fraud.sum()) if fraud.any() else None,
        }
    return figures


def _at_base_rate(scores: Scores, ranked: Ranking, budget: int, base_rate: float) -> dict[str, float | None]:
    """Count each fraud as often as makes their share the base rate; who is genuine stays who he is."""
    fraud = scores.fraud
    frauds, genuine = int(fraud.sum()), int((~fraud).sum())
    weight = base_rate / (1 - base_rate) * genuine / frauds
    hits = ranked.caught(budget)
    return {
        "base_rate": base_rate,
        "average_precision": _weighted_precision(fraud, scores.probability, np.where(fraud, weight, 1.0)),
        "precision_at_budget": hits * weight / (hits * weight + budget - hits),
        "false_alerts_per_fraud": (budget - hits) / (hits * weight) if hits else None,
    }


def _weighted_precision(
    fraud: NDArray[np.bool_], probability: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(fraud, probability, sample_weight=weight))
