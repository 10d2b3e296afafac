"""Holds beside a verdict store in memory: the same promises but for the disk."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, RLock
from typing import TYPE_CHECKING

from model.verdict import Verdict
from stream.holds.records import Counts, Found, Hold, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.holds.records import Ending
    from stream.verdict_store import MemoryVerdictStore, VerdictRecord

Key = tuple[str, int]


@dataclass(slots=True)
class _Row:
    ending: Ending
    published_at: int | None = None


class MemoryHolds:
    """A `HoldStore` for the verdicts of a `MemoryVerdictStore`, without a server."""

    def __init__(self, verdicts: MemoryVerdictStore) -> None:
        self._verdicts = verdicts
        self._rows: dict[Key, _Row] = {}
        self._lock = RLock()
        self._alone = Lock()

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def find(self, transaction_id: str) -> Found | None:
        """See `HoldStore.find`."""
        record = self._verdicts.get(transaction_id)
        if record is None:
            return None
        with self._lock:
            row = self._rows.get((record.transaction_id, record.event_time))
        return Found(_hold(record), record.verdict, None if row is None else row.ending.record)

    def put(self, endings: Sequence[Ending]) -> list[bool]:
        """See `HoldStore.put`."""
        with self._lock:
            new = []
            for ending in endings:
                row = _Row(ending)
                new.append(self._rows.setdefault(_key(ending.hold), row) is row)
            return new

    def standing(self, hold: Hold) -> bytes:
        """See `HoldStore.standing`."""
        with self._lock:
            return self._rows[_key(hold)].ending.record

    def due(self, until: int, limit: int) -> list[Hold]:
        """See `HoldStore.due`."""
        over = [(hold.hold_until, hold) for hold in self._open() if hold.hold_until is not None and hold.is_over(until)]
        return [hold for _, hold in sorted(over, key=lambda pair: pair[0])][:limit]

    def waiting(self, limit: int) -> list[Waiting]:
        """See `HoldStore.waiting`."""
        with self._lock:
            waiting = [row.ending for row in self._rows.values() if row.published_at is None]
        waiting.sort(key=lambda ending: (ending.at, ending.hold.transaction_id.encode()))
        return [Waiting(*_key(ending.hold), ending.record) for ending in waiting[:limit]]

    def confirmed(self, sent: Sequence[Waiting], at: int) -> None:
        """See `HoldStore.confirmed`."""
        with self._lock:
            for each in sent:
                row = self._rows[each.transaction_id, each.event_time]
                row.published_at = at if row.published_at is None else row.published_at

    def counts(self, now: int) -> Counts:
        """See `HoldStore.counts`."""
        with self._lock:
            waiting = sum(row.published_at is None for row in self._rows.values())
        still = self._open()
        return Counts(len(still), sum(hold.is_over(now) for hold in still), waiting)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """See `HoldStore.alone`."""
        is_ours = self._alone.acquire(blocking=False)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._alone.release()

    def _open(self) -> list[Hold]:
        held = [
            _hold(record)
            for records in self._verdicts.verdicts()
            for record in records
            if record.verdict == Verdict.HOLD
        ]
        with self._lock:
            return [hold for hold in held if _key(hold) not in self._rows]


def _hold(record: VerdictRecord) -> Hold:
    return Hold(record.transaction_id, record.event_time, record.hold_until)


def _key(hold: Hold) -> Key:
    return hold.transaction_id, hold.event_time
