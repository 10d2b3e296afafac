"""The records of a fetch in one run, with where each came from: what the stages address by index."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from features.store.contract import Origin
from stream.wire import EARLIEST_TIME_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message
    from numpy.typing import NDArray

    from stream.kafka.fetch import Fetch


class Arrivals(Struct, frozen=True, eq=False):
    """The records of one micro-batch, partition by partition, in offset order."""

    topic: str
    records: list[Message]
    values: list[bytes | None]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    slice_of: NDArray[np.uint16]
    """Which of the fetch's slices a record belongs to; the order of `origins`."""
    spans: list[tuple[int, int, int]]
    """Partition, first offset and next offset of each slice; a slice may be without records."""

    @classmethod
    def of(cls, fetch: Fetch) -> Arrivals:
        """Lay the records of a fetch out in one run."""
        records: list[Message] = []
        values: list[bytes | None] = []
        offset: list[int | None] = []
        partition: list[int] = []
        slice_of: list[int] = []
        for number, (source, run) in enumerate(fetch.slices):
            records += run
            values += [record.value() for record in run]
            offset += [record.offset() for record in run]
            partition += [source] * len(run)
            slice_of += [number] * len(run)
        return cls(
            topic=fetch.topic,
            records=records,
            values=values,
            partition=np.array(partition, dtype=np.int32),
            offset=np.array(offset, dtype=np.int64),
            slice_of=np.array(slice_of, dtype=np.uint16),
            spans=fetch.spans(),
        )

    def __len__(self) -> int:
        return len(self.records)

    def origins(self, expected: Mapping[bytes, int]) -> list[Origin]:
        """Return the origins for the online store, given what is known to be applied of each partition."""
        names = [partition_name(self.topic, partition) for partition, _, _ in self.spans]
        return [
            Origin(name, first, following, expected.get(name, 0))
            for name, (_, first, following) in zip(names, self.spans, strict=True)
        ]

    def ages(self) -> NDArray[np.float64]:
        """Return the seconds since the Kafka timestamps of those records that have one.

        A producer may leave it out, or write 0: an age of half a century would spoil every mean and quantile.
        """
        now = time.time()
        stamps = [record.timestamp()[1] for record in self.records]
        return np.array([max(now - stamp / 1000.0, 0.0) for stamp in stamps if stamp >= EARLIEST_TIME_MS])


@cache
def partition_name(topic: str, partition: int) -> bytes:
    """Return the one name that the online store knows a partition by."""
    return f"{topic}:{partition}".encode()
