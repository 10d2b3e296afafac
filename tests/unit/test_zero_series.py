"""Series that exist from the start, so that the first increase of a counter is one."""

from __future__ import annotations

import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

PAGE = """
from prometheus_client import generate_latest
from stream import metrics
from stream.running.zero_series import begin_zero_series
begin_zero_series()
print(generate_latest(metrics.REGISTRY).decode())
"""


def test_counters_with_known_labels_begin_at_zero_and_gauges_unknown() -> None:
    """In a process of its own: other tests have counted in this one."""
    page = subprocess.run([sys.executable, "-c", PAGE], capture_output=True, text=True, check=True).stdout
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    assert found["dead_letters_total", "conflicting-duplicate"] == 0
    assert found["fraud_predictions_total", "BLOCK"] == 0
    assert found["commit_failures_total", "ILLEGAL_GENERATION"] == 0
    assert found["server_up", "postgres"] == 1
    assert found["retries_total", "redis"] == 0
    assert found["holds_ended_total", "RELEASE", "EXPIRY"] == 0
    unknown = {"redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys", "verdict_days_ahead"}
    unknown |= {"holds_open", "holds_overdue", "resolutions_waiting"}
    assert {name for name, *labels in found if not labels and found[(name,)] != found[(name,)]} == unknown


def test_the_names_of_commit_errors_are_those_of_the_client() -> None:
    from confluent_kafka import KafkaError

    from stream.running.zero_series import COMMIT_ERRORS

    codes = {KafkaError(code).name() for name, code in vars(KafkaError).items() if name.isupper() and code is not None}
    assert set(COMMIT_ERRORS) <= codes
