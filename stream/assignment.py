"""Where partitions start: at the committed offset, or earlier where the online store was rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.transport import TP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.feature_stage import FeatureStage
    from stream.lanes import Lanes


class StoreHooks:
    """Asks the online store, whenever partitions come, what it holds of them."""

    def __init__(self, lanes: Lanes, features: FeatureStage) -> None:
        self._lanes = lanes
        self._features = features

    async def on_assigned(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Seek back what the store lost; raise RetryableError while it has lost everything."""
        offsets = {(tp.topic, tp.partition): offset for tp, offset in committed.items()}
        starts = await self._lanes.run(self._lanes.features, self._features.starts, offsets)
        return {TP(topic, partition): offset for (topic, partition), offset in starts.items()}

    async def on_revoked(self, partitions: frozenset[TP]) -> None:
        """Keep nothing of a partition but what the store knows; it is asked again when the partition comes back."""
