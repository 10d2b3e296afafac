"""Prometheus histograms for the hot path: a micro-batch in one call, and a labelled one that is cheap to call."""

from __future__ import annotations

import threading
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from prometheus_client import CollectorRegistry


class BatchHistogram(Collector):
    """Counts values into buckets by their upper bounds, inclusive, as Prometheus does. Safe to use from any thread."""

    def __init__(self, name: str, about: str, buckets: Sequence[float], *, registry: CollectorRegistry) -> None:
        self._name = name
        self._about = about
        self._bounds = np.array(buckets, dtype=np.float64)
        self._counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def observe_all(self, values: NDArray[np.float64]) -> None:
        """Count values, float64[n]."""
        found = np.bincount(self._bounds.searchsorted(values), minlength=len(self._counts))
        total = float(values.sum())
        with self._lock:
            self._counts += found
            self._sum += total

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram as it stands."""
        with self._lock:
            cumulative, total = np.cumsum(self._counts), self._sum
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._about)
        family.add_metric([], list(zip(bounds, cumulative.astype(float), strict=True)), total)
        yield family


class LabelledHistogram(Collector):
    """Counts one value at a time, under a label; safe to use from any thread.

    A quarter of what the client's own costs: that one looks its labels up, checks names, and locks twice.
    """

    def __init__(
        self, name: str, about: str, buckets: Sequence[float], label: str, *, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._about = about
        self._bounds = list(buckets)
        self.label = label
        self._series: dict[str, _Series] = {}
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, label: str, value: float) -> None:
        """Count a value."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            series = self._series.get(label)
            if series is None:
                series = self._series[label] = _Series(len(self._bounds) + 1)
            series.counts[bucket] += 1
            series.sum += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histograms as they stand."""
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._about, labels=[self.label])
        with self._lock:
            for label, series in self._series.items():
                counts = map(float, accumulate(series.counts))
                family.add_metric([str(label)], list(zip(bounds, counts, strict=True)), series.sum)
        yield family


class _Series:
    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
