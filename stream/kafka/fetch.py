"""What travels from the poll thread to an agent: everything that one topic had ready, as one Faust message."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka import Message


NO_ENDS: Mapping[TP, int] = MappingProxyType({})


class Slice(NamedTuple):
    """The records of one partition in a fetch, in offset order; none where only what is no record was passed."""

    partition: int
    records: Sequence[Message]


@dataclass(frozen=True, slots=True, eq=False)
class Fetch:
    """The records of one topic that had arrived over all of the worker's partitions; it has at least one slice."""

    topic: str
    slices: Sequence[Slice]
    passed_over: Mapping[int, int] = field(default_factory=dict)
    """By partition, the offset to go on at where what is no record follows the slice: the marks of transactions."""
    passed: Event = field(default_factory=Event)
    """Set by the process function when the next micro-batch may be formed; at the latest when all effects are done."""

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(len(records) for _, records in self.slices)

    def __repr__(self) -> str:
        spans = ", ".join(f"[{partition}] {first}..{following - 1}" for partition, first, following in self.spans())
        return f"<Fetch {self.topic} {spans}>"

    def spans(self) -> list[tuple[int, int, int]]:
        """Return the partition, the first offset and the next offset of each slice."""
        spans = []
        for partition, records in self.slices:
            following = self.passed_over.get(partition, offset_of(records[-1]) + 1 if records else 0)
            spans.append((partition, offset_of(records[0]) if records else following, following))
        return spans


class _Positioned(Protocol):
    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...


def gather(
    topic: str, records: Iterable[Message], positions: Mapping[TP, int], ends: Mapping[TP, int] = NO_ENDS
) -> Fetch | None:
    """Group records of one topic into a fetch; the order within a partition is kept. None if nothing is left.

    `positions` has the next expected offset of every partition the worker owns. Records of other partitions, and
    records before that offset, are left out: they were on their way when a rebalance took their partition or moved it.

    `ends` has partitions of which librdkafka has said that it passed all records before this offset. Where it lies
    behind the last record, or behind the position, what is between is no record and is passed with the fetch.
    """
    runs: dict[int | None, list[Message]] = {}
    last = run = None
    for record in records:
        partition = record.partition()
        if run is None or partition != last:
            run, last = runs.setdefault(partition, []), partition
        run.append(record)
    slices = []
    for partition, run in runs.items():
        assert partition is not None  # noqa: S101 - a record always has one
        position = positions.get(TP(topic, partition))
        if position is None:
            continue
        if offset_of(run[0]) < position:
            run = [record for record in run if offset_of(record) >= position]
        if run:
            slices.append(Slice(partition, run))
    reached = {partition: offset_of(run[-1]) + 1 for partition, run in slices}
    passed_over = {}
    for tp, end in ends.items():
        if tp.topic == topic and tp in positions and end > reached.get(tp.partition, positions[tp]):
            passed_over[tp.partition] = end
            if tp.partition not in reached:
                slices.append(Slice(tp.partition, []))
    return Fetch(topic, slices, passed_over) if slices else None


def offset_of(record: _Positioned) -> int:
    """Return the offset of a record that came from a partition; it always has one."""
    offset = record.offset()
    assert offset is not None  # noqa: S101
    return offset
