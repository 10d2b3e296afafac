"""Lag and offset of every partition, without a request."""

from __future__ import annotations

from faust.types import TP

from stream import metrics
from stream.faust_app import lag
from stream.kafka.ledger import Ledger

ONE = TP("a-topic", 0)


def gauge(metric) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["topic"], sample.labels["partition"]): sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.labels["topic"] == ONE.topic
    }


def test_a_partition_shows_where_it_stands_and_how_much_follows() -> None:
    ledger = Ledger()
    ledger.own(ONE, start=40, committed=40, now_ms=0)
    assert lag.measure(ledger, lambda tp: 100, lambda tp: 5, now=7.0) == 60
    assert gauge(metrics.CONSUMER_LAG_RECORDS) == {("a-topic", "0"): 60}
    assert gauge(metrics.CONSUMER_HELD_BACK_RECORDS) == {("a-topic", "0"): 5}
    assert gauge(metrics.CONSUMER_NEXT_OFFSET) == {("a-topic", "0"): 40}
    lag.forget([ONE])
    assert gauge(metrics.CONSUMER_LAG_RECORDS) == gauge(metrics.CONSUMER_NEXT_OFFSET) == {}
    assert gauge(metrics.CONSUMER_HELD_BACK_RECORDS) == {}


def test_an_unread_partition_of_unknown_end_is_not_behind() -> None:
    ledger = Ledger()
    ledger.own(ONE, start=None, committed=None, now_ms=0)
    assert lag.measure(ledger, lambda tp: None, lambda tp: 0, now=0.0) == 0
    assert gauge(metrics.CONSUMER_NEXT_OFFSET) == {("a-topic", "0"): 0}
    lag.forget([ONE])
