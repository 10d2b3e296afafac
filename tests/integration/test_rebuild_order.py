"""Records of several partitions, merged in order of time: whatever the broker sends first, and in bounded memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from upifraud.rebuild import in_order as module
from upifraud.rebuild.in_order import in_order

if TYPE_CHECKING:
    from confluent_kafka import Message

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers

START = 1_764_000_000_000


def publish(kafka: Broker, topic: str, stamps: dict[int, list[int]]) -> None:
    """Publish records with these timestamps (relative, ms) to each partition, one partition after the other."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for partition, times in stamps.items():
        for time in times:
            producer.produce(topic, value=b"x", partition=partition, timestamp=START + time)
    assert producer.flush(60) == 0


def read(kafka: Broker, ends: dict[tuple[str, int], int]) -> list[Message]:
    return list(in_order({"bootstrap.servers": kafka.bootstrap_servers}, ends))


def test_records_are_merged_by_time_and_stay_in_their_partitions_order(
    kafka: Broker, topic_factory: TopicFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AHEAD", 20)
    monkeypatch.setattr(module, "_BATCH", 50)
    topic = topic_factory(partitions=4)
    draw = random.Random(5)
    stamps = {partition: sorted(draw.randrange(100_000) for _ in range(400)) for partition in range(3)}
    stamps[1][300] = 7  # a producer's clock that went back
    publish(kafka, topic, stamps)

    records = read(kafka, {(topic, partition): 400 for partition in range(3)} | {(topic, 3): 0})
    assert len(records) == 1200
    for partition in range(3):
        assert [one.offset() for one in records if one.partition() == partition] == list(range(400))
    times = [one.timestamp()[1] for one in records if (one.partition(), one.offset()) != (1, 300)]
    assert times == sorted(times)


def test_what_was_not_committed_is_left_to_the_workers(kafka: Broker, topic_factory: TopicFactory) -> None:
    topic = topic_factory(partitions=2)
    publish(kafka, topic, {0: [1, 3, 5, 7], 1: [2, 4, 6, 8]})
    records = read(kafka, {(topic, 0): 3, (topic, 1): 1})
    assert [(one.partition(), one.offset()) for one in records] == [(0, 0), (1, 0), (0, 1), (0, 2)]


def test_an_end_behind_the_topics_is_no_reason_to_wait(kafka: Broker, topic_factory: TopicFactory) -> None:
    topic = topic_factory(partitions=1)
    publish(kafka, topic, {0: [1, 2]})
    assert len(read(kafka, {(topic, 0): 500})) == 2
    assert read(kafka, {}) == []
