"""What the demo makes of the worker's metrics."""

from __future__ import annotations

import pytest

from stream import metrics
from upifraud.demo.picture import latency_of
from upifraud.demo.reading import Buckets, Reading, read
from upifraud.demo.watcher import Course

PAGE = """\
# HELP transactions_consumed_total Records done.
# TYPE transactions_consumed_total counter
transactions_consumed_total 1060.0
# TYPE fraud_predictions_total counter
fraud_predictions_total{verdict="ALLOW"} 980.0
fraud_predictions_total{verdict="REVIEW"} 12.0
fraud_predictions_total{verdict="HOLD"} 5.0
fraud_predictions_total{verdict="BLOCK"} 3.0
# TYPE dead_letters_total counter
dead_letters_total{reason="not-json"} 40.0
dead_letters_total{reason="bad-vpa"} 0.0
# TYPE duplicates_total counter
duplicates_total 20.0
# TYPE outcomes_consumed_total counter
outcomes_consumed_total 7.0
# TYPE consumer_lag_records gauge
consumer_lag_records{partition="0",topic="transactions"} 30.0
consumer_lag_records{partition="1",topic="transactions"} 12.0
consumer_lag_records{partition="0",topic="outcomes"} 500.0
# TYPE consumer_lag_seconds gauge
consumer_lag_seconds{topic="transactions"} 0.25
consumer_lag_seconds{topic="outcomes"} 9.0
# TYPE end_to_end_latency_seconds histogram
end_to_end_latency_seconds_bucket{le="0.005"} 100.0
end_to_end_latency_seconds_bucket{le="0.01"} 600.0
end_to_end_latency_seconds_bucket{le="0.1"} 1050.0
end_to_end_latency_seconds_bucket{le="+Inf"} 1060.0
end_to_end_latency_seconds_sum 21.2
end_to_end_latency_seconds_count 1060.0
# TYPE stage_latency_seconds histogram
stage_latency_seconds_bucket{le="0.01",stage="claim"} 8.0
stage_latency_seconds_bucket{le="+Inf",stage="claim"} 10.0
stage_latency_seconds_sum{stage="claim"} 0.1
stage_latency_seconds_count{stage="claim"} 10.0
"""


def test_a_page_is_read_as_what_it_says() -> None:
    reading = read(PAGE, 5.0, "transactions")
    assert reading.at == 5.0
    assert reading.consumed == 1060
    assert reading.verdicts == {"ALLOW": 980, "REVIEW": 12, "HOLD": 5, "BLOCK": 3}
    assert reading.judged == 1000
    assert reading.flagged == 20
    assert reading.dead_letters == {"not-json": 40}
    assert reading.duplicates == 20
    assert reading.outcomes == 7


def test_lag_is_that_of_the_transactions_topic_over_all_partitions() -> None:
    reading = read(PAGE, 0.0, "transactions")
    assert (reading.lag_records, reading.lag_seconds) == (42, 0.25)


def test_histograms_are_read_by_stage() -> None:
    reading = read(PAGE, 0.0, "transactions")
    assert reading.end_to_end.counts == (100, 600, 1050, 1060)
    assert reading.stages.keys() == {"claim"}
    assert reading.stages["claim"].mean == pytest.approx(0.01)


def test_a_worker_that_has_just_started_reads_as_nothing_done() -> None:
    reading = read("", 1.0, "transactions")
    assert reading == Reading(1.0)
    assert reading.end_to_end.quantile(0.99) is None


def test_the_worker_has_every_metric_that_is_read() -> None:
    """A renamed metric would silently show as zero."""
    families = {family.name for family in metrics.REGISTRY.collect()}
    assert families >= {
        "transactions_consumed",
        "fraud_predictions",
        "dead_letters",
        "duplicates",
        "outcomes_consumed",
        "consumer_lag_records",
        "consumer_lag_seconds",
        "end_to_end_latency_seconds",
        "stage_latency_seconds",
    }


# Quantiles --------------------------------------------------------------------------------------------------------


def test_quantiles_lie_evenly_within_a_bucket() -> None:
    buckets = Buckets((1.0, 2.0, float("inf")), (10, 20, 20), 25.0)
    assert buckets.quantile(0.25) == pytest.approx(0.5)
    assert buckets.quantile(0.5) == pytest.approx(1.0)
    assert buckets.quantile(0.75) == pytest.approx(1.5)


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert Buckets((1.0, float("inf")), (1, 100), 990.0).quantile(0.99) == 1.0


def test_a_difference_forgets_what_was_before() -> None:
    slow = Buckets((1.0, 2.0, float("inf")), (0, 100, 100), 150.0)
    then_fast = Buckets((1.0, 2.0, float("inf")), (100, 200, 200), 200.0)
    recent = then_fast.since(slow)
    assert recent.counts == (100, 100, 100)
    assert recent.mean == pytest.approx(0.5)
    assert recent.quantile(0.99) == pytest.approx(0.99)


def test_a_difference_to_nothing_is_the_whole() -> None:
    whole = Buckets((1.0, float("inf")), (3, 4), 5.0)
    assert whole.since(Buckets()) == whole


# The course of readings -------------------------------------------------------------------------------------------


def course(*consumed: int, seconds: float = 0.25) -> Course:
    found = Course()
    for step, count in enumerate(consumed):
        found.add(Reading(step * seconds, consumed=count, lag_records=1000 - count))
    return found


def test_the_rate_is_that_of_the_last_seconds() -> None:
    #   0 ........ 2 s, 1,000/s ........ 4 s, 100/s
    steps = [250 * step for step in range(9)] + [2000 + 25 * step for step in range(1, 9)]
    assert course(*steps).rate(2.0) == pytest.approx(100)
    assert course(*steps).rate(4.0) == pytest.approx(550)


def test_the_rate_of_a_short_course_is_that_of_all_of_it() -> None:
    assert course(0, 100).rate(2.0) == pytest.approx(400)
    assert course(100).rate() == 0.0
    assert Course().rate() == 0.0


def test_rates_come_in_steps_with_the_newest_last() -> None:
    assert course(0, 0, 50, 100, 300, 500).rates(2, 0.5) == pytest.approx([200.0, 800.0])
    assert course(0, 0, 50, 100, 300).rates(10, 0.5) == pytest.approx([100.0, 500.0])


def test_a_part_is_not_measured_with_the_one_before() -> None:
    found = course(0, 1000, 2000)
    found.begin_part()
    for step, count in enumerate((2010, 2020), start=3):
        found.add(Reading(step * 0.25, consumed=count))
    assert found.rate(10.0) == pytest.approx(40)


def test_the_largest_lag_is_kept() -> None:
    assert course(400, 100, 900).most_behind == 900


def test_latencies_are_those_of_the_last_seconds() -> None:
    bounds = (0.01, 1.0, float("inf"))
    found = Course()
    found.add(Reading(0.0, end_to_end=Buckets(bounds, (0, 0, 0)), stages={"claim": Buckets(bounds, (0, 0, 0), 0.0)}))
    found.add(Reading(1.0, end_to_end=Buckets(bounds, (0, 90, 90)), stages={"claim": Buckets(bounds, (0, 9, 9), 9.0)}))
    slow = latency_of(found)
    found.add(
        Reading(7.0, end_to_end=Buckets(bounds, (50, 140, 140)), stages={"claim": Buckets(bounds, (1, 10, 10), 9.005)})
    )
    fast = latency_of(found)
    assert slow.p50 == pytest.approx(0.505)
    assert slow.stages == (("claim", pytest.approx(1.0)),)
    assert fast.p99 == pytest.approx(0.0099)
    assert fast.stages == (("claim", pytest.approx(0.005)),)
