"""What is done with a payment, by thresholds on the calibrated probability."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from model.errors import ArtifactError, TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = 2.0
"""A threshold above every probability; finite, so that it passes through JSON and databases."""

MIN_ALERTS = 10
"""A precision measured on fewer payments says nothing."""


class Verdict(IntEnum):
    """Codes of verdicts, in order of severity."""

    ALLOW = 0
    REVIEW = 1
    HOLD = 2
    BLOCK = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least probability of each verdict but ALLOW; `NEVER` where no payment gets it."""

    review: float
    hold: float
    block: float

    def __post_init__(self) -> None:
        """Refuse thresholds out of order."""
        if not 0 < self.review <= self.hold <= self.block <= NEVER:
            raise ArtifactError(
                f"Expected thresholds 0 < review <= hold <= block <= {NEVER}, got "
                f"{self.review}, {self.hold}, {self.block}; correct the artifact's thresholds."
            )

    def verdicts(self, probability: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the verdict code of each probability, shape [n]."""
        least = np.array((self.review, self.hold, self.block))
        return least.searchsorted(probability, side="right").astype(np.uint8)


def choose_thresholds(
    probability: NDArray[np.float64],
    fraud: NDArray[np.bool_],
    alert_budget: float,
    hold_precision: float,
    block_precision: float,
    fraud_weight: float = 1.0,
) -> Thresholds:
    """Return thresholds that spend at most the alert budget and reach the precisions on the given slice.

    alert_budget: share of payments that get REVIEW or stricter. HOLD and BLOCK are given from the least probability
    on at which the precision of all payments above reaches its target, on at least 10 payments and within the budget;
    never, where that does not happen. fraud_weight: counts a fraud this many times, for another base rate.
    """
    for name, share in (("alert budget", alert_budget), ("hold", hold_precision), ("block", block_precision)):
        if not 0 < share <= 1:
            raise TrainingError(f"Expected the {name} as a share in (0, 1], got {share}; 0.005 is one in 200.")
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    last_of_tie = np.append(ranked[1:] < ranked[:-1], True)
    alerts = np.arange(1, len(ranked) + 1)
    affordable = last_of_tie & (alerts <= alert_budget * len(ranked))
    if not affordable.any():
        return Thresholds(review=NEVER, hold=NEVER, block=NEVER)
    review = float(ranked[affordable][-1])
    hits = np.cumsum(fraud[order]) * fraud_weight
    precision = hits / (hits + np.cumsum(~fraud[order]))
    measured = affordable & (alerts >= MIN_ALERTS)
    hold = _least(ranked, measured & (precision >= hold_precision))
    block = _least(ranked, measured & (precision >= block_precision))
    return Thresholds(review=review, hold=min(hold, block), block=block)


def _least(ranked: NDArray[np.float64], reached: NDArray[np.bool_]) -> float:
    return float(ranked[reached][-1]) if reached.any() else NEVER
