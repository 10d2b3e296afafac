"""Where partitions start: at the committed offset, or earlier where the online store was rolled back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.kafka.source_topics import SourceTopics
    from stream.running.lanes import Lanes
    from stream.stages.feature_stage import FeatureStage


class StoreHooks:
    """Asks the online store, whenever partitions come, what it holds of them, and Kafka whether it is of these topics.

    A record below the store's next offset is never counted again. So a topic that was made anew, whose offsets begin
    anew, must not be read before an operator has said so.
    """

    def __init__(self, lanes: Lanes, features: FeatureStage, topics: SourceTopics) -> None:
        self._lanes = lanes
        self._features = features
        self._topics = topics

    async def on_assigned(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Seek back what the store lost; raise RetryableError while it has lost everything.

        Raises TopicRenewedError where a topic is not the one whose records were applied, or lost some of them.
        """
        offsets = {(tp.topic, tp.partition): offset for tp, offset in committed.items()}
        # Kafka is asked outside the lane: micro-batches under way must not wait for its answer.
        ids = await asyncio.to_thread(self._topics.ids, {topic for topic, _ in offsets})
        reached = await self._lanes.run(self._lanes.features, self._features.reached, offsets, ids)
        shorter = await asyncio.to_thread(self._topics.shorter, reached)
        starts = await self._lanes.run(self._lanes.features, self._features.starts, offsets, ids, shorter)
        return {TP(topic, partition): offset for (topic, partition), offset in starts.items()}

    async def on_revoked(self, partitions: frozenset[TP]) -> None:
        """Keep nothing of a partition but what the store knows; it is asked again when the partition comes back."""
