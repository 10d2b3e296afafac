"""The offsets of a store that was rebuilt, and which topics they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.kafka.arrivals import partition_name
from stream.kafka.config import checked_client_config
from stream.kafka.source_topics import SourceTopics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from features.store.contract import EntityStore
    from stream.settings import Settings
    from upifraud.group import Partition


def begin_topics(settings: Settings, store: EntityStore, offsets: Mapping[Partition, int]) -> dict[bytes, int]:
    """Let the store stand at these offsets of the topics that there are now; return the offsets by name."""
    ids = SourceTopics(checked_client_config(settings)).ids([settings.topic_transactions, settings.topic_outcomes])
    named: dict[bytes, int] = {}
    for topic, now in ids.items():
        own = {partition_name(*partition): offset for partition, offset in offsets.items() if partition[0] == topic}
        store.begin_topic(topic.encode(), None if now is None else now.encode(), own)
        named |= own
    return named
