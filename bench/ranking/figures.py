"""Figures of a ranking, from where its frauds stand: average precision, recall at a budget, and their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BUDGET: Final = 0.005
"""Share of payments that can be looked at."""
ROUNDS: Final = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where the frauds of a ranked list stand, best first: columns of one length."""

    above: NDArray[np.int64]
    """Genuine payments with the same score or a higher one."""
    typology: NDArray[np.str_]
    campaign: NDArray[np.int64]
    payments: int

    def of(self, typology: str) -> Standing:
        """Return the frauds of one typology among all genuine payments."""
        kept = self.typology == typology
        return Standing(self.above[kept], self.typology[kept], self.campaign[kept], self.payments)


def standing(scores: NDArray[np.float64], typology: NDArray[np.str_], campaign: NDArray[np.int64]) -> Standing:
    """Return where frauds stand, given the scores of payments and their truth ('' is genuine)."""
    fraud = typology != ""
    genuine = np.sort(scores[~fraud])
    rows = np.flatnonzero(fraud)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    above = len(genuine) - np.searchsorted(genuine, scores[rows], side="left")
    return Standing(above, typology[rows], campaign[rows], len(scores))


def average_precision(where: Standing, weight: NDArray[np.float64] | None = None) -> float:
    """Return the mean precision at the frauds; NaN without any. `weight`: how often each fraud counts."""
    weight = np.ones(len(where.above)) if weight is None else weight
    total = weight.sum()
    if not total:
        return float("nan")
    caught = np.cumsum(weight)
    return float((weight * caught / np.maximum(caught + where.above, 1e-9)).sum() / total)


def recall(where: Standing, budget: float = BUDGET) -> float:
    """Return the share of the frauds among so many of the payments with the highest scores; NaN without any."""
    if not len(where.above):
        return float("nan")
    rank = where.above + np.arange(len(where.above))
    return float((rank < budget * where.payments).mean())


@dataclass(frozen=True, slots=True)
class Change:
    """By how much the mean over seeds rose, with how sure that is."""

    before: float
    after: float
    difference: float
    error: float
    """Standard error of the difference over seeds, paired; NaN of one seed."""
    low: float
    high: float
    """95 % interval: seeds drawn anew, and in each its campaigns."""


def compare(pairs: Sequence[tuple[Standing, Standing]], seed: int = 0) -> Change:
    """Compare two rankings of the same payments of several seeds; those without frauds are left out."""
    pairs = [pair for pair in pairs if len(pair[0].above)]
    values = np.array([[average_precision(one) for one in pair] for pair in pairs])
    difference = values[:, 1] - values[:, 0]
    error = difference.std(ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else float("nan")
    rng = np.random.default_rng(seed)
    drawn = [
        np.mean([_redrawn(pairs[at], rng) for at in rng.integers(0, len(pairs), len(pairs))]) for _ in range(ROUNDS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    before, after = values.mean(axis=0)
    return Change(float(before), float(after), float(difference.mean()), float(error), float(low), float(high))


def _redrawn(pair: tuple[Standing, Standing], rng: np.random.Generator) -> float:
    """Return the difference with campaigns drawn anew, the same ones for both."""
    campaigns = np.unique(pair[0].campaign)
    if not np.array_equal(campaigns, np.unique(pair[1].campaign)):
        raise ValueError("Expected two rankings of the same frauds, got others; measure both anew.")
    times = np.bincount(rng.integers(0, len(campaigns), len(campaigns)), minlength=len(campaigns)).astype(np.float64)
    first, second = (average_precision(one, times[np.searchsorted(campaigns, one.campaign)]) for one in pair)
    return second - first
