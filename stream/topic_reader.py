"""Topics read from outside the consumer group: nothing is committed, and the worker's partitions are left alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.errors import KafkaRefusedError, RetryableError
from stream.transport.kafka_errors import is_topic_away, passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from confluent_kafka import Message

ANSWER_SECONDS = 10.0
_BATCH = 500
_WAIT_SECONDS = 0.3

log = logging.getLogger(__name__)


class TopicReader:
    """Reads every partition of some topics, from the beginning or from their end as it was at the call."""

    def __init__(self, config: Mapping[str, Any], topics: Sequence[str]) -> None:
        self._topics = topics
        self._consumer = Consumer(
            {
                **config,
                "group.id": "upi-fraud-stream-reader",  # librdkafka wants one; without subscribe it is never joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",  # retention may pass the place that is read
            },
            logger=log.getChild("librdkafka"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def until_end(self) -> Iterator[Message]:
        """Yield every record that was there when reading began, partition by partition in offset order.

        Raises RetryableError if Kafka does not answer, KafkaRefusedError if it refuses or there is no such topic.
        """
        starts = []
        ends: dict[tuple[str | None, int | None], int] = {}
        for place in self._partitions():
            first, end = self._watermarks(place)
            if first < end:
                starts.append(TopicPartition(place.topic, place.partition, first))
                ends[place.topic, place.partition] = end
        self._consumer.assign(starts)
        while ends:
            for record in self._consume():
                at = record.topic(), record.partition()
                end = ends.get(at, 0)
                offset = record.offset() or 0
                if record.error() is None and offset < end:
                    yield record
                if record.error() is not None or offset + 1 >= end:  # what is before the end need not be a record
                    ends.pop(at, None)

    def follow(self, stopped: Callable[[], bool], *, from_beginning: bool = False) -> Iterator[Message]:
        """Yield records as they come, from the topics' end on unless told otherwise, until `stopped` says so."""
        self._consumer.assign(
            [
                TopicPartition(place.topic, place.partition, self._watermarks(place)[0 if from_beginning else 1])
                for place in self._partitions()
            ]
        )
        while not stopped():
            yield from (record for record in self._consume() if record.error() is None)

    def _partitions(self) -> list[TopicPartition]:
        found = []
        for topic in self._topics:
            try:
                metadata = self._consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
            except KafkaException as error:
                raise _sorted_out(error.args[0], topic) from error
            if metadata.error is not None:
                raise _sorted_out(metadata.error, topic)
            found += [TopicPartition(topic, partition) for partition in metadata.partitions]
        return found

    def _watermarks(self, place: TopicPartition) -> tuple[int, int]:
        try:
            return self._consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise _sorted_out(error.args[0], place.topic) from error

    def _consume(self) -> Iterator[Message]:
        for record in self._consumer.consume(_BATCH, _WAIT_SECONDS):
            error = record.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                yield record
            elif not passes(error):
                raise _sorted_out(error, record.topic() or "")


def _sorted_out(error: KafkaError, topic: str) -> KafkaRefusedError | RetryableError:
    if is_topic_away(error):
        return KafkaRefusedError(f"Expected a topic {topic}, Kafka knows none. Make it, or correct the settings.")
    if passes(error):
        return RetryableError(f"Kafka did not answer for {topic}: {error.str()}. Try again.", server="kafka")
    return KafkaRefusedError(f"Kafka refused to let {topic} be read: {error.str()}. Grant what is missing.")
