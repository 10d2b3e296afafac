"""Up to where the payments of the topic have a verdict, behind what the group committed.

Verdicts do not say which topic they are of. One that was made anew under its old name begins at offset 0 again, and
what the store stood at in the earlier one would hide its records. So Kafka is asked whether the record at an offset is
the payment whose verdict names it.
"""

from __future__ import annotations

from array import array
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from features.identity import Identities
from features.store.provenance import payment_id_of
from stream.decode import decode_payments
from stream.kafka.config import checked_client_config
from stream.kafka.source_topics import SourceTopics
from upifraud.rebuild.in_order import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka import Message
    from numpy.typing import NDArray

    from stream.settings import Settings
    from stream.verdict_store.records import Provenance
    from upifraud.group import Place

_FAR_AHEAD = 2**47
"""A clock that rejects no payment for its time: it had its verdict."""
_BATCH = 2_048


class Judged:
    """Collects the verdicts on records that the group has not committed."""

    def __init__(self, topic: str, committed: Mapping[Place, int]) -> None:
        self._topic = topic
        self._committed = committed
        self._offsets: dict[Place, array[int]] = {}
        self._ids: dict[Place, array[int]] = {}

    def add(self, row: Provenance) -> None:
        """Take one verdict."""
        place = (self._topic, row.source_partition)
        if row.source_offset >= self._committed.get(place, 0):
            self._offsets.setdefault(place, array("q")).append(row.source_offset)
            self._ids.setdefault(place, array("Q")).append(payment_id_of(row.provenance))

    def reached(self, settings: Settings) -> dict[Place, int]:
        """Return the offset behind the last verdict of each partition that has any; asks Kafka."""
        config = checked_client_config(settings)
        topics = SourceTopics(config)
        there = set(topics.places(self._topic))
        last = {place: max(offsets) for place, offsets in self._offsets.items() if place in there}
        kept = {place: record for place, record in topics.records_at(last).items() if record is not None}
        # A record that Kafka has dropped for its age says nothing, and is not read again.
        sure = {place: last[place] + 1 for place, record in kept.items() if (record.offset() or 0) > last[place]}
        sure |= self._meant(settings, kept.values())
        doubtful = {place: last[place] + 1 for place in last.keys() - sure.keys()}
        starts = {place: offset for place, offset in self._committed.items() if place in doubtful}
        return {**sure, **self._meant(settings, in_order(config, doubtful, starts))}

    def _meant(self, settings: Settings, records: Iterable[Message]) -> dict[Place, int]:
        """Return the offset behind the last of the records that is the payment its verdict says."""
        identities = Identities(settings.identity_key)
        found: dict[Place, int] = {}
        remaining = iter(records)
        while batch := list(islice(remaining, _BATCH)):
            decoded = decode_payments([record.value() for record in batch], _FAR_AHEAD, identities)
            for row, payment_id in zip(decoded.rows.tolist(), decoded.payments.payment_id.tolist(), strict=True):
                place = (self._topic, int(batch[row].partition() or 0))
                offset = int(batch[row].offset() or 0)
                if payment_id in self._judged_at(place, offset):
                    found[place] = max(found.get(place, 0), offset + 1)
        return found

    def _judged_at(self, place: Place, offset: int) -> list[int]:
        """Return the ids of the payments whose verdicts name this offset: one a topic that ever had the name."""
        offsets, ids = self._sorted(place)
        first, behind = np.searchsorted(offsets, (offset, offset + 1))
        return [int(one) for one in ids[first:behind]]

    @cache  # noqa: B019 - it lives as long as the command
    def _sorted(self, place: Place) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        offsets = np.array(self._offsets.get(place, array("q")), dtype=np.int64)
        order = np.argsort(offsets)
        return offsets[order], np.array(self._ids.get(place, array("Q")), dtype=np.uint64)[order]
