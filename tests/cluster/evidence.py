"""What a run left behind: in the topics, and in the verdict store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import msgspec
import psycopg
from confluent_kafka import Consumer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Payment(msgspec.Struct):
    """Of a payment, what is looked at."""

    transaction_id: str


class Alert(msgspec.Struct):
    """Of an alert, what is looked at."""

    alert_id: str
    transaction_id: str


def values(bootstrap_servers: str, topic: str, kind: type[T]) -> Iterator[T]:
    """Yield every record's value of a topic, from its beginning to where it ends now."""
    decoder = msgspec.json.Decoder(kind)
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "evidence", "enable.auto.commit": False})
    try:
        partitions = [
            TopicPartition(topic, one) for one in consumer.list_topics(topic, timeout=30).topics[topic].partitions
        ]
        ends = {one.partition: consumer.get_watermark_offsets(one, timeout=30) for one in partitions}
        consumer.assign([TopicPartition(topic, partition, low) for partition, (low, _high) in ends.items()])
        missing = sum(high - low for low, high in ends.values())
        deadline = time.monotonic() + 300
        while missing > 0:
            assert time.monotonic() < deadline, f"{missing} records of {topic} could not be read within 300 s"
            for message in consumer.consume(10_000, 1.0):
                assert message.error() is None, message.error()
                missing -= 1
                yield decoder.decode(message.value() or b"{}")
    finally:
        consumer.close()


def verdict_ids(postgres_url: str) -> list[str]:
    """Return the transaction id of every stored verdict."""
    with psycopg.connect(postgres_url) as connection, connection.cursor() as cursor:
        return [row[0] for row in cursor.execute("SELECT transaction_id FROM verdicts_by_day")]
