"""What is particular to the embedded broker, and what the program does about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from local import kafka_admin
from local.tansu import TansuServer
from stream.settings import Settings
from stream.transport.config import consumer_config
from stream.transport.kafka_client import KafkaClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from confluent_kafka import KafkaError
    from faust.types import TP

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
    client = KafkaClient(consumer_config(settings), list(TOPICS), cooperative=False, listener=heard)
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
