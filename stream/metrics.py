"""Every metric of the program, in base units, under the names that dashboards and alerts rely on.

Nothing here carries a payer, a payee or an id as a label: the number of series must not grow with the traffic.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from model.verdict import Verdict
from stream.batch_histogram import BatchHistogram, LabelledCounter, LabelledHistogram
from stream.steps import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.steps import Lap

# A second series with the time of creation beside every counter doubles the page and serves nobody here.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry(auto_describe=True)
"""What /metrics shows. One of our own, so that importing a library cannot add to it."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_CALL_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Fine where the promise is (milliseconds), coarse where only the order of magnitude counts.
_END_TO_END_SECONDS = (
    0.002, 0.003, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.12, 0.15, 0.2, 0.3,
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
)  # fmt: skip
# Calibrated probabilities lie close to 0 for nearly all payments, and thresholds anywhere above.
_PROBABILITIES = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6,
    0.7, 0.8, 0.9, 1.0,
)  # fmt: skip
_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(name, about, labels, registry=REGISTRY)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(name, about, labels, registry=REGISTRY)


def _unknown_gauge(name: str, about: str) -> Gauge:
    """Return a gauge that is NaN until somebody has looked: 0 would be an answer, and maybe an alarm."""
    gauge = _gauge(name, about)
    gauge.set(math.nan)
    return gauge


def _histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, about, labels, buckets=buckets, registry=REGISTRY)


def _labelled(name: str, about: str, label: str) -> LabelledHistogram:
    return LabelledHistogram(name, about, _CALL_SECONDS, label, registry=REGISTRY)


# Payments and their verdicts --------------------------------------------------------------------------------------

TRANSACTIONS_CONSUMED = _counter(
    "transactions_consumed", "Records of the transactions topic whose effects are all done, malformed ones included."
)
FRAUD_PREDICTIONS = _counter("fraud_predictions", "Verdicts given, one a distinct payment.", "verdict")
FRAUD_SCORE = BatchHistogram(
    "fraud_score", "Calibrated probability of fraud, one a distinct payment.", _PROBABILITIES, registry=REGISTRY
)
ALERT_REASONS = _counter(
    "alert_reasons",
    "Verdicts stricter than ALLOW by the code of their strongest reason, one a distinct payment.",
    "code",
)
DEAD_LETTERS = _counter("dead_letters", "Records sent to a dead-letter topic.", "reason")
DUPLICATES = _counter("duplicates", "Payments that came again by another record and changed nothing.")
REPLAYS = _counter("replays", "Records delivered again after they had been worked on; their stored verdict stands.")
OPTIONAL_FIELDS_UNKNOWN = _counter(
    "optional_fields_unknown", "Optional fields of a wrong type or with an unknown value, taken as unknown.", "field"
)
ALERTS_PUBLISHED = _counter("alerts_published", "Alerts whose delivery the broker confirmed.", "verdict")
MODEL_INFO = _gauge("model_info", "Always 1; its labels name the artifact in use.", "model_id", "schema_hash")
MODEL_THRESHOLD = _gauge("model_threshold", "Least score of a verdict; none for one that is never given.", "verdict")
ALERT_BUDGET = _gauge(
    "alert_budget_ratio", "Share of payments that may get REVIEW or stricter, as the artifact's thresholds were chosen."
)
MODEL_DRIFT_SCORE = _gauge(
    "model_drift_score",
    "Population stability index of a feature, or of the score, over the drift sample against training.",
    "feature",
)
MODEL_DRIFT_SAMPLE = _gauge("model_drift_sample_payments", "Payments in the sample that drift is measured on.")
MODEL_DRIFT_SPAN = _gauge("model_drift_sample_span_seconds", "Age of the oldest part of the drift sample.")

# Outcomes ---------------------------------------------------------------------------------------------------------

OUTCOMES_CONSUMED = _counter(
    "outcomes_consumed", "Records of the outcomes topic whose effects are all done, malformed ones included."
)
OUTCOMES_STORED = _counter(
    "outcomes_stored", "Outcomes that stand as the newest of a payment with a verdict.", "outcome", "verdict"
)
FRAUDS_REPORTED = _counter(
    "frauds_reported",
    "Those of the outcomes stored that are FRAUD, by a typology of ours or `other`.",
    "typology",
    "verdict",
)
OUTCOMES_SUPERSEDED = _counter("outcomes_superseded", "Outcomes older than, or equal to, the one already stored.")
OUTCOMES_UNMATCHED = _counter("outcomes_unmatched", "Outcomes that came before the verdict of their payment.")

# Holds ------------------------------------------------------------------------------------------------------------

HOLDS_OPEN = _unknown_gauge(
    "holds_open", "HOLDs that nobody has ended, as Postgres has them: the same in every process."
)
HOLDS_OVERDUE = _unknown_gauge("holds_overdue", "Open HOLDs that are past their end, as Postgres has them.")
HOLDS_ENDED = _counter("holds_ended", "HOLDs that this process ended.", "action", "cause")
RESOLUTIONS_WAITING = _unknown_gauge(
    "resolutions_waiting", "Ends of holds that the broker has not confirmed, as Postgres has them."
)
RESOLUTIONS_PUBLISHED = _counter("resolutions_published", "Ends of holds whose delivery the broker confirmed.")

# Micro-batches and time -------------------------------------------------------------------------------------------

STAGE_LATENCY = _labelled("stage_latency_seconds", "Time of one step for one micro-batch of payments.", "stage")
STAGE_CPU = LabelledCounter(
    "stage_cpu_seconds", "CPU time of one step, in the thread of its micro-batch.", "stage", Step, registry=REGISTRY
)
END_TO_END_LATENCY = BatchHistogram(
    "end_to_end_latency_seconds",
    "Time from a record's Kafka timestamp to its effects being done.",
    _END_TO_END_SECONDS,
    registry=REGISTRY,
)
MICRO_BATCH_RECORDS = _histogram("micro_batch_records", "Records of a micro-batch.", _RECORDS)
MICRO_BATCHES_IN_FLIGHT = _gauge("micro_batches_in_flight", "Micro-batches handed over and not finished.")

# Kafka ------------------------------------------------------------------------------------------------------------

CONSUMER_LAG_RECORDS = _gauge(
    "consumer_lag_records",
    "Offsets between the end of what can be read of a partition, the last stable offset, and the first one not done.",
    "topic", "partition",
)  # fmt: skip
CONSUMER_HELD_BACK_RECORDS = _gauge(
    "consumer_held_back_records",
    "Offsets of a partition behind an open transaction: nobody can read them until their producer ends it.",
    "topic", "partition",
)  # fmt: skip
CONSUMER_NEXT_OFFSET = _gauge(
    "consumer_next_offset", "First offset of a partition that is not done; it stands still where work does.",
    "topic", "partition",
)  # fmt: skip
CONSUMER_LAG_SECONDS = _gauge(
    "consumer_lag_seconds",
    "Age of the newest record done in the partition that is furthest behind; 0 at the end.",
    "topic",
)
REBALANCES = _counter("rebalances", "Assignments of partitions to this worker.")
PARTITIONS_ASSIGNED = _gauge("partitions_assigned", "Partitions that this worker has.", "topic")
PARTITIONS_ABANDONED = _counter(
    "partitions_abandoned", "Partitions let go of with work in flight: lost, or the drain bound passed."
)
COMMITS = _counter("commits", "Offset commits that the broker accepted.")
COMMIT_FAILURES = _counter("commit_failures", "Offset commits that failed and are made again.", "error")
CONSUMER_PAUSED = _gauge("consumer_paused", "1 while partitions are paused because nothing is finished, else 0.")

# Online store -----------------------------------------------------------------------------------------------------

# Gauges that only grow, because a counter's name would get `_total` behind it and dashboards use these names.
FEATURE_STORE_CACHE_HITS = _gauge(
    "feature_store_cache_hits", "Entity logs of which at most what was new was read, ever."
)
FEATURE_STORE_CACHE_MISSES = _gauge("feature_store_cache_misses", "Entity logs that were read whole, ever.")
FEATURE_STORE_CACHE_BYTES = _gauge("feature_store_cache_bytes", "Bytes of entity logs that the worker keeps.")

# Servers ----------------------------------------------------------------------------------------------------------

REDIS_LATENCY = _labelled("redis_latency_seconds", "Time of one call to Redis.", "operation")
POSTGRES_LATENCY = _labelled("postgres_latency_seconds", "Time of one transaction.", "operation")
KAFKA_DELIVERY = _labelled(
    "kafka_delivery_seconds", "Time until the broker confirmed what a micro-batch sent.", "topic"
)
REDIS_MEMORY_USED = _unknown_gauge("redis_memory_used_bytes", "Memory that Redis uses, as it says itself.")
REDIS_MEMORY_MAX = _unknown_gauge("redis_memory_max_bytes", "Its maxmemory, beyond which it refuses writes; 0: none.")
REDIS_EVICTED_KEYS = _unknown_gauge(
    "redis_evicted_keys", "Keys that Redis has thrown away for want of memory since its start; each is lost windows."
)
VERDICT_DAYS_AHEAD = _unknown_gauge(
    "verdict_days_ahead", "Days after today that have their partition in Postgres, without a gap; -1: not even today."
)
RETRIES = _counter("retries", "Calls made again because a server did not answer.", "server")
SERVER_UP = _gauge("server_up", "0 while the worker waits for this server, else 1.", "server")


def note_steps(laps: Mapping[Step, Lap]) -> None:
    """Put what the steps of one micro-batch took on the meters, all at its end."""
    STAGE_LATENCY.observe_each((step, lap.wall) for step, lap in laps.items())
    STAGE_CPU.add_each((step, lap.cpu) for step, lap in laps.items())


VERDICT_NAMES = [verdict.name for verdict in Verdict]


def count_verdicts(counter: Counter, codes: bytes) -> None:
    """Add verdicts to a counter by verdict; a byte each."""
    for code, name in enumerate(VERDICT_NAMES):
        if count := codes.count(code):
            counter.labels(name).inc(count)
