"""A reading of the worker's metrics: what one page of /metrics said at one moment, histograms included."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.samples import Sample


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


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters since the worker's start, and gauges; `at` is seconds on a clock that never goes back."""

    at: float
    consumed: int = 0
    """Records of the transactions topic that are done."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    outcomes: int = 0
    """Records of the outcomes topic that are done."""
    lag_records: int = 0
    """Behind on the transactions topic."""
    lag_seconds: float = 0.0
    end_to_end: Buckets = field(default_factory=Buckets)
    stages: Mapping[str, Buckets] = field(default_factory=dict)
    """By step of a micro-batch of payments (`stream.steps`)."""

    @property
    def judged(self) -> int:
        """Payments that have a verdict."""
        return sum(self.verdicts.values())

    @property
    def flagged(self) -> int:
        """Payments whose verdict is stricter than ALLOW, each of which has an alert."""
        return self.judged - self.verdicts.get("ALLOW", 0)


def read(page: str, at: float, topic: str) -> Reading:
    """Return what a page of the worker's metrics says; `topic` is the transactions topic.

    What the page does not have counts as zero: a worker that has just started shows no verdicts yet.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            samples[sample.name].append(sample)
    stages = {sample.labels["stage"] for sample in samples["stage_latency_seconds_count"]}
    return Reading(
        at=at,
        consumed=_count(samples["transactions_consumed_total"]),
        verdicts=_counts(samples["fraud_predictions_total"], "verdict"),
        dead_letters=_counts(samples["dead_letters_total"], "reason"),
        duplicates=_count(samples["duplicates_total"]),
        outcomes=_count(samples["outcomes_consumed_total"]),
        lag_records=_count(_having(samples["consumer_lag_records"], topic=topic)),
        lag_seconds=sum(sample.value for sample in _having(samples["consumer_lag_seconds"], topic=topic)),
        end_to_end=_buckets(samples, "end_to_end_latency_seconds"),
        stages={stage: _buckets(samples, "stage_latency_seconds", stage=stage) for stage in stages},
    )


def _having(samples: Iterable[Sample], **labels: str) -> list[Sample]:
    return [sample for sample in samples if labels.items() <= sample.labels.items()]


def _count(samples: Iterable[Sample]) -> int:
    return int(sum(sample.value for sample in samples))


def _counts(samples: Iterable[Sample], label: str) -> dict[str, int]:
    return {sample.labels[label]: int(sample.value) for sample in samples if sample.value}


def _buckets(samples: Mapping[str, list[Sample]], name: str, **labels: str) -> Buckets:
    pairs = sorted(
        (math.inf if sample.labels["le"] == "+Inf" else float(sample.labels["le"]), int(sample.value))
        for sample in _having(samples[f"{name}_bucket"], **labels)
    )
    total = sum(sample.value for sample in _having(samples[f"{name}_sum"], **labels))
    return Buckets(tuple(bound for bound, _ in pairs), tuple(count for _, count in pairs), total)
