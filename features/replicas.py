"""Replicas of long logs in the worker: least recently used go first, bounded in bytes.

A log only grows, so a replica that knows its first n records needs nothing but the rest; the last known record is
read again and must match, else the log is fetched anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from features.errors import ReplicaBudgetError
from features.fold import PANE, Header
from features.fold import put_panes as _put_panes
from features.logs import NONE, Logs
from features.record import RECORD_BYTES
from features.windows import BLOCK, SUPER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

COLUMN_BYTES: Final = 3 * 8 + 4
BLOCK_BYTES: Final = BLOCK * COLUMN_BYTES + PANE.itemsize
MIN_PANES: Final = 64


class Buddies:
    """A buddy allocator over 2^k units (Knowlton 1965): runs of 2^j units, aligned to their own size."""

    def __init__(self, units: int) -> None:
        self.order = units.bit_length() - 1
        self._free: list[set[int]] = [set() for _ in range(self.order + 1)]
        self._free[self.order].add(0)
        self.taken = 0
        """Units in use."""

    def take(self, order: int) -> int | None:
        """Return the start of a free run of 2^order units; None if there is none."""
        have = next((size for size in range(order, self.order + 1) if self._free[size]), None)
        if have is None:
            return None
        start = self._free[have].pop()
        while have > order:
            have -= 1
            self._free[have].add(start + (1 << have))
        self.taken += 1 << order
        return start

    def give(self, start: int, order: int) -> None:
        """Take a run back and join it with its buddy as long as that one is free."""
        self.taken -= 1 << order
        while order < self.order and start ^ (1 << order) in self._free[order]:
            self._free[order].remove(start ^ (1 << order))
            start &= ~(1 << order)
            order += 1
        self._free[order].add(start)


@dataclass(slots=True)
class Replica:
    """One log in the worker's memory."""

    slot: int
    order: int
    pane_order: int
    batch: int
    base: int = 0
    """How many of its records were folded away."""
    records: int = 0
    """How many records of the log it has, those before its base included."""


class Replicas:
    """The long logs that this worker keeps, and the arenas that also hold the short logs of a micro-batch."""

    def __init__(self, budget_bytes: int, *, scratch_records: int, scratch_slots: int) -> None:
        units = 1 << max(4, (budget_bytes * 3 // 4 // BLOCK_BYTES).bit_length() - 1)
        panes = 1 << max(10, (budget_bytes // 4 // PANE.itemsize).bit_length() - 1)
        self.slots = units
        self.scratch_at = units * BLOCK
        self.scratch_records = scratch_records
        self.logs = Logs.make(
            records=units * BLOCK + scratch_records,
            slots=units + scratch_slots,
            blocks=units,
            supers=units // SUPER + 1,
            panes=panes,
        )
        self._room = Buddies(units)
        self._pane_room = Buddies(panes)
        self._free_slots = list(range(units - 1, -1, -1))
        self._replicas: OrderedDict[bytes, Replica] = OrderedDict()
        self._batch = 0

    def __len__(self) -> int:
        return len(self._replicas)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._replicas)

    @property
    def used_bytes(self) -> int:
        """Bytes of the arenas that replicas take."""
        return self._room.taken * BLOCK_BYTES + self._pane_room.taken * PANE.itemsize

    def begin(self) -> None:
        """Start a micro-batch: what it touches from now on cannot be evicted before the next one starts."""
        self._batch += 1

    def clear(self) -> None:
        """Forget all: the server may have been restarted or failed over."""
        for name in list(self._replicas):
            self.drop(name)

    def known(self, names: bytes) -> list[int]:
        """Return how many records are known of each log, named by 9 bytes; 0 if there is no replica.

        For any thread, which may get fewer.
        """
        replicas = map(self._replicas.get, (names[at : at + 9] for at in range(0, len(names), 9)))
        return [0 if replica is None else replica.records for replica in replicas]

    def keep(self, names: Sequence[bytes]) -> list[Replica | None]:
        """Return the replicas of logs, None where there is none, and let none of them go in this micro-batch."""
        found = [*map(self._replicas.get, names)]
        for name, replica in zip(names, found, strict=True):
            if replica is not None:
                replica.batch = self._batch
                self._replicas.move_to_end(name)
        return found

    def drop(self, name: bytes) -> None:
        """Forget a log."""
        replica = self._replicas.pop(name)
        slot = replica.slot
        log = self.logs.slots[slot]
        self._room.give(int(log["at"]) // BLOCK, replica.order)
        if replica.pane_order != NONE:
            self._pane_room.give(int(log["pane_at"]), replica.pane_order)
        self._free_slots.append(slot)

    def admit(self, name: bytes, log: bytes) -> tuple[Replica, int]:
        """Make room for a whole log; return its replica, empty but for panes, and where its records begin in `log`."""
        if name in self._replicas:
            self.drop(name)
        header = Header.unpack(log) if len(log) % RECORD_BYTES else None
        start = header_size(log) if header else 0
        records = (len(log) - start) // RECORD_BYTES
        replica = self._place(name, records + records // 4, header)
        return replica, start

    def _place(self, name: bytes, records: int, header: Header | None) -> Replica:
        order = order_of(-(-max(records, 2 * BLOCK) // BLOCK))
        at = self._take(self._room, order)
        pane_order = order_of(max(MIN_PANES, len(header.panes))) if header else NONE
        slot = self._free_slots.pop() if self._free_slots else self._evict_one()
        self.logs.clear(slot, at * BLOCK)
        self.logs.put_blocks(slot, at, at // SUPER)
        if header:
            _put_panes(self.logs, slot, self._take(self._pane_room, pane_order), header)
        replica = Replica(slot, order, pane_order, self._batch, header.base if header else 0)
        self._replicas[name] = replica
        return replica

    def make_room(self, name: bytes, records: int) -> None:
        """Let a replica grow to hold so many records beyond its base."""
        replica = self._replicas[name]
        if records <= BLOCK << replica.order:
            return
        order = order_of(-(-records // BLOCK))
        logs, slot, log = self.logs, replica.slot, self.logs.slots[replica.slot]
        old, new = int(log["at"]), self._take(self._room, order) * BLOCK
        kept = int(log["length"] - log["folded"])
        _move(logs.event_time, old, new, kept)
        _move(logs.amount, old, new, kept)
        _move(logs.counterparty, old, new, kept)
        _move(logs.place, old, new, kept)
        for summaries, run in ((logs.blocks, BLOCK), (logs.supers, BLOCK * SUPER)):
            _move(summaries, old // run, new // run, kept // run)
        self._room.give(old // BLOCK, replica.order)
        log["at"] = new
        logs.put_blocks(slot, new // BLOCK, new // BLOCK // SUPER)
        replica.order = order

    def _take(self, room: Buddies, order: int) -> int:
        while order <= room.order:
            start = room.take(order)
            if start is not None:
                return start
            if not self._evict():
                break
        raise ReplicaBudgetError(
            f"A log of {BLOCK << order} records or panes does not fit beside the micro-batch's other long logs. "
            "Raise UPIFRAUD_REPLICA_CACHE_BYTES."
        )

    def _evict_one(self) -> int:
        if not self._evict():
            raise ReplicaBudgetError(ReplicaBudgetError.__doc__)
        return self._free_slots.pop()

    def _evict(self) -> bool:
        """Drop the least recently used log; False if all that are left belong to this micro-batch."""
        oldest = next(iter(self._replicas), None)
        if oldest is None or self._replicas[oldest].batch == self._batch:
            return False
        self.drop(oldest)
        return True


def _move(column: NDArray[Any], old: int, new: int, rows: int) -> None:
    column[new : new + rows] = column[old : old + rows]


def order_of(units: int) -> int:
    """Return the smallest k with 2^k >= units."""
    return max(0, (units - 1).bit_length())


def header_size(log: bytes) -> int:
    """Return the length of a folded log's header, from its first bytes."""
    return int.from_bytes(log[4:8], "little")
