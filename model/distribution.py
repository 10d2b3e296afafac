"""How each feature was distributed in training: what drift is measured against, and what is usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLE = 100_000
"""Vectors that quantiles are taken of, evenly spaced over the history."""

LEAST_SHARE = 1e-4
"""Shares below count as this much: a bin that was empty in one sample must not make the index infinite."""


@dataclass(frozen=True, slots=True)
class FeatureDistribution:
    """One feature: bins bounded by deciles of the latest training payments, each with its share; missing values last.

    A value lies in the bin numbered by the count of edges below it.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    """Of each bin, the last of missing values; one more than edges plus one, sums to 1."""
    usual: float | None
    """Median of genuine payments; None where it was missing in all of them."""

    def __post_init__(self) -> None:
        """Refuse shares that do not fit the edges."""
        if len(self.shares) != len(self.edges) + 2 or list(self.edges) != sorted(set(self.edges)):
            raise ArtifactError("Expected rising edges and a share for each bin; build the artifact anew.")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {"edges": list(self.edges), "shares": list(self.shares), "usual": self.usual}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FeatureDistribution:
        """Read what `to_json` wrote; raises KeyError, TypeError or ArtifactError where it is something else."""
        return cls(tuple(value["edges"]), tuple(value["shares"]), value["usual"])


@dataclass(frozen=True, slots=True)
class Distribution:
    """All features in vector order."""

    features: tuple[FeatureDistribution, ...]

    @property
    def width(self) -> int:
        """Bins of the feature that has most."""
        return max((len(feature.shares) for feature in self.features), default=0)

    def count(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many vectors fall in each bin, shape [features, width]; counts of samples may be added."""
        counts = np.zeros((len(self.features), self.width), dtype=np.int64)
        for index, feature in enumerate(self.features):
            counts[index, : len(feature.shares)] = _bin_counts(vectors[:, index], feature.edges)
        return counts

    def drift(self, counts: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the population stability index of each feature against training; NaN where nothing was counted.

        Counts may be weighted. Above 0.1 is a shift worth a look, above 0.25 a large one, by the usual rule of thumb.
        """
        index = np.full(len(self.features), np.nan)
        for row, feature in enumerate(self.features):
            total = counts[row].sum()
            if total:
                actual = np.maximum(counts[row, : len(feature.shares)] / total, LEAST_SHARE)
                expected = np.maximum(np.array(feature.shares), LEAST_SHARE)
                index[row] = float(((actual - expected) * np.log(actual / expected)).sum())
        return index

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return a JSON value, one entry a feature name."""
        return {name: feature.to_json() for name, feature in zip(names, self.features, strict=True)}

    @classmethod
    def from_json(cls, value: dict[str, Any], names: Sequence[str]) -> Distribution:
        """Read what `to_json` wrote; raises KeyError, TypeError or ArtifactError where it is something else."""
        return cls(tuple(FeatureDistribution.from_json(value[name]) for name in names))


def describe(
    vectors: NDArray[np.float32], fraud: NDArray[np.bool_], recent: NDArray[np.float32] | None = None
) -> Distribution:
    """Return the distribution of training vectors float32 [n, features]; `usual` is of the genuine ones.

    recent: the vectors that bins and shares are of, all by default. A history begins with empty windows, so all of it
    is unlike any stream that runs for a while: a month after training the 30-day counts of the simulated switch have
    an index of 0.9 against all of its 30 days, and below 0.2 against the last ten.
    """
    rows, later = sample_rows(len(vectors)), vectors if recent is None else recent
    sample, genuine, later = vectors[rows], ~fraud[rows], later[sample_rows(len(later))]
    return Distribution(
        tuple(
            FeatureDistribution(*bins_of(later[:, index]), usual_of(sample[genuine, index]))
            for index in range(vectors.shape[1])
        )
    )


def sample_rows(n: int) -> slice:
    """Return which of n rows, in order of time, quantiles are taken of."""
    return slice(None, None, -(-n // SAMPLE) or 1)


def bins_of(column: NDArray[np.float32]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the edges and the shares of one feature, or of the score, float32 [n]."""
    present = column[~np.isnan(column)]
    edges: tuple[float, ...] = ()
    if len(present):
        deciles = np.unique(np.quantile(present, np.arange(1, 10) / 10, method="inverted_cdf"))
        edges = tuple(deciles[deciles < present.max()].tolist())  # beyond the greatest nothing was seen
    shares = _bin_counts(column, edges) / max(1, len(column))
    return edges, tuple(shares.tolist())


def usual_of(column: NDArray[np.float32]) -> float | None:
    """Return the median of what is not missing, None where all is."""
    present = column[~np.isnan(column)]
    return float(np.quantile(present, 0.5, method="inverted_cdf")) if len(present) else None


def _bin_counts(column: NDArray[np.float32], edges: Sequence[float]) -> NDArray[np.int64]:
    bins = np.searchsorted(np.array(edges, dtype=np.float32), column, side="left")
    bins[np.isnan(column)] = len(edges) + 1
    return np.bincount(bins, minlength=len(edges) + 2)
