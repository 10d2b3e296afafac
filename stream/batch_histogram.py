"""Meters for the hot path: what they were given is added to plain numbers, which Prometheus gets when it asks.

The client's own look labels up, check names, and lock twice for every value, at four times the cost.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from prometheus_client import CollectorRegistry


MOST_WAITING: Final = 64
"""Arrays that a `BatchHistogram` keeps before it counts them."""


class BatchHistogram(Collector):
    """Counts values into buckets by their upper bounds, inclusive, as Prometheus does. Safe to use from any thread.

    The values of many micro-batches are counted in one go, at the latest when somebody asks.
    """

    def __init__(self, name: str, about: str, buckets: Sequence[float], *, registry: CollectorRegistry) -> None:
        self._name = name
        self._about = about
        self._bounds = np.array(buckets, dtype=np.float64)
        self._counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        self._waiting: deque[NDArray[np.float64]] = deque()
        self._lock = threading.Lock()
        registry.register(self)

    def observe_all(self, values: NDArray[np.float64]) -> None:
        """Count values, float64[n], which must stay as they are from now on."""
        self._waiting.append(values)
        if len(self._waiting) >= MOST_WAITING:
            with self._lock:
                self._count()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram as it stands."""
        with self._lock:
            self._count()
            cumulative, total = np.cumsum(self._counts), self._sum
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._about)
        family.add_metric([], list(zip(bounds, cumulative.astype(float), strict=True)), total)
        yield family

    def _count(self) -> None:
        """Count what waits; others may go on adding to it."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if taken:
            values = np.concatenate(taken)
            self._counts += np.bincount(self._bounds.searchsorted(values), minlength=len(self._counts))
            self._sum += float(values.sum())


class LabelledHistogram(Collector):
    """Counts values under a label; safe to use from any thread."""

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
        with self._lock:
            self._count(label, value)

    def observe_each(self, values: Iterable[tuple[str, float]]) -> None:
        """Count values, each under its label."""
        with self._lock:
            for label, value in values:
                self._count(label, value)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histograms as they stand."""
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._about, labels=[self.label])
        with self._lock:
            for label, series in self._series.items():
                counts = map(float, accumulate(series.counts))
                family.add_metric([str(label)], list(zip(bounds, counts, strict=True)), series.sum)
        yield family

    def _count(self, label: str, value: float) -> None:
        series = self._series.get(label)
        if series is None:
            series = self._series[label] = _Series(len(self._bounds) + 1)
        series.counts[bisect_left(self._bounds, value)] += 1
        series.sum += value


class _Series:
    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0


class LabelledCounter(Collector):
    """Adds up under a label, one of those that are given; safe to use from any thread."""

    def __init__(
        self, name: str, about: str, label: str, labels: Iterable[str], *, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._about = about
        self.label = label
        self._sums = dict.fromkeys(labels, 0.0)
        self._lock = threading.Lock()
        registry.register(self)

    def add_each(self, values: Iterable[tuple[str, float]]) -> None:
        """Add values, each under its label."""
        with self._lock:
            for label, value in values:
                self._sums[label] += value

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the sums as they stand."""
        family = CounterMetricFamily(self._name, self._about, labels=[self.label])
        with self._lock:
            for label, value in self._sums.items():
                family.add_metric([str(label)], value)
        yield family
