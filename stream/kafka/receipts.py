"""A publisher for records that somebody waits for one by one: of each it says where the broker put it, or why not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from confluent_kafka import KafkaException, Producer

from stream.errors import RetryableError
from stream.kafka.publisher import DELIVERY_SECONDS, MAX_MESSAGE_BYTES, SERVER, sorted_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import KafkaError, Message

    from stream.errors import StreamError

QUEUE_RECORDS = 50_000
"""Records that wait for the broker at most; while it is gone nothing is gained by more."""

log = logging.getLogger(__name__)


class Receipt(NamedTuple):
    """Where the broker put a record."""

    partition: int
    offset: int


class Publishing(Protocol):
    """What is asked of a publisher: `ReceiptPublisher`, or what stands for it where there is no Kafka."""

    def send(self, topic: str, key: bytes | None, value: bytes, told: Callable[[Receipt | StreamError], None]) -> None:
        """Hand one record over; `told` hears of it once, in whatever thread calls `poll`."""

    def poll(self) -> None:
        """Tell of what has become known since the last call; returns at once."""


class ReceiptPublisher:
    """Idempotent, acknowledged by all in-sync replicas, and safe to use from several threads."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._producer = Producer(
            {
                **config,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "partitioner": "murmur2_random",  # as Java producers do: a payer has one partition, whoever sends
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "delivery.timeout.ms": round(DELIVERY_SECONDS * 1000),
                "queue.buffering.max.messages": QUEUE_RECORDS,
            },
            logger=log.getChild("librdkafka"),
        )

    def send(self, topic: str, key: bytes | None, value: bytes, told: Callable[[Receipt | StreamError], None]) -> None:
        """Hand one record over; `told` hears of it once, in whatever thread calls `poll`.

        Raises RetryableError where too many records wait for the broker already.
        """

        def delivered(error: KafkaError | None, record: Message) -> None:
            if error is not None:
                told(sorted_out(error, topic))
            else:
                told(Receipt(record.partition() or 0, record.offset() or 0))

        try:
            self._producer.produce(topic, value, key, on_delivery=delivered)
        except BufferError:
            raise RetryableError(
                f"Expected room for a record, but {QUEUE_RECORDS:,} wait for Kafka.", server=SERVER
            ) from None
        except KafkaException as error:
            raise sorted_out(error.args[0], topic) from error

    def poll(self) -> None:
        """Tell of what has become known since the last call; returns at once."""
        self._producer.poll(0)

    def reachable(self, topic: str, seconds: float) -> bool:
        """Ask the brokers for a topic and tell whether one answered in time."""
        try:
            self._producer.list_topics(topic, timeout=seconds)
        except KafkaException:
            return False
        return True

    def close(self, seconds: float = 5.0) -> None:
        """Let go of the connection; what was not confirmed may or may not arrive."""
        self._producer.flush(seconds)
        self._producer.purge()
        self._producer.flush(1.0)
