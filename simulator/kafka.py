"""Kafka, as far as the switch needs it; the one module that imports a client for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from simulator.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ANSWER_S: Final = 10.0
_FULL_WAIT_S: Final = 0.02
_COORDINATOR_WAIT_S: Final = 0.1
_LOOKING_FOR_COORDINATOR: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)

Partition = tuple[str, int]
"""A topic and a partition."""


class Outlet:
    """Sends records and knows which of them the broker has acknowledged.

    With `follow` it also knows the offsets they got, at the cost of a call for each; without, only failures are
    reported, and what is no longer waiting and did not fail is acknowledged. The producer is idempotent: a record that
    is sent again by the client is stored once, in order. `settings` are librdkafka's, at least `bootstrap.servers`.
    """

    def __init__(self, settings: Mapping[str, Any], linger_ms: float = 5.0, *, follow: bool = False) -> None:
        self.failed = 0
        self.ends: dict[Partition, int] = {}
        """The offset after the last acknowledged record of each partition; with `follow` only."""
        self.runs: dict[Partition, list[tuple[int, int]]] = {}
        """All offsets that its records got, as runs (first, behind the last); with `follow` only."""
        self._address = str(settings.get("bootstrap.servers"))
        self._complaint = ""
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": 500_000,
                "queue.buffering.max.kbytes": 512 * 1024,
                "batch.size": 256 * 1024,
                "partitioner": "murmur2_random",  # as Java producers do
                "delivery.report.only.error": not follow,
                "on_delivery": self._delivered,
                "error_cb": self._said,
                "log_level": 2,
                **settings,
            }
        )

    def check(self, topics: Iterable[str]) -> None:
        """Return if the broker answers and has these topics; raises DeliveryError otherwise."""
        for topic in topics:
            try:
                found = self._producer.list_topics(topic, timeout=_ANSWER_S).topics[topic]
            except KafkaException as error:
                raise DeliveryError(
                    f"Kafka: expected an answer from {self._address} within {_ANSWER_S:.0f} s, got: "
                    f"{error.args[0].str()}; check UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS, or run `upifraud up`"
                ) from None
            if found.error is not None or not found.partitions:
                raise DeliveryError(
                    f"Kafka: expected a topic {topic} at {self._address}, but there is none; `upifraud up` makes it"
                )

    def send(self, topic: str, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        """Hand one record to the client, waiting while its queue is full."""
        while True:
            try:
                self._producer.produce(topic, value, key, timestamp=timestamp_ms)
            except BufferError:
                self._producer.poll(_FULL_WAIT_S)
            except KafkaException as error:  # larger than the client takes, for example
                self._failed(error.args[0])
                return
            else:
                return

    def poll(self) -> None:
        """Let the client report what has happened meanwhile."""
        self._producer.poll(0)

    def finish(self, timeout_s: float = 120.0) -> None:
        """Return when every record is acknowledged; raises DeliveryError where that does not come about."""
        left = self._producer.flush(timeout_s)
        if left or self.failed:
            raise DeliveryError(
                f"Kafka: expected {self._address} to acknowledge every record, but {self.failed} failed and {left} are "
                f"unanswered after {timeout_s:.0f} s ({self._complaint or 'no reason given'}); check the broker, "
                "then publish again: what did arrive is taken as duplicates"
            )

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed(error)
            return
        partition = (message.topic(), message.partition())
        offset = message.offset()
        self.ends[partition] = max(self.ends.get(partition, 0), offset + 1)
        runs = self.runs.setdefault(partition, [])
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + 1)
        elif offset >= 0:  # the client does not know it of a record that it had to send twice
            runs.append((offset, offset + 1))

    def _failed(self, error: KafkaError) -> None:
        self.failed += 1
        self._complaint = error.str()

    def _said(self, error: KafkaError) -> None:
        self._complaint = error.str()


class Group:
    """Reads how far a consumer group has come, without being a member of it."""

    def __init__(self, settings: Mapping[str, Any], name: str) -> None:
        self.name = name
        self._consumer = Consumer({"enable.auto.commit": False, "log_level": 2, **settings, "group.id": name})

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the committed offset of each partition; 0 where nothing is committed."""
        asked = [TopicPartition(topic, partition) for topic, partition in partitions]
        if not asked:
            return {}
        deadline = time.monotonic() + _ANSWER_S
        while True:
            try:
                answer = self._consumer.committed(asked, timeout=_ANSWER_S)
            except KafkaException as error:
                # A group that nobody has used yet has no coordinator for a moment, and the client does not ask again.
                if error.args[0].code() in _LOOKING_FOR_COORDINATOR and time.monotonic() < deadline:
                    time.sleep(_COORDINATOR_WAIT_S)
                    continue
                raise DeliveryError(
                    f"Kafka: expected the offsets of group {self.name} within {_ANSWER_S:.0f} s, got: "
                    f"{error.args[0].str()}"
                ) from None
            return {(partition.topic, partition.partition): max(partition.offset, 0) for partition in answer}

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()
