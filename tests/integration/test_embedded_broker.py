"""What is particular to the embedded broker, and what the program does about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from local import kafka_admin
from local.tansu import TansuServer
from stream.kafka.client import Bounds, KafkaClient
from stream.kafka.config import consumer_config
from stream.settings import Settings
from upifraud.group import held_since

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from confluent_kafka import KafkaError
    from faust.types import TP

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers

TOPICS = {"transactions": 4, "outcomes": 4}


class Heard:
    """Hears of assignments, and of nothing else."""

    def __init__(self) -> None:
        self.assigned: frozenset[TP] = frozenset()

    def on_assign(self, partitions: frozenset[TP]) -> None:
        self.assigned = partitions

    def on_revoke(self, partitions: frozenset[TP]) -> None: ...

    def on_lost(self, partitions: frozenset[TP]) -> None: ...

    def on_commit(self, accepted: Mapping[TP, int], refused: Mapping[TP, KafkaError]) -> None: ...

    def on_kafka(self, *, up: bool) -> None: ...


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TansuServer]:
    """An embedded broker that no group was ever on."""
    server = TansuServer(tmp_path / "kafka")
    server.start()
    kafka_admin.make_topics(server.address, TOPICS)
    yield server
    server.stop()


def member(broker: TansuServer, seconds: float) -> frozenset[TP]:
    """Be a member of the group until it has partitions, or for so long; then leave."""
    heard = Heard()
    settings = Settings(kafka_bootstrap_servers=broker.address, kafka_assignment=broker.assignment)
    bounds = Bounds(settings.micro_batch_records, settings.micro_batch_bytes)
    client = KafkaClient(consumer_config(settings), list(TOPICS), cooperative=False, listener=heard, bounds=bounds)
    client.subscribe()
    deadline = time.monotonic() + seconds
    while not heard.assigned and time.monotonic() < deadline:
        client.poll(0.02)
    client.close()
    return heard.assigned


@pytest.mark.parametrize("seconds", [0, 0.3, 2])
def test_whoever_leaves_while_it_joins_is_waited_for_by_nobody(broker: TansuServer, seconds: float) -> None:
    """The broker holds a first join for 3 s; a worker that was stopped meanwhile left the group without a leader."""
    member(broker, seconds)
    assert len(member(broker, 20)) == sum(TOPICS.values())
    assert len(member(broker, 20)) == sum(TOPICS.values())


def test_the_end_of_a_log_is_the_end_whatever_the_broker_says(kafka: Broker, topic_factory: TopicFactory) -> None:
    """The embedded broker's own answer is the first record of the last batch, and offset 0 for any time."""
    topic = topic_factory("batches", partitions=2)
    producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 50})
    times = [1_000_000, 2_000_000, 3_000_000]
    for at in times:
        for _ in range(10):
            producer.produce(topic, b"x", partition=0, timestamp=at)
        producer.flush()
    settings = Settings(kafka_bootstrap_servers=kafka.address)
    partitions = [(topic, 0), (topic, 1)]
    for at, offset in [(0, 0), (1_000_000, 0), (1_500_000, 10), (3_000_000, 20), (3_000_001, 30)]:
        assert held_since(settings, partitions, at) == {(topic, 0): (offset, 0), (topic, 1): (0, 0)}
