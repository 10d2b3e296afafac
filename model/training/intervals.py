"""Average precision with what it could as well be: a bootstrap that costs nothing beside the scoring.

Average precision needs no more of genuine payments than how many lie above each fraud. So frauds are drawn anew with
replacement, and the genuine payments between two of their scores by Poisson's law, which is what drawing each of them
anew gives (the Poisson bootstrap). Payments are taken as independent; frauds of one campaign are not, so the truth is
wider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 200
MOST_CELLS = 4_000_000
"""Resamples of a very long list of frauds are fewer, for their memory."""
LEAST_RESAMPLES = 40
PERCENTILES = (2.5, 97.5)


def average_precision(frauds: NDArray[np.float64], genuine: NDArray[np.float64]) -> dict[str, Any]:
    """Return `average_precision` and its 95 % interval `[low, high]` of the scores of some frauds among all genuine.

    Equal to scikit-learn's, ties included, and the same in any order. None where there are no frauds; no interval of
    a single fraud.
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
