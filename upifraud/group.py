"""The consumer group as Kafka knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from stream.transport.config import client_config

if TYPE_CHECKING:
    from stream.settings import Settings

ANSWER_SECONDS = 10.0


def committed_offsets(settings: Settings) -> dict[tuple[str, int], int]:
    """Return the offset that the group committed of each partition it ever worked on."""
    admin = AdminClient(client_config(settings))
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(settings.consumer_group)], request_timeout=ANSWER_SECONDS
    )
    group = asked[settings.consumer_group].result(timeout=ANSWER_SECONDS)
    return {(one.topic, one.partition): one.offset for one in group.topic_partitions if one.offset >= 0}
