"""The source topics as Kafka knows them now: which ones they are, and where their logs end."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its stubs forget to export it

from stream.errors import KafkaRefusedError, RetryableError
from stream.kafka.kafka_errors import Complaint, is_out_of_range, passes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from confluent_kafka import Message

    from stream.kafka.kafka_errors import Client

AskedClient = TypeVar("AskedClient", bound="Client")

Partition = tuple[str, int]
"""Topic and partition."""

KAFKA: Final = "kafka"
_ANSWER_SECONDS: Final = 10.0
_NO_ID: Final = "AAAAAAAAAAAAAAAAAAAAAA"
"""What a broker says whose topics have no ids."""

WATCH_SECONDS: Final = 10.0
"""How often a worker looks whether its topics are still the same ones."""

logger = logging.getLogger(__name__)


class SourceTopics:
    """Asks Kafka, and blocks meanwhile.

    Every method raises RetryableError where it does not answer, KafkaRefusedError where it refuses.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._complaint = Complaint()
        self._config = {**self._complaint.options(), **config}
        self._admin: AdminClient | None = None

    def ids(self, topics: Collection[str]) -> dict[str, str | None]:
        """Return which topic each is: one that is made anew has another id. None where the broker has no ids."""
        return {
            topic: None if str(one.topic_id) == _NO_ID else str(one.topic_id) for topic, one in self._described(topics)
        }

    def partitions(self, topic: str) -> list[Partition]:
        """Return the partitions of a topic."""
        return [(topic, one.id) for _, described in self._described([topic]) for one in described.partitions]

    def _described(self, topics: Collection[str]) -> list[tuple[str, Any]]:
        with self._asking(self._client()) as admin:
            asked = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=_ANSWER_SECONDS)
            return [(topic, future.result()) for topic, future in asked.items()]

    def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the end of each partition's log; the embedded broker's may be too low."""
        if not partitions:
            return {}
        with self._asking(self._client()) as admin:
            latest = {TopicPartition(*partition): OffsetSpec.latest() for partition in partitions}  # type: ignore[no-untyped-call]
            asked = admin.list_offsets(latest, request_timeout=_ANSWER_SECONDS)
            return {(one.topic, one.partition): future.result().offset for one, future in asked.items()}

    def shorter(self, reached: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return the ends of those partitions whose log ends before the offset that was reached in it."""
        ends = {partition: end for partition, end in self.ends(reached).items() if end < reached[partition]}
        found = self.records_at({partition: reached[partition] - 1 for partition in ends})
        return {partition: end for partition, end in ends.items() if found[partition] is None}

    def records_at(self, offsets: Mapping[Partition, int]) -> dict[Partition, Message | None]:
        """Fetch the record at each offset, or the first behind it that is kept; None where the log ends before.

        A fetch is right about the end where the embedded broker's metadata is not.
        """
        if not offsets:
            return {}
        config = {
            "group.id": "upi-fraud-stream-look",  # librdkafka wants one; without subscribe it is never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
        consumer = Consumer({**self._config, **config}, logger=logger.getChild("librdkafka"))
        found: dict[Partition, Message | None] = {}
        try:
            with self._asking(consumer):
                consumer.assign([TopicPartition(*partition, offset) for partition, offset in offsets.items()])
                deadline = time.monotonic() + _ANSWER_SECONDS
                while len(found) < len(offsets):
                    record = consumer.poll(1.0)
                    if record is not None:
                        partition = str(record.topic()), int(record.partition() or 0)
                        found.setdefault(partition, record if _is_record(record) else None)
                    elif time.monotonic() > deadline:
                        missing = min(offsets.keys() - found.keys())
                        raise RetryableError(f"Kafka sent nothing of {missing[0]}[{missing[1]}].", server=KAFKA)
        finally:
            consumer.close()
        return found

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._config, logger=logger.getChild("librdkafka"))
        return self._admin

    @contextmanager
    def _asking(self, client: AskedClient) -> Iterator[AskedClient]:
        try:
            yield client
        except KafkaException as error:
            cause = error.args[0]
            why = f"{self._complaint.why(client, cause)} (asked: {self._config['bootstrap.servers']})"
            if passes(cause):
                raise RetryableError(f"Kafka does not say where its topics stand: {why}.", server=KAFKA) from error
            raise KafkaRefusedError(f"Kafka refused to say where its topics stand: {why}.") from error


def _is_record(record: Message) -> bool:
    """Return whether something was fetched, and not the word that there is nothing."""
    error = record.error()
    if error is None:
        return True
    if is_out_of_range(error) or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
        return False
    raise KafkaException(error)
