"""The consumer group as Kafka knows it: what it committed, who is in it, and setting it back.

Every function raises RetryableError where Kafka does not answer, KafkaRefusedError where it refuses.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.errors import KafkaRefusedError, RetryableError
from stream.transport.config import client_config
from stream.transport.kafka_errors import Client, Complaint, passes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream.settings import Settings

ANSWER_SECONDS = 30.0

Place = tuple[str, int]
"""Topic and partition."""


def committed_offsets(settings: Settings) -> dict[Place, int]:
    """Return the offset that the group committed of each partition it ever worked on."""
    with _admin(settings) as admin:
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(settings.consumer_group)], request_timeout=ANSWER_SECONDS
        )
        group = asked[settings.consumer_group].result()
    return {(one.topic, one.partition): one.offset for one in group.topic_partitions if one.offset >= 0}


def members(settings: Settings) -> int:
    """Return how many workers are in the group now."""
    with _admin(settings) as admin:
        asked = admin.describe_consumer_groups([settings.consumer_group], request_timeout=ANSWER_SECONDS)
        return len(asked[settings.consumer_group].result().members)


def held_since(settings: Settings, places: list[Place], epoch_ms: int) -> dict[Place, tuple[int, int]]:
    """Return for each partition its first offset of that time or later, and the first that Kafka still has.

    Where nothing is so late it is the partition's end.
    """
    complaint = Complaint()
    group = {"group.id": settings.consumer_group, "enable.auto.commit": False}
    consumer = Consumer({**complaint.options(), **client_config(settings), **group})
    held: dict[Place, tuple[int, int]] = {}
    try:
        with _asking(settings, complaint, consumer):
            asked = [TopicPartition(topic, partition, epoch_ms) for topic, partition in places]
            for one in consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS) if asked else []:
                low, high = consumer.get_watermark_offsets(one, timeout=ANSWER_SECONDS)
                held[one.topic, one.partition] = one.offset if one.offset >= 0 else high, low
    finally:
        consumer.close()
    return held


def set_back(settings: Settings, offsets: Mapping[Place, int]) -> None:
    """Commit these offsets for the group, all of whose workers must be gone."""
    places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
    with _admin(settings) as admin:
        asked = admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(settings.consumer_group, places)], request_timeout=ANSWER_SECONDS
        )
        answer = asked[settings.consumer_group].result()
        for place in answer.topic_partitions:
            if place.error is not None:
                raise KafkaException(place.error)


# Every request is answered in the end, if only by its own timeout, as long as something holds its client.
@contextmanager
def _admin(settings: Settings) -> Iterator[AdminClient]:
    complaint = Complaint()
    admin = AdminClient({**complaint.options(), **client_config(settings)})
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
