"""The check of PromQL against the declared metrics sees what is wrong and lets pass what is right."""

from __future__ import annotations

import pytest

from tests.fixtures.promql import complaints, recorded


@pytest.mark.parametrize(
    "expression",
    [
        'sum by (namespace) (rate(dead_letters_total{reason!="too-large"}[5m]))',
        "histogram_quantile(0.95, sum by (le) (rate(end_to_end_latency_seconds_bucket[5m])))",
        "max by (topic, partition) (consumer_lag_records) and on (topic) sum by (topic) (partitions_assigned) > 0",
        'count(up{job="upi-fraud-stream"} == 0)',
        "max_over_time(process_resident_memory_bytes[1h:1m])",
        'label_replace(model_info, "model", "$1", "model_id", "(.*)")',
    ],
)
def test_what_is_declared_passes(expression: str) -> None:
    assert complaints(expression) == []


@pytest.mark.parametrize(
    ("expression", "about"),
    [
        ("rate(dead_letters[5m])", "dead_letters is not declared"),
        ("dead_letters_total{topic='x'}", "label topic"),
        ("sum by (reasons) (dead_letters_total)", "label reasons"),
        ("sum by (verdict) (sum by (namespace) (fraud_predictions_total))", "label verdict"),
        ("histogram_quantile(0.9, sum(rate(stage_latency_seconds_bucket[5m])))", "label le"),
        ("consumer_lag_records / on (topic) group_left sum(partitions_assigned)", "label topic"),
        ("end_to_end_latency_seconds_bucket{stage='x'}", "label stage"),
    ],
)
def test_what_no_series_has_is_told(expression: str, about: str) -> None:
    assert about in " ".join(complaints(expression))


def test_recorded_series_have_the_labels_that_are_left() -> None:
    made = recorded([{"record": "a:b", "expr": "sum by (topic) (partitions_assigned)", "labels": {"slo": "x"}}])
    assert complaints("a:b{topic='x', slo='x'}", made) == []
    assert complaints("a:b{partition='0'}", made)
    assert complaints("a:c", made)


def test_what_is_no_promql_is_refused() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        complaints("sum(up")
