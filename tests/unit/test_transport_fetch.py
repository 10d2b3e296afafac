"""Gathering what the poll thread received into one fetch."""

from __future__ import annotations

from dataclasses import dataclass

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka.fetch import gather

TOPIC = "transactions"


@dataclass(frozen=True)
class Record:
    """The part of Kafka's message that is read here."""

    part: int
    at: int

    def partition(self) -> int:
        return self.part

    def offset(self) -> int:
        return self.at


def positions(**at: int) -> dict[TP, int]:
    return {TP(TOPIC, int(name.removeprefix("p"))): offset for name, offset in at.items()}


def test_records_are_grouped_by_partition_in_their_order():
    records = [Record(0, 0), Record(0, 1), Record(1, 7), Record(0, 2), Record(1, 8)]
    fetch = gather(TOPIC, records, positions(p0=0, p1=7))
    assert fetch is not None
    assert {partition: [r.offset() for r in run] for partition, run in fetch.slices} == {0: [0, 1, 2], 1: [7, 8]}
    assert len(fetch) == 5
    assert repr(fetch) == "<Fetch transactions [0] 0..2, [1] 7..8>"


def test_records_of_a_partition_that_was_taken_meanwhile_are_left_out():
    assert gather(TOPIC, [Record(3, 0)], positions(p0=0)) is None
    fetch = gather(TOPIC, [Record(3, 0), Record(0, 0)], positions(p0=0))
    assert fetch is not None
    assert [partition for partition, _ in fetch.slices] == [0]


def test_records_before_the_position_are_left_out():
    fetch = gather(TOPIC, [Record(0, 4), Record(0, 5), Record(0, 6)], positions(p0=6))
    assert fetch is not None
    assert [record.offset() for record in fetch.slices[0].records] == [6]


def test_what_is_no_record_is_passed_with_the_records_before_it():
    """partition 0: | 5 | 6 | mark |, and 8 is where it goes on"""
    fetch = gather(TOPIC, [Record(0, 5), Record(0, 6)], positions(p0=5), positions(p0=8))
    assert fetch is not None
    assert fetch.spans() == [(0, 5, 8)]


def test_marks_alone_make_a_fetch_without_records():
    fetch = gather(TOPIC, [], positions(p0=5, p1=9), positions(p0=8, p1=9))
    assert fetch is not None
    assert fetch.spans() == [(0, 8, 8)]
    assert len(fetch) == 0


def test_an_end_that_is_passed_already_or_of_a_partition_that_is_gone_changes_nothing():
    fetch = gather(TOPIC, [Record(0, 8)], positions(p0=5), positions(p0=8, p3=70))
    assert fetch is not None
    assert fetch.spans() == [(0, 8, 9)]
    assert gather(TOPIC, [], positions(p0=5), positions(p0=5, p3=70)) is None


@given(st.lists(st.integers(0, 3), max_size=40))
def test_nothing_is_lost_and_no_order_changed_however_partitions_interleave(partitions):
    ends: dict[int, int] = {}
    records = []
    for partition in partitions:
        records.append(Record(partition, ends.setdefault(partition, 0)))
        ends[partition] += 1
    fetch = gather(TOPIC, records, positions(p0=0, p1=0, p2=0, p3=0))
    found = {} if fetch is None else {partition: [r.offset() for r in run] for partition, run in fetch.slices}
    assert found == {partition: list(range(end)) for partition, end in ends.items()}
