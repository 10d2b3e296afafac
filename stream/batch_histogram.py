"""A Prometheus histogram that takes a whole micro-batch at once: one call instead of one a record."""

from __future__ import annotations

import threading
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
        found = np.bincount(np.searchsorted(self._bounds, values, side="left"), minlength=len(self._counts))
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
