"""The records of several partitions in the order of their Kafka timestamps, in bounded memory."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from stream.errors import KafkaRefusedError, RetryableError
from stream.kafka.kafka_errors import QUIET, passes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from upifraud.group import Partition

AHEAD = 10_000
"""Records of a partition that may wait for those of slower ones; then it is paused."""
_BATCH, _WAIT_SECONDS, _PATIENCE = 2_000, 0.3, 100


class _Partition:
    """Records that were fetched and not yielded, and the clock that orders them."""

    def __init__(self, partition: TopicPartition, end: int) -> None:
        self.partition = partition
        self.end = end
        self.waiting: deque[tuple[int, Message]] = deque()
        self.clock = 0
        self.is_read = end <= 0
        self.is_paused = False

    def take(self, record: Message, offset: int) -> None:
        """Keep a record; a timestamp that goes back within a partition must not let it overtake."""
        self.clock = max(self.clock, record.timestamp()[1])
        if offset < self.end:
            self.waiting.append((self.clock, record))
        self.is_read = self.is_read or offset >= self.end - 1


def in_order(
    config: Mapping[str, Any], ends: Mapping[Partition, int], starts: Mapping[Partition, int] | None = None
) -> Iterator[Message]:
    """Yield every record below the given offsets: by offset within a partition, by time between partitions.

    Starts at `starts`, or where Kafka's retention lets it. Raises RetryableError if Kafka does not answer,
    KafkaRefusedError if it refuses.
    """
    partitions = {
        partition: _Partition(TopicPartition(*partition, (starts or {}).get(partition, OFFSET_BEGINNING)), end)
        for partition, end in sorted(ends.items())
    }
    consumer = Consumer(
        {
            **QUIET,
            **config,
            "group.id": "upi-fraud-stream-rebuild",  # librdkafka wants one; without subscribe it is never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # retention may pass the place that is read
        }
    )
    try:
        consumer.assign([one.partition for one in partitions.values() if not one.is_read])
        heads: list[tuple[int, Partition]] = []
        while True:
            _fill(consumer, partitions)
            heads = [(one.waiting[0][0], partition) for partition, one in partitions.items() if one.waiting]
            heapq.heapify(heads)
            yield from _merge(partitions, heads)
            if all(one.is_read and not one.waiting for one in partitions.values()):
                return
    finally:
        consumer.close()


def _fill(consumer: Consumer, partitions: Mapping[Partition, _Partition]) -> None:
    """Fetch until every partition that has something left has something to yield."""
    silent = 0
    while any(not one.waiting and not one.is_read for one in partitions.values()):
        _hold_back(consumer, partitions)
        records = consumer.consume(_BATCH, _WAIT_SECONDS)
        silent = 0 if records else silent + 1
        if silent > _PATIENCE:
            raise RetryableError(
                f"Kafka sent nothing for {_WAIT_SECONDS * _PATIENCE:.0f} s. Try again.", server="kafka"
            )
        for record in records:
            partition = record.partition()
            one = partitions[record.topic() or "", -1 if partition is None else partition]
            error = record.error()
            if error is None:
                one.take(record, record.offset() or 0)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                one.is_read = True  # committed offsets may lie behind the end: control records, or a topic made anew
            elif not passes(error):
                raise KafkaRefusedError(f"Kafka refused to let {record.topic()} be read: {error.str()}.")


def _merge(partitions: Mapping[Partition, _Partition], heads: list[tuple[int, Partition]]) -> Iterator[Message]:
    """Yield the oldest again and again, until a partition that has more to come has nothing waiting."""
    while heads:
        _, partition = heads[0]
        one = partitions[partition]
        yield one.waiting.popleft()[1]
        if one.waiting:
            heapq.heapreplace(heads, (one.waiting[0][0], partition))
        elif one.is_read:
            heapq.heappop(heads)
        else:
            return


def _hold_back(consumer: Consumer, partitions: Mapping[Partition, _Partition]) -> None:
    """Fetch nothing more of partitions that are far ahead, or done."""
    for one in partitions.values():
        wanted = one.is_read or len(one.waiting) > AHEAD
        if wanted == one.is_paused:
            continue
        try:
            (consumer.pause if wanted else consumer.resume)([one.partition])
        except KafkaException as error:
            raise RetryableError(f"Kafka: {error.args[0].str()}. Try again.", server="kafka") from error
        one.is_paused = wanted
