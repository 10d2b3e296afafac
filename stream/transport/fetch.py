"""What travels from the poll thread to an agent: everything that one topic had ready, as one Faust message."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol

from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka import Message


class Slice(NamedTuple):
    """The records of one partition in a fetch, in offset order, never empty."""

    partition: int
    records: Sequence[Message]


@dataclass(frozen=True, slots=True, eq=False)
class Fetch:
    """The records of one topic that had arrived over all of the worker's partitions, never empty."""

    topic: str
    slices: Sequence[Slice]
    passed: Event = field(default_factory=Event)
    """Set by the process function when the next micro-batch may be formed; at the latest when all effects are done."""

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(len(records) for _, records in self.slices)

    def __repr__(self) -> str:
        spans = ", ".join(f"[{p}] {r[0].offset()}..{r[-1].offset()}" for p, r in self.slices)
        return f"<Fetch {self.topic} {spans}>"


class _Positioned(Protocol):
    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...


def gather(topic: str, records: Iterable[Message], positions: Mapping[TP, int]) -> Fetch | None:
    """Group records of one topic into a fetch; the order within a partition is kept. None if nothing is left.

    `positions` has the next expected offset of every partition the worker owns. Records of other partitions, and
    records before that offset, are left out: they were on their way when a rebalance took their partition or moved it.
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
    return Fetch(topic, slices) if slices else None


def offset_of(record: _Positioned) -> int:
    """Return the offset of a record that came from a partition; it always has one."""
    offset = record.offset()
    assert offset is not None  # noqa: S101
    return offset
