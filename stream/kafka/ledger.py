"""Which offset of each partition may be committed: the first one whose record, or a record before it, is not done.

Faust's own bookkeeping commits over an unacked head record (transport/consumer.py:1139) and forgets finished work at
every rebalance (:659), so none of it is used.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faust.types import TP

from stream.wire import EARLIEST_TIME_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from stream.kafka.fetch import Fetch


@dataclass(slots=True, eq=False)
class _Owned:
    """A partition from its assignment to its release; another assignment is another object."""

    committed: int | None
    next_offset: int | None
    newest_ms: int


@dataclass(slots=True, eq=False)
class Ticket:
    """One fetch from its hand-over until it is done."""

    number: int
    fetch: Fetch
    owned: Mapping[TP, _Owned]
    done: bool = False
    forgotten: bool = False


@dataclass(slots=True)
class Ledger:
    """Keeps the watermark of every partition: it moves over a fetch only when all fetches before it are done too.

    Belongs to one thread, the event loop's. Offsets are those of Kafka: what is committed is the next one to read.
    """

    _owned: dict[TP, _Owned] = field(default_factory=dict)
    _handed: dict[str, deque[Ticket]] = field(default_factory=dict)
    _count: int = 0

    def own(self, tp: TP, *, start: int | None, committed: int | None, now_ms: int) -> None:
        """Begin with a partition that was assigned: read from `start`, None for the beginning of the log."""
        self._owned[tp] = _Owned(committed, start, now_ms)

    def release(self, tps: Collection[TP]) -> set[TP]:
        """Let go of partitions; return those with work in flight, whose acknowledgement will count for nothing."""
        abandoned = {tp for tp in tps if self.busy([tp])}
        for tp in tps:
            self._owned.pop(tp, None)
        return abandoned

    def partitions(self) -> frozenset[TP]:
        """Return the partitions that are owned."""
        return frozenset(self._owned)

    def hand_over(self, fetch: Fetch) -> Ticket:
        """Note that a fetch is with its agent from now on; fetches of a topic are handed over in offset order."""
        self._count += 1
        tps = (TP(fetch.topic, partition) for partition, _ in fetch.slices)
        ticket = Ticket(self._count, fetch, {tp: self._owned[tp] for tp in tps if tp in self._owned})
        self._handed.setdefault(fetch.topic, deque()).append(ticket)
        return ticket

    def done(self, ticket: Ticket) -> None:
        """Note that all effects of a fetch are done, and move the watermarks as far as they can go."""
        ticket.done = True
        handed = self._handed[ticket.fetch.topic]
        while handed and handed[0].done:
            self._pass(handed.popleft())

    def _pass(self, ticket: Ticket) -> None:
        fetch = ticket.fetch
        for (partition, records), (_, _, following) in zip(fetch.slices, fetch.spans(), strict=True):
            tp = TP(fetch.topic, partition)
            owned = ticket.owned.get(tp)
            # A partition that was released, even if it came back since, is no longer the one that was handed over.
            if owned is None or self._owned.get(tp) is not owned:
                continue
            owned.next_offset = following
            timestamp_ms = records[-1].timestamp()[1] if records else 0
            if timestamp_ms >= EARLIEST_TIME_MS:  # else there is none, or the producer wrote 0: no lag of decades
                owned.newest_ms = timestamp_ms

    def forget(self, unstarted: Callable[[Ticket], bool]) -> None:
        """Stop waiting for fetches that no agent will work on. They are not done: no watermark moves over them."""
        for handed in self._handed.values():
            for ticket in handed:
                ticket.forgotten = ticket.forgotten or (not ticket.done and unstarted(ticket))

    def forgot(self, fetch: Fetch) -> bool:
        """Return whether nobody waits for this fetch any more: it must not be begun now."""
        return any(ticket.forgotten for ticket in self._handed.get(fetch.topic, ()) if ticket.fetch is fetch)

    def busy(self, tps: Collection[TP] | None = None) -> bool:
        """Return whether work on these owned partitions, or on any at all, is still to be waited for."""
        for handed in self._handed.values():
            for ticket in handed:
                if ticket.done or ticket.forgotten:
                    continue
                if tps is None or any(ticket.owned.get(tp) is self._owned.get(tp, _GONE) for tp in tps):
                    return True
        return False

    def committable(self, tps: Collection[TP] | None = None) -> dict[TP, int]:
        """Return the offsets to commit: watermarks beyond what is committed; never back."""
        return {
            tp: owned.next_offset
            for tp, owned in self._owned.items()
            if (tps is None or tp in tps)
            and owned.next_offset is not None
            and owned.next_offset > (-1 if owned.committed is None else owned.committed)
        }

    def committed(self, offsets: Mapping[TP, int]) -> None:
        """Note what the broker has accepted."""
        for tp, offset in offsets.items():
            owned = self._owned.get(tp)
            if owned is not None:
                owned.committed = max(offset, -1 if owned.committed is None else owned.committed)

    def next_offset(self, tp: TP) -> int | None:
        """Return the first offset that is not done; None while it is the unknown beginning of the log."""
        return self._owned[tp].next_offset

    def newest_ms(self, tp: TP) -> int:
        """Return the timestamp, epoch ms, of the newest record done, or when the partition came if none is done."""
        return self._owned[tp].newest_ms


_GONE = _Owned(None, None, 0)
