"""The risk score: the probability of fraud as a number from 0 to 100 that people can read.

Calibrated probabilities crowd near 0, where nobody can tell a thousandth from a ten-thousandth. The risk score says
how rare a score is: 20 points more means that ten times fewer payments score as high. One payment in 10 has at least
20, one in 100 at least 40, one in 1,000 at least 60. It is a map of the probability alone and never falls as that
rises, so no rank changes by it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from features.compiled import njit
from model.errors import ArtifactError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION: Final = 1
"""Counts up whenever the knots change their meaning."""

POINTS_A_DECADE: Final = 20.0
STEP: Final = 10.0**-0.5
"""Each knot is for this share of the payments of the one before."""

MIN_PAYMENTS: Final = 10
"""A share measured on fewer payments says nothing."""

MOST: Final = 100.0


@dataclass(frozen=True, slots=True)
class RiskMap:
    """A rising piecewise linear curve from probability to risk score; clamped outside."""

    probability: tuple[float, ...]
    score: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse a curve that is not one: a higher probability must never mean a lower risk score."""
        probability, score = self.probability, self.score
        if not (
            len(probability) == len(score) > 1
            and all(math.isfinite(knot) for knot in (*probability, *score))
            and list(probability) == sorted(set(probability))
            and list(score) == sorted(score)
            and 0 <= probability[0] <= probability[-1] <= 1
            and 0 <= score[0] <= score[-1] <= MOST
        ):
            raise ArtifactError(
                "Expected a risk map of rising probabilities in [0, 1] and rising scores in [0, 100]; build the "
                "artifact anew with `upifraud train`."
            )

    def of(self, probability: float) -> int:
        """Return the risk score of a probability, a whole number from 0 to 100, the same on every machine."""
        knots, scores = self.probability, self.score
        above = bisect_right(knots, probability)
        if above == 0:
            exact = scores[0]
        elif above == len(knots):
            exact = scores[-1]
        else:
            low, high = above - 1, above
            # A share of the piece, not its slope: that has no number where two knots are next to each other.
            share = (probability - knots[low]) / (knots[high] - knots[low])
            # Rounding must not lift a piece above the next.
            exact = min(scores[low] + share * (scores[high] - scores[low]), scores[high])
        return int(exact + 0.5)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {"version": VERSION, "probability": list(self.probability), "score": list(self.score)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RiskMap:
        """Read what `to_json` wrote; raises KeyError, TypeError or ArtifactError where it is something else."""
        if value["version"] != VERSION:
            raise ArtifactError(
                f"Expected a risk map of version {VERSION}, got {value['version']}; run the release that trained the "
                "artifact, or train it anew with `upifraud train`."
            )
        return cls(tuple(map(float, value["probability"])), tuple(map(float, value["score"])))


@njit()
def points_of(probability, knots, scores):  # type: ignore[no-untyped-def]
    """Return what `RiskMap.of` does, by the same arithmetic, for kernels; knots and scores are the map's, float64."""
    above = 0
    while above < len(knots) and knots[above] <= probability:
        above += 1
    if above == 0:
        exact = scores[0]
    elif above == len(knots):
        exact = scores[above - 1]
    else:
        low = above - 1
        share = (probability - knots[low]) / (knots[above] - knots[low])
        exact = min(scores[low] + share * (scores[above] - scores[low]), scores[above])
    return np.int64(exact + 0.5)


def fit_risk_map(probability: NDArray[np.float64]) -> RiskMap:
    """Return the map of a stream whose payments have these probabilities, float64 [n].

    They must be of payments that fitted no tree: those that did are scored better than any that will come.
    """
    ranked = np.sort(probability)
    n = len(ranked)
    knots, scores = [0.0], [0.0]
    share = STEP
    while share * n >= MIN_PAYMENTS:
        knot = float(ranked[n - math.ceil(share * n)])
        at_least = n - int(np.searchsorted(ranked, knot, side="left"))  # more than the share, where scores are equal
        score = round(-POINTS_A_DECADE * math.log10(at_least / n), 3)
        if knots[-1] < knot < 1.0 and scores[-1] < score < MOST:
            knots.append(knot)
            scores.append(score)
        share *= STEP
    return RiskMap((*knots, 1.0), (*scores, MOST))
