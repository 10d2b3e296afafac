"""Micro-batches are bounded in bytes, keep the order, and lose nothing of what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import confluent_kafka
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOPIC = "transactions"
PORTION = 256


class Queue:
    """What librdkafka offers of a consumer here: records in their order, and callbacks while it is asked."""

    def __init__(self, records: Sequence[confluent_kafka.Message]) -> None:
        self._records = list(records)
        self.callback: Callable[[], None] = lambda: None

    def poll(self, _wait: float) -> confluent_kafka.Message | None:
        return next(iter(self.consume(1, 0.0)), None)

    def consume(self, count: int, _wait: float) -> list[confluent_kafka.Message]:
        came, self._records = self._records[:count], self._records[count:]
        self.callback()
        return came


def record(offset: int, size: int, *, partition: int = 0, key: bytes = b"") -> confluent_kafka.Message:
    make: Any = confluent_kafka.Message  # its stub knows no arguments
    made: confluent_kafka.Message = make(
        topic=TOPIC, partition=partition, offset=offset, key=key, value=b" " * size, error=None
    )
    return made


def offsets(records: Sequence[confluent_kafka.Message]) -> list[int | None]:
    return [one.offset() for one in records]


def intake(queue: Queue, *, records: int = 2048, size: int = 1000) -> Intake:
    consumer: Any = queue
    return Intake(consumer, records=records, size=size)


@given(st.lists(st.integers(0, 700), max_size=600), st.integers(1, 300), st.integers(1, 1000))
def test_every_record_comes_once_in_its_order_and_no_micro_batch_is_too_large(sizes, most, bound):
    taking = intake(Queue([record(at, size) for at, size in enumerate(sizes)]), records=most, size=bound)
    found: list[int | None] = []
    while taken := taking.take(wait=0):
        assert len(taken) <= most
        assert len(taken) == 1 or sum(map(len, taken)) <= bound
        found += offsets(taken)
    assert found == list(range(len(sizes)))


def test_keys_count_too():
    taking = intake(Queue([record(at, 10, key=b"k" * 500) for at in range(3)]))
    assert [offsets(taking.take(wait=0)) for _ in range(3)] == [[0], [1], [2]]


def test_no_more_is_taken_out_of_the_queue_than_one_portion_beyond_the_bound():
    """What is taken out is a copy: large records must stay where they are."""
    queue = Queue([record(at, 900 if at else 1) for at in range(2000)])
    taking = intake(queue)
    assert offsets(taking.take(wait=0)) == [0, 1]
    assert len(queue.consume(2000, 0)) >= 2000 - 1 - PORTION


def test_once_records_are_known_to_be_large_few_are_asked_for():
    queue = Queue([record(at, 400) for at in range(2000)])
    taking = intake(queue)
    taken = sum(len(taking.take(wait=0)) for _ in range(PORTION))
    assert len(queue.consume(2000, 0)) >= 2000 - taken - 3


def test_what_is_kept_of_a_partition_goes_with_it():
    queue = Queue([record(at, 900 if at else 1, partition=at % 2) for at in range(6)])
    taking = intake(queue)
    assert offsets(taking.take(wait=0)) == [0, 1]
    taking.drop({TP(TOPIC, 1)})
    assert [offsets(taking.take(wait=0)) for _ in range(3)] == [[2], [4], []]


def test_what_comes_with_the_very_call_that_loses_its_partition_is_dropped():
    """Kept, it would stand before the records that are read again when the partition comes back."""
    queue = Queue([record(at, 100, partition=at % 2) for at in range(4)])
    taking = intake(queue)
    taking.poll(0)
    queue.callback = lambda: taking.drop({TP(TOPIC, 1)})
    assert offsets(taking.take(wait=0)) == [0, 2]
