"""Margins turned into probabilities of fraud by a strictly rising curve, the same bits on every machine and batch.

Fitted in three steps, each of which leaves the ranks as they are. A line in log-odds (Platt 1999); then isotonic
regression over bins of equal fraud counts, joined by straight lines between the bins' centres so that the curve rises
strictly (centred isotonic regression, Oron and Flournoy 2017), and following the first line beyond the outermost
centres; then a shift that makes the mean probability equal the observed share of fraud. With few frauds there is one
bin, and only the shift is left. The curve is stored as a table of straight pieces over the whole range of margins:
evaluating it takes only compares and elementary arithmetic, which IEEE 754 rounds alike everywhere, while exp and log
differ between libraries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from model.errors import ArtifactError, TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOTS = 1025
MAX_BINS = 20
MIN_FRAUDS_PER_BIN = 10
MOST_LOG_ODDS = 30.0
"""Beyond, a probability is 1 in double precision, and its log-odds are infinite."""


@dataclass(frozen=True, slots=True, eq=False)
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
        interpolate(margin, self.margin, self.probability, probability)
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
    slope, intercept = _line(margin, fraud)
    centre, corrected = _isotonic(slope * margin + intercept, fraud)

    def curve(margin: NDArray[np.float64]) -> NDArray[np.float64]:
        return _follow(slope * margin + intercept, centre, corrected)

    shift = _shift(curve(margin), frauds / n)
    if base_rate is not None:
        if not 0 < base_rate < 1:
            raise TrainingError(f"Expected a base rate between 0 and 1, got {base_rate}; 7e-6 is 7 per million.")
        shift += math.log(base_rate / (1 - base_rate)) - math.log(frauds / (n - frauds))
    low, high = margin_range
    knots = np.linspace(low, max(high, low + 1.0), KNOTS)
    probability = _sigmoid(curve(knots) + shift)
    return Calibration(margin=knots, probability=np.maximum.accumulate(probability))


def _line(margin: NDArray[np.float64], fraud: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and intercept of the line of greatest likelihood; the margin as it is where frauds are few."""
    from sklearn.linear_model import LogisticRegression

    if int(fraud.sum()) < MIN_FRAUDS_PER_BIN:
        return 1.0, 0.0
    fitted = LogisticRegression().fit(margin[:, None], fraud)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return (slope, intercept) if slope > 0.01 else (1.0, 0.0)


def _isotonic(
    log_odds: NDArray[np.float64], fraud: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centres of log-odds and the observed log-odds there, both strictly rising.

    A bin's centre is the log-odds of its mean probability, not its mean log-odds: most of the frauds of a wide bin are
    at its upper end.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(log_odds, kind="stable")[::-1]
    per_bin = max(MIN_FRAUDS_PER_BIN, int(fraud.sum()) // MAX_BINS)
    bins = np.maximum(np.cumsum(fraud[order]) - 1, 0) // per_bin  # from the top: where the frauds are, bins are narrow
    whole = max(1, int(fraud.sum()) // per_bin)
    bins = np.maximum(whole - 1 - bins, 0)  # lowest first; what is left over joins it, for a few frauds tell nothing
    payments = np.bincount(bins).astype(np.float64)
    likely = _sigmoid(np.clip(log_odds[order], -MOST_LOG_ODDS, MOST_LOG_ODDS))
    expected = np.bincount(bins, weights=likely) / payments
    observed = (np.bincount(bins, weights=fraud[order]) + expected) / (payments + 1.0)  # neither 0 nor 1
    rising = isotonic_regression(observed, sample_weight=payments)
    blocks = np.concatenate(([0], np.cumsum(np.diff(rising) > 0)))
    weight = np.bincount(blocks, weights=payments)
    centre = np.bincount(blocks, weights=expected * payments) / weight
    share = np.bincount(blocks, weights=rising * payments) / weight
    keep = np.concatenate(([True], np.diff(centre) > 0))  # ties may put two bins on one centre
    return _logit(centre[keep]), _logit(share[keep])


def _follow(
    log_odds: NDArray[np.float64], centre: NDArray[np.float64], corrected: NDArray[np.float64]
) -> NDArray[np.float64]:
    inside: NDArray[np.float64] = np.interp(log_odds, centre, corrected)
    outside: NDArray[np.float64] = np.minimum(log_odds - centre[0], 0.0) + np.maximum(log_odds - centre[-1], 0.0)
    return inside + outside


def _shift(log_odds: NDArray[np.float64], rate: float) -> float:
    """Return what is to be added to log-odds for their mean probability to be the rate."""
    low, high = -50.0, 50.0
    room = np.empty_like(log_odds)  # memory anew for each step would take half of the time
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):  # next to each other: no step would change anything
            break
        if float(_sigmoid(np.add(log_odds, middle, out=room), out=room).mean()) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _sigmoid(log_odds: NDArray[np.float64], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    negative = np.logaddexp(0.0, np.negative(log_odds, out=out), out=out)
    return np.exp(np.negative(negative, out=out), out=out)


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    logit: NDArray[np.float64] = np.log(probability) - np.log1p(-probability)
    return logit


@njit()
def interpolate(margin, knots, probability, out):  # type: ignore[no-untyped-def]
    """Set `out` [n] to the probability of each margin, by the curve through the knots."""
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
