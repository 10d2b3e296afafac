"""The consumer group as Kafka knows it: what it committed, who is in it, and setting it back.

Every function raises RetryableError where Kafka does not answer, KafkaRefusedError where it refuses.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from stream.errors import FatalError, KafkaRefusedError, RetryableError
from stream.kafka.config import checked_client_config
from stream.kafka.kafka_errors import Client, Complaint, passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stream.settings import Settings

ANSWER_SECONDS = 30.0
_BATCH = 500
_WAIT_SECONDS = 0.3
_LOOK_SECONDS = 0.5
_EXPIRY_SECONDS = 4.0
"""How long a broker may take over the session timeout until it lets a dead worker go."""

Partition = tuple[str, int]
"""Topic and partition."""


def committed_offsets(settings: Settings) -> dict[Partition, int]:
    """Return the offset that the group committed of each partition it ever worked on."""
    with _admin(settings) as admin:
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(settings.consumer_group)], request_timeout=ANSWER_SECONDS
        )
        group = asked[settings.consumer_group].result()
    return {(one.topic, one.partition): one.offset for one in group.topic_partitions if one.offset >= 0}


def is_at_work(settings: Settings) -> bool:
    """Return whether there is a worker in the group now: by its state, for the embedded broker tells no members."""
    idle = {ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD, ConsumerGroupState.UNKNOWN}
    return bool(_described(settings).state not in idle)


def require_idle(settings: Settings, say: Callable[[str], None]) -> None:
    """Return when no worker is in the group: what sets a group back needs it empty.

    A worker that died without a farewell stays in it for its session timeout. Whoever is in it for longer is alive:
    FatalError.
    """
    patience, deadline = settings.kafka_session_timeout_seconds + _EXPIRY_SECONDS, None
    while is_at_work(settings):
        if deadline is None:
            say(
                f"Workers are in group {settings.consumer_group}. If they are dead, it notices within {patience:.0f} s."
            )
            deadline = time.monotonic() + patience
        elif time.monotonic() > deadline:
            raise FatalError(
                f"workers are in group {settings.consumer_group}: expected none. Stop them all (and whatever scales "
                "them), and try again."
            )
        time.sleep(_LOOK_SECONDS)


def _described(settings: Settings) -> Any:
    with _admin(settings) as admin:
        asked = admin.describe_consumer_groups([settings.consumer_group], request_timeout=ANSWER_SECONDS)
        return asked[settings.consumer_group].result()


def held_since(settings: Settings, partitions: list[Partition], epoch_ms: int) -> dict[Partition, tuple[int, int]]:
    """Return for each partition its first offset of that time or later, and the first that Kafka still has.

    Where nothing is so late it is the partition's end.
    """
    complaint = Complaint()
    reading = {
        "group.id": settings.consumer_group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",  # retention may pass the place that is read
    }
    consumer = Consumer({**complaint.options(), **checked_client_config(settings), **reading})
    held: dict[Partition, tuple[int, int]] = {}
    try:
        with _asking(settings, complaint, consumer):
            asked = [TopicPartition(topic, partition, epoch_ms) for topic, partition in partitions]
            for one in consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS) if asked else []:
                low, high = consumer.get_watermark_offsets(one, timeout=ANSWER_SECONDS)
                held[one.topic, one.partition] = one.offset if one.offset >= 0 else high, low
            found = _first_since(consumer, {partition: offset for partition, (offset, _) in held.items()}, epoch_ms)
    finally:
        consumer.close()
    return {partition: (found[partition], first) for partition, (_, first) in held.items()}


def _first_since(consumer: Consumer, starts: Mapping[Partition, int], epoch_ms: int) -> dict[Partition, int]:
    """Return for each partition the first offset from its start on whose record is of that time or later, or the end.

    What a broker answers is looked at, for the embedded one names the first record for any time, and an end that is
    too low by all but one record of the last batch. Where a fetch ends is right everywhere.
    """
    found: dict[Partition, int] = {}
    consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
    deadline = time.monotonic() + ANSWER_SECONDS
    while len(found) < len(starts):
        records = consumer.consume(_BATCH, _WAIT_SECONDS)
        for record in records:
            partition, error = (str(record.topic()), int(record.partition() or 0)), record.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                raise KafkaException(error)
            if partition not in found and (error is not None or record.timestamp()[1] >= epoch_ms):
                found[partition] = int(record.offset() or 0)
                consumer.pause([TopicPartition(*partition)])
        if records:
            deadline = time.monotonic() + ANSWER_SECONDS
        elif time.monotonic() > deadline:
            raise RetryableError(f"Kafka sent nothing for {ANSWER_SECONDS:.0f} s. Try again.", server="kafka")
    return found


def set_back(settings: Settings, offsets: Mapping[Partition, int]) -> None:
    """Commit these offsets for the group, all of whose workers must be gone."""
    partitions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
    with _admin(settings) as admin:
        asked = admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(settings.consumer_group, partitions)], request_timeout=ANSWER_SECONDS
        )
        answer = asked[settings.consumer_group].result()
        for partition in answer.topic_partitions:
            if partition.error is not None:
                raise KafkaException(partition.error)


# Every request is answered in the end, if only by its own timeout, as long as something holds its client.
@contextmanager
def _admin(settings: Settings) -> Iterator[AdminClient]:
    complaint = Complaint()
    admin = AdminClient({**complaint.options(), **checked_client_config(settings)})
    with _asking(settings, complaint, admin):
        yield admin


@contextmanager
def _asking(settings: Settings, complaint: Complaint, client: Client) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        why = complaint.why(client, cause)
        if passes(cause):
            raise RetryableError(
                f"Kafka at {settings.kafka_bootstrap_servers} did not answer: {cause.name()} {why} Try again.",
                server="kafka",
            ) from error
        raise KafkaRefusedError(
            f"Kafka refused what was asked of group {settings.consumer_group}: {cause.name()} {why}"
        ) from error
