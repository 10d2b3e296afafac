"""Topics read from outside the consumer group: nothing is committed, and the worker's partitions are left alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from stream.errors import KafkaRefusedError, RetryableError
from stream.kafka.kafka_errors import Complaint, is_topic_away, passes

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
        self._complaint = Complaint()
        self._consumer = Consumer(
            {
                **self._complaint.options(),
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

    def ends(self) -> dict[tuple[str, int], int]:
        """Return the end of each partition now; the embedded broker's may be a little behind.

        Raises RetryableError if Kafka does not answer, KafkaRefusedError if it refuses or there is no such topic.
        """
        return {(partition.topic, partition.partition): self._end_of(partition) for partition in self._partitions()}

    def until_end(self, since: Mapping[tuple[str, int], int] | None = None) -> Iterator[Message]:
        """Yield every record up to the end of each partition, in offset order, partition by partition mixed.

        `since`: the offset to begin at, for partitions that are not to be read from their beginning.

        Raises RetryableError if Kafka does not answer, KafkaRefusedError if it refuses or there is no such topic.
        """
        partitions = self._partitions()
        # Where a partition ends is told by the fetch that gets there. A broker asked beforehand can be behind: the
        # embedded one sometimes is, by one record.
        open_ends = {(partition.topic, partition.partition) for partition in partitions}
        begins = since or {}
        self._consumer.assign(
            [
                TopicPartition(
                    partition.topic,
                    partition.partition,
                    begins.get((partition.topic, partition.partition), OFFSET_BEGINNING),
                )
                for partition in partitions
            ]
        )
        while open_ends:
            for record in self._consume():
                at = record.topic() or "", -1 if record.partition() is None else record.partition()
                if record.error() is not None:
                    open_ends.discard(at)
                elif at in open_ends:
                    yield record

    def follow(self, stopped: Callable[[], bool], *, from_beginning: bool = False) -> Iterator[Message]:
        """Yield records as they come, from the topics' end on unless told otherwise, until `stopped` says so."""
        self._consumer.assign(
            [
                TopicPartition(
                    partition.topic,
                    partition.partition,
                    OFFSET_BEGINNING if from_beginning else self._end_of(partition),
                )
                for partition in self._partitions()
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
                raise self._sorted_out(error.args[0], topic) from error
            if metadata.error is not None:
                raise self._sorted_out(metadata.error, topic)
            found += [TopicPartition(topic, partition) for partition in metadata.partitions]
        return found

    def _end_of(self, partition: TopicPartition) -> int:
        """Ask for the end now, so that what comes while the first fetch is on its way is not passed over."""
        try:
            _first, end = self._consumer.get_watermark_offsets(partition, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise self._sorted_out(error.args[0], partition.topic) from error
        return end

    def _consume(self) -> Iterator[Message]:
        for record in self._consumer.consume(_BATCH, _WAIT_SECONDS):
            error = record.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                yield record
            elif not passes(error):
                raise self._sorted_out(error, record.topic() or "")

    def _sorted_out(self, error: KafkaError, topic: str) -> KafkaRefusedError | RetryableError:
        if is_topic_away(error):
            return KafkaRefusedError(f"Expected a topic {topic}, Kafka knows none. Make it, or correct the settings.")
        if passes(error):
            return RetryableError(
                f"Kafka did not answer for {topic}: {self._complaint.why(self._consumer, error)}. See that it runs, "
                "and UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS.",
                server="kafka",
            )
        return KafkaRefusedError(f"Kafka refused to let {topic} be read: {error.str()}. Grant what is missing.")
