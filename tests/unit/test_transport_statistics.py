"""What librdkafka tells of itself: who answers, and where what can be read ends."""

from __future__ import annotations

import json

from faust.types import TP

from stream.kafka.statistics import Statistics, read_statistics


def partition(**numbers: int) -> dict[str, object]:
    return {"partition": 0, "broker": 1, "fetchq_cnt": 0, **numbers}


def test_what_can_be_read_ends_where_the_oldest_open_transaction_begins():
    told = {
        "name": "rdkafka#consumer-1",
        "brokers": {"a:1": {"state": "INIT", "nodeid": 1}, "a:2": {"state": "UP", "nodeid": 2}},
        "topics": {
            "transactions": {
                "topic": "transactions",
                "partitions": {
                    "0": partition(ls_offset=40, hi_offset=46),
                    "1": partition(ls_offset=7, hi_offset=7),
                    "2": partition(ls_offset=-1001, hi_offset=-1001),
                    "-1": partition(ls_offset=0, hi_offset=0),
                },
            }
        },
    }
    statistics = read_statistics(json.dumps(told))
    assert statistics.is_up()
    assert statistics.stable_ends() == {TP("transactions", 0): 40, TP("transactions", 1): 7}
    assert statistics.held_back() == {TP("transactions", 0): 6, TP("transactions", 1): 0}


def test_without_a_connected_broker_kafka_is_down():
    assert not read_statistics('{"brokers": {"a:1": {"state": "CONNECT"}}}').is_up()


def test_reading_on_is_seen_where_nothing_is_handed_out():
    def told(*next_offsets: int) -> Statistics:
        partitions = {str(number): partition(next_offset=at) for number, at in enumerate(next_offsets)}
        return read_statistics(json.dumps({"topics": {"transactions": {"partitions": partitions}}}))

    assert told(7, 41).reads_on_from(told(7, 40))
    assert not told(7, 40).reads_on_from(told(7, 40))
    assert not told(7, 40).reads_on_from(told(7)), "a partition that has just come"
