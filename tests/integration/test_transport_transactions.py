"""Producers that use transactions: marks and aborted records are no lag, and an open transaction is no fault here.

Apache Kafka alone: the embedded broker has no transactions that count.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.fixtures.transport_processes import Field, make_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from local.kafka import KafkaServer
    from tests.fixtures.servers import TopicFactory
    from tests.fixtures.transport_processes import Worker

pytestmark = [pytest.mark.servers, pytest.mark.apache]

PARTITIONS = 3
STALL = 2


@pytest.fixture
def field(kafka: KafkaServer, topic_factory: TopicFactory, tmp_path: Path) -> Iterator[Field]:
    yield from make_field(kafka, topic_factory, tmp_path, partitions=PARTITIONS)


class Transaction:
    """A producer with one transaction open; `end` decides what becomes of it."""

    def __init__(self, field: Field) -> None:
        self._field = field
        servers = field.kafka.bootstrap_servers
        self._producer = Producer({"bootstrap.servers": servers, "transactional.id": uuid.uuid4().hex, "linger.ms": 2})
        self._producer.init_transactions(30)
        self._producer.begin_transaction()

    def publish(self, values: Sequence[str], *, topic: str | None = None, partition: int | None = None) -> None:
        for number, value in enumerate(values):
            at = number % PARTITIONS if partition is None else partition
            self._producer.produce(topic or self._field.transactions, value.encode(), partition=at)
        assert self._producer.flush(30) == 0

    def end(self, *, commit: bool) -> None:
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def ends(field: Field, topic: str) -> dict[int, int]:
    """Return the high watermarks: the ends that monitors of consumer groups compare commits with."""
    consumer = Consumer(
        {
            "bootstrap.servers": field.kafka.bootstrap_servers,
            "group.id": "nobody",
            "isolation.level": "read_uncommitted",
        }
    )
    try:
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(PARTITIONS)}
    finally:
        consumer.close()


def series(name: str, topic: str) -> list[str]:
    return [f'{name}{{partition="{partition}",topic="{topic}"}}' for partition in range(PARTITIONS)]


def total(worker: Worker, name: str, topic: str) -> float:
    return sum(worker.metric(one) for one in series(name, topic))


def assert_caught_up(field: Field, worker: Worker, topic: str) -> None:
    """The group's commits reach the log's end, and long after nobody thinks that anything is stuck."""
    until(lambda: field.committed(topic) == ends(field, topic), "the commits reach the end", worker)
    assert_well(worker, topic)


def assert_well(worker: Worker, topic: str) -> None:
    time.sleep(2 * STALL)  # what must not come has time to come
    assert total(worker, "consumer_lag_records", topic) == 0
    assert worker.metric(f'consumer_lag_seconds{{topic="{topic}"}}') == 0
    assert worker.probe("/healthz") == (200, worker.probe("/healthz")[1])


@pytest.mark.parametrize("topic", ["transactions", "outcomes"])
def test_nothing_is_behind_after_a_committed_transaction(field: Field, topic: str) -> None:
    """offset   0       1
    partition 1 | record | mark |       all is read"""
    name = getattr(field, topic)
    worker = field.start(stall_seconds=str(STALL))
    transaction = Transaction(field)
    transaction.publish(["one"], topic=name, partition=1)
    transaction.end(commit=True)
    field.await_values(["one"], worker)
    assert_caught_up(field, worker, name)


def test_nothing_is_behind_after_aborted_transactions_over_all_partitions(field: Field) -> None:
    worker = field.start(stall_seconds=str(STALL))
    for _ in range(2):
        transaction = Transaction(field)
        transaction.publish(numbered("never", 10))
        transaction.end(commit=False)
    assert_caught_up(field, worker, field.transactions)
    assert field.values() == []


def test_an_open_transaction_is_told_and_no_lag(field: Field) -> None:
    """records before it are read, those behind its first one are nobody's to read until it ends"""
    worker = field.start(stall_seconds=str(STALL))
    field.publish(numbered("before", 3))
    transaction = Transaction(field)
    transaction.publish(numbered("in it", 3))
    field.publish(numbered("behind", 3))
    field.await_values(numbered("before", 3), worker)
    until(lambda: total(worker, "consumer_held_back_records", field.transactions) == 6, "it is told", worker)
    assert_well(worker, field.transactions)
    assert sum(field.committed().values()) == 3
    transaction.end(commit=True)
    field.await_values([*numbered("in it", 3), *numbered("behind", 3)], worker)
    until(lambda: total(worker, "consumer_held_back_records", field.transactions) == 0, "it is over", worker)
    assert_caught_up(field, worker, field.transactions)


def test_transactions_between_ordinary_records_lose_and_repeat_nothing(field: Field) -> None:
    wanted = []
    worker = field.start(stall_seconds=str(STALL))
    for lap in range(6):
        kept, dropped = Transaction(field), Transaction(field)
        field.publish(numbered(f"plain{lap}-", 4))
        kept.publish(numbered(f"kept{lap}-", 5))
        dropped.publish(numbered(f"dropped{lap}-", 7))
        field.publish(numbered(f"more{lap}-", 2))
        dropped.end(commit=False)
        kept.end(commit=True)
        wanted += [*numbered(f"plain{lap}-", 4), *numbered(f"kept{lap}-", 5), *numbered(f"more{lap}-", 2)]
    field.await_values(wanted, worker)
    assert_caught_up(field, worker, field.transactions)
    assert worker.terminate() == 0
    assert sorted(field.values()) == sorted(wanted)


def test_a_backlog_that_ends_in_marks_is_read_to_its_end_by_the_next_worker(field: Field) -> None:
    """A worker that stops in the middle commits nothing that it has not read."""
    transaction = Transaction(field)
    transaction.publish(numbered("kept", 40))
    transaction.end(commit=True)
    lost = Transaction(field)
    lost.publish(numbered("never", 30))
    lost.end(commit=False)
    slow = field.start("seconds=0.2", stall_seconds=str(STALL), micro_batch_records="5")
    until(lambda: len(field.values()) >= 10, "some are done", slow)
    assert slow.terminate() == 0
    worker = field.start(stall_seconds=str(STALL))
    field.await_values(numbered("kept", 40), worker)
    assert_caught_up(field, worker, field.transactions)
    assert sorted(field.values()) == sorted(numbered("kept", 40))
