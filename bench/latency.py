"""Latency from the scheduled publish time of every payment, as HDR histograms; pure but for reading the schedule back.

No omission can be coordinated: the schedule is fixed before, every payment scheduled in the measured span is asked
for, and one that was never seen is counted as such and put at the end of the observation.
"""

from __future__ import annotations

import time
import uuid
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "p99.99": 99.99, "max": 100.0}
LONGEST_US = 3_600_000_000
DIGITS = 3
SILENCE_SECONDS = 60.0
SOON_MS = 5.0
"""So long after its row an alert should be readable at most."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each record of `transactions` was to be published, by key."""

    partition: NDArray[np.int64]
    offset: NDArray[np.int64]
    due_us: NDArray[np.int64]

    def keys(self) -> NDArray[np.int64]:
        """Return one key a record."""
        return keys(self.partition, self.offset)

    def only(self, wanted: Sequence[int]) -> Schedule:
        """Return the part with these keys."""
        return self._where(np.isin(self.keys(), np.array(wanted, dtype=np.int64)))

    def without(self, unwanted: NDArray[np.int64]) -> Schedule:
        """Return all but these keys."""
        return self._where(~np.isin(self.keys(), unwanted))

    def unseen(self, keys: NDArray[np.int64], span_us: tuple[int, int]) -> Schedule:
        """Return what was scheduled within the span and is not among these keys."""
        return self.within(span_us).without(keys)

    def within(self, span_us: tuple[int, int]) -> Schedule:
        """Return what was scheduled from the first of two moments on and before the second."""
        return self._where((self.due_us >= span_us[0]) & (self.due_us < span_us[1]))

    def _where(self, chosen: NDArray[np.bool_]) -> Schedule:
        return Schedule(self.partition[chosen], self.offset[chosen], self.due_us[chosen])


def key(partition: int, offset: int) -> int:
    """Return one number for a partition and an offset."""
    return partition << 48 | offset


def keys(partition: NDArray[Any], offset: NDArray[Any]) -> NDArray[np.int64]:
    """Return one number for each partition and offset."""
    return (partition.astype(np.int64) << 48) | offset.astype(np.int64)


def keyed(
    key_of: Mapping[str, int], ids: Sequence[str], seen_us: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys of those ids that have one, and when each was seen."""
    known = np.array([one in key_of for one in ids], dtype=np.bool_)
    return np.array([key_of[one] for one in ids if one in key_of], dtype=np.int64), seen_us[known]


def first_seen(keys: NDArray[np.int64], seen_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every key once, ascending, and when it was seen first."""
    order = np.lexsort((seen_us, keys))
    unique, at = np.unique(keys[order], return_index=True)
    return unique, seen_us[order][at]


def latencies(
    schedule: Schedule, keys: NDArray[np.int64], seen_us: NDArray[np.int64], *, span_us: tuple[int, int], until_us: int
) -> tuple[NDArray[np.int64], int]:
    """Return the latency of every payment scheduled within the span, in us, and how many of them were never seen.

    Those count as seen at `until_us`, the end of the observation: left out, they would flatter.
    """
    measured = schedule.within(span_us)
    wanted, due = measured.keys(), measured.due_us
    known, first = first_seen(keys, seen_us)
    if not len(known):
        return np.maximum(until_us - due, 1), len(wanted)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    found = known[at] == wanted
    return np.maximum(np.where(found, first[at], until_us) - due, 1), int((~found).sum())


def behind(
    verdicts: tuple[NDArray[np.int64], NDArray[np.int64]],
    alerts: tuple[NDArray[np.int64], NDArray[np.int64]],
    looks_us: NDArray[np.int64],
) -> dict[str, Any]:
    """Return how long after its row was durable an alert could be read, in ms; both are keys and when each was seen.

    A row was durable at some moment between the look that saw it and the one before. So the time is between two
    bounds, and each is told.
    """
    keys, durable_us = first_seen(*verdicts)
    of_alerts, readable_us = first_seen(*alerts)
    _, row, alert = np.intersect1d(keys, of_alerts, assume_unique=True, return_indices=True)
    looks = np.sort(looks_us)
    before_us = looks[np.maximum(np.searchsorted(looks, durable_us[row]) - 1, 0)]
    found: dict[str, Any] = {"count": len(row)}
    for name, since_us in (("at least", durable_us[row]), ("at most", before_us)):
        ms = (readable_us[alert] - since_us) / 1e3
        found[name] = {label: float(np.percentile(ms, QUANTILES[label])) for label in ("p50", "p99")} if len(ms) else {}
        found[f"within {SOON_MS:.0f} ms, {name}"] = float((ms <= SOON_MS).mean()) if len(ms) else None
    return found


def histogram(latency_us: NDArray[np.int64]) -> dict[str, Any]:
    """Return quantiles in ms, the points of a percentile plot, and the HDR histogram itself as its own V2 text."""
    from hdrh.histogram import HdrHistogram

    filled = HdrHistogram(1, LONGEST_US, DIGITS)
    for value, count in zip(*np.unique(latency_us, return_counts=True), strict=True):
        filled.record_value(min(int(value), LONGEST_US), int(count))
    if not len(latency_us):
        return {"count": 0, "ms": {}, "points": [], "hdr": filled.encode().decode()}
    # Nines, five steps each: what a percentile plot shows on its logarithmic axis.
    shares = [100 * (1 - 10 ** (-step / 5)) for step in range(int(5 * np.log10(len(latency_us))) + 1)]
    return {
        "count": len(latency_us),
        "mean_ms": float(latency_us.mean()) / 1e3,
        "ms": {name: filled.get_value_at_percentile(share) / 1e3 for name, share in QUANTILES.items()},
        "points": [[share, filled.get_value_at_percentile(share) / 1e3] for share in [*shares, 100.0]],
        "hdr": filled.encode().decode(),
    }


def resolution_ms(looks_us: NDArray[np.int64]) -> dict[str, float]:
    """Return how far apart the observer's looks were: a verdict's time is late by so much at most."""
    apart = np.diff(looks_us) / 1e3
    if not len(apart):
        return {}
    return {"p50": float(np.percentile(apart, 50)), "p99": float(np.percentile(apart, 99)), "max": float(apart.max())}


def read_schedule(bootstrap: str, topic: str, begin: Mapping[int, int], end: Mapping[int, int]) -> Schedule:
    """Read the scheduled times back from the topic: the switch stamps every record with its own."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"bench-{uuid.uuid4().hex}",
                         "enable.auto.commit": False})  # fmt: skip
    ranges = {partition: (begin.get(partition, 0), last) for partition, last in end.items()}
    left = sum(last - first for first, last in ranges.values())
    consumer.assign([TopicPartition(topic, partition, first) for partition, (first, last) in ranges.items()
                     if last > first])  # fmt: skip
    columns = array("q"), array("q"), array("q")  # millions of tuples would take gigabytes
    heard = time.monotonic()
    while left > 0:
        for record in consumer.consume(10_000, 0.5):
            partition, offset = record.partition() or 0, record.offset() or 0
            if record.error() is None and offset < ranges[partition][1]:
                for column, value in zip(columns, (partition, offset, record.timestamp()[1] * 1000), strict=True):
                    column.append(value)
                left -= 1
                heard = time.monotonic()
        if time.monotonic() > heard + SILENCE_SECONDS:
            raise RuntimeError(f"Expected the schedule of {left} more payments from {topic}, and nothing comes.")
    consumer.close()
    return Schedule(*(np.array(column, dtype=np.int64) for column in columns))


def ends(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    """Return the offset behind the last record of each partition."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"bench-{uuid.uuid4().hex}"})
    found = {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        for partition in range(partitions)
    }
    consumer.close()
    return found
