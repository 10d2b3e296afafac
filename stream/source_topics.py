"""The source topics as Kafka knows them now: which ones they are, and where their logs end."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream.errors import KafkaRefusedError, RetryableError
from stream.transport.kafka_errors import is_out_of_range, passes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    Place = tuple[str, int]
    """Topic and partition."""

KAFKA: Final = "kafka"
_ANSWER_SECONDS: Final = 10.0
_NO_ID: Final = "AAAAAAAAAAAAAAAAAAAAAA"
"""What a broker says whose topics have no ids."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceTopic:
    """A topic of the moment."""

    id: str | None
    """Which topic of that name it is: one that is made anew has another. None where the broker has no ids."""
    partitions: int


class SourceTopics:
    """Asks Kafka; blocking. Every method raises RetryableError where it does not answer, KafkaRefusedError where it
    refuses."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._admin: AdminClient | None = None

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._config, logger=logger.getChild("librdkafka"))
        return self._admin

    def look(self, topics: Collection[str]) -> dict[str, SourceTopic]:
        """Return what each topic is now."""
        with _asking():
            asked = self._client().describe_topics(TopicCollection(sorted(topics)), request_timeout=_ANSWER_SECONDS)
            told = {topic: future.result() for topic, future in asked.items()}
        return {
            topic: SourceTopic(None if str(one.topic_id) == _NO_ID else str(one.topic_id), len(one.partitions))
            for topic, one in told.items()
        }

    def ends(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the end of each partition's log; the embedded broker's may be too low."""
        if not places:
            return {}
        with _asking():
            latest = {TopicPartition(*place): OffsetSpec.latest() for place in places}
            asked = self._client().list_offsets(latest, request_timeout=_ANSWER_SECONDS)
            return {(one.topic, one.partition): future.result().offset for one, future in asked.items()}

    def shorter(self, reached: Mapping[Place, int]) -> dict[Place, int]:
        """Return the ends of those partitions whose log ends before the offset that was reached in it."""
        ends = {place: end for place, end in self.ends(reached).items() if end < reached[place]}
        return {place: end for place, end in ends.items() if not self._holds(place, reached[place] - 1)}

    def _holds(self, place: Place, offset: int) -> bool:
        """Return whether a record can be fetched there: a fetch is right about the end where its metadata is not."""
        config = {
            "group.id": "upi-fraud-stream-look",  # librdkafka wants one; without subscribe it is never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
        consumer = Consumer({**self._config, **config}, logger=logger.getChild("librdkafka"))
        try:
            with _asking():
                consumer.assign([TopicPartition(*place, offset)])
                record = consumer.poll(_ANSWER_SECONDS)
                if record is None:
                    raise RetryableError(f"Kafka sent nothing of {place[0]}[{place[1]}].", server=KAFKA)
                error = record.error()
                if error is not None and not is_out_of_range(error) and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                    raise KafkaException(error)
                return error is None
        finally:
            consumer.close()


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        if passes(cause):
            raise RetryableError(f"Kafka does not say where its topics stand: {cause.str()}.", server=KAFKA) from error
        raise KafkaRefusedError(f"Kafka refused to say where its topics stand: {cause.str()}.") from error
