"""A Prometheus histogram as it was read: counts below upper bounds, the difference of two of them, quantiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Buckets:
    """Cumulative counts by upper bound; the last bound is infinite. Empty where nothing was read."""

    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    total: float = 0.0
    """Sum of all values."""

    @property
    def count(self) -> int:
        """Number of values."""
        return self.counts[-1] if self.counts else 0

    @property
    def mean(self) -> float | None:
        """Mean of all values; None without any."""
        return self.total / self.count if self.count else None

    def since(self, earlier: Buckets) -> Buckets:
        """Return what came after an earlier reading of the same histogram."""
        if not earlier.counts:
            return self
        counts = tuple(now - before for now, before in zip(self.counts, earlier.counts, strict=True))
        return Buckets(self.bounds, counts, self.total - earlier.total)

    def quantile(self, share: float) -> float | None:
        """Return the value below which this share of the values lies, as histogram_quantile of Prometheus does.

        Values are taken to lie evenly within a bucket, and at its lower bound within the infinite one. None without
        values.
        """
        if not self.count:
            return None
        rank = share * self.count
        index = bisect_left(self.counts, rank)
        lower = self.bounds[index - 1] if index else 0.0
        if math.isinf(self.bounds[index]):
            return lower
        below = self.counts[index - 1] if index else 0
        return lower + (self.bounds[index] - lower) * (rank - below) / (self.counts[index] - below)
