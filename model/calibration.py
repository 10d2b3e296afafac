"""Margins turned into probabilities of fraud by a strictly rising curve, the same bits on every machine and batch.

Fitted by isotonic regression of the log-odds over bins of equal fraud counts, joined by straight lines between the
bins' centres (centred isotonic regression, Oron and Flournoy 2017), so that the curve rises strictly and ranks stay
as they are; beyond the outermost centres it goes on with slope 1, as the classifier itself believes. A last shift
makes the mean probability equal the observed share of fraud. The curve is stored as a table of straight pieces over
the whole range of margins: evaluating it takes only compares, one multiplication and additions, which IEEE 754
rounds alike everywhere, while exp and log differ between libraries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from model.errors import ArtifactError, TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOTS = 1025
MAX_BINS = 20
MIN_FRAUDS_PER_BIN = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """A strictly rising piecewise linear curve from margin to probability."""

    margin: NDArray[np.float64]
    probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse a curve that is not one, so that a higher margin never means a lower probability."""
        margin, probability = self.margin, self.probability
        if not (
            margin.dtype == probability.dtype == np.float64
            and margin.ndim == 1
            and margin.shape == probability.shape
            and len(margin) > 1
            and bool((np.diff(margin) > 0).all())
            and bool((np.diff(probability) >= 0).all())
            and bool(np.isfinite(margin).all())
            and 0 <= probability[0] <= probability[-1] <= 1
        ):
            raise ArtifactError(
                "Expected a calibration of rising finite margins and rising probabilities in [0, 1]; "
                "build the artifact anew with `upifraud train`."
            )

    def apply(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each margin, shape [n]; never falls as the margin rises."""
        probability = np.empty(len(margin), dtype=np.float64)
        _interpolate(margin, self.margin, self.probability, probability)
        return probability


def fit_calibration(
    margin: NDArray[np.float64],
    fraud: NDArray[np.bool_],
    margin_range: tuple[float, float],
    base_rate: float | None = None,
) -> Calibration:
    """Return the calibration of a slice later than the one that trained.

    margin_range: the least and greatest margin the classifier can give. base_rate: the share of fraud of the stream
    that the probabilities are for; by default the slice's own. Another one multiplies the odds by a constant, which
    changes no ranks. Raises TrainingError without fraud or without genuine payments.
    """
    n, frauds = len(margin), int(fraud.sum())
    if not 0 < frauds < n:
        raise TrainingError(
            f"Expected fraud and genuine payments to calibrate on, got {frauds} frauds in {n} payments; "
            "give a longer history."
        )
    centre, log_odds = _isotonic(margin, fraud)
    shift = _shift(_log_odds_at(margin, centre, log_odds), frauds / n)
    if base_rate is not None:
        if not 0 < base_rate < 1:
            raise TrainingError(f"Expected a base rate between 0 and 1, got {base_rate}; 7e-6 is 7 per million.")
        shift += math.log(base_rate / (1 - base_rate)) - math.log(frauds / (n - frauds))
    low, high = margin_range
    knots = np.linspace(low, max(high, low + 1.0), KNOTS)
    probability = _sigmoid(_log_odds_at(knots, centre, log_odds) + shift)
    return Calibration(margin=knots, probability=np.maximum.accumulate(probability))


def _isotonic(margin: NDArray[np.float64], fraud: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centres of margin and their log-odds, both strictly rising."""
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(margin, kind="stable")[::-1]
    per_bin = max(MIN_FRAUDS_PER_BIN, int(fraud.sum()) // MAX_BINS)
    bins = np.maximum(np.cumsum(fraud[order]) - 1, 0) // per_bin  # from the top: where the frauds are, bins are narrow
    payments = np.bincount(bins).astype(np.float64)
    frauds = np.bincount(bins, weights=fraud[order])
    centre = np.bincount(bins, weights=margin[order]) / payments
    share = (frauds + 0.5) / (payments + 1.0)  # neither 0 nor 1, whose log-odds are infinite
    rising = isotonic_regression(share[::-1], sample_weight=payments[::-1])
    blocks = np.concatenate(([0], np.cumsum(np.diff(rising) > 0)))
    weight = np.bincount(blocks, weights=payments[::-1])
    centre = np.bincount(blocks, weights=(centre * payments)[::-1]) / weight
    share = np.bincount(blocks, weights=rising * payments[::-1]) / weight
    keep = np.concatenate(([True], np.diff(centre) > 0))  # ties in margin may put two bins on one centre
    return centre[keep], np.log(share[keep] / (1 - share[keep]))


def _log_odds_at(
    margin: NDArray[np.float64], centre: NDArray[np.float64], log_odds: NDArray[np.float64]
) -> NDArray[np.float64]:
    inside: NDArray[np.float64] = np.interp(margin, centre, log_odds)
    outside: NDArray[np.float64] = np.minimum(margin - centre[0], 0.0) + np.maximum(margin - centre[-1], 0.0)
    return inside + outside


def _shift(log_odds: NDArray[np.float64], rate: float) -> float:
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        if float(_sigmoid(log_odds + middle).mean()) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -log_odds))


@njit(cache=True, nogil=True)
def _interpolate(margin, knots, probability, out):  # type: ignore[no-untyped-def]
    last = len(knots) - 1
    for row in range(len(margin)):
        m = margin[row]
        low = 0
        high = last
        while high - low > 1:
            middle = (low + high) >> 1
            if knots[middle] <= m:
                low = middle
            else:
                high = middle
        if m <= knots[0]:
            out[row] = probability[0]
        elif m >= knots[last]:
            out[row] = probability[last]
        else:
            slope = (probability[low + 1] - probability[low]) / (knots[low + 1] - knots[low])
            value = probability[low] + (m - knots[low]) * slope
            out[row] = min(value, probability[low + 1])  # rounding must not lift a piece above the next
