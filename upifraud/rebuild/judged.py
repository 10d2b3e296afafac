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
    from upifraud.group import Partition

_FAR_AHEAD = 2**47
"""A clock that rejects no payment for its time: it had its verdict."""
_BATCH = 2_048


class Judged:
    """Collects the verdicts on records that the group has not committed."""

    def __init__(self, topic: str, committed: Mapping[Partition, int]) -> None:
        self._topic = topic
        self._committed = committed
        self._offsets: dict[Partition, array[int]] = {}
        self._ids: dict[Partition, array[int]] = {}

    def add(self, row: Provenance) -> None:
        """Take one verdict."""
        partition = (self._topic, row.source_partition)
        if row.source_offset >= self._committed.get(partition, 0):
            self._offsets.setdefault(partition, array("q")).append(row.source_offset)
            self._ids.setdefault(partition, array("Q")).append(payment_id_of(row.provenance))

    def reached(self, settings: Settings) -> dict[Partition, int]:
        """Return the offset behind the last verdict of each partition that has any; asks Kafka."""
        config = checked_client_config(settings)
        topics = SourceTopics(config)
        there = set(topics.partitions(self._topic))
        last = {partition: max(offsets) for partition, offsets in self._offsets.items() if partition in there}
        kept = {partition: record for partition, record in topics.records_at(last).items() if record is not None}
        # A record that Kafka has dropped for its age says nothing, and is not read again.
        sure = {
            partition: last[partition] + 1
            for partition, record in kept.items()
            if (record.offset() or 0) > last[partition]
        }
        sure |= self._meant(settings, kept.values())
        doubtful = {partition: last[partition] + 1 for partition in last.keys() - sure.keys()}
        starts = {partition: offset for partition, offset in self._committed.items() if partition in doubtful}
        return {**sure, **self._meant(settings, in_order(config, doubtful, starts))}

    def _meant(self, settings: Settings, records: Iterable[Message]) -> dict[Partition, int]:
        """Return the offset behind the last of the records that is the payment its verdict says."""
        identities = Identities(settings.identity_key)
        found: dict[Partition, int] = {}
        remaining = iter(records)
        while batch := list(islice(remaining, _BATCH)):
            decoded = decode_payments([record.value() for record in batch], _FAR_AHEAD, identities)
            for row, payment_id in zip(decoded.rows.tolist(), decoded.payments.payment_id.tolist(), strict=True):
                partition = (self._topic, int(batch[row].partition() or 0))
                offset = int(batch[row].offset() or 0)
                if payment_id in self._judged_at(partition, offset):
                    found[partition] = max(found.get(partition, 0), offset + 1)
        return found

    def _judged_at(self, partition: Partition, offset: int) -> list[int]:
        """Return the ids of the payments whose verdicts name this offset: one a topic that ever had the name."""
        offsets, ids = self._sorted(partition)
        first, behind = np.searchsorted(offsets, (offset, offset + 1))
        return [int(one) for one in ids[first:behind]]

    @cache  # noqa: B019 - it lives as long as the command
    def _sorted(self, partition: Partition) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        offsets = np.array(self._offsets.get(partition, array("q")), dtype=np.int64)
        order = np.argsort(offsets)
        return offsets[order], np.array(self._ids.get(partition, array("Q")), dtype=np.uint64)[order]
