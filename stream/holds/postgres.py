"""Holds and their resolutions in PostgreSQL: what a method returned is on the disk."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from stream.holds import statements
from stream.holds.records import Counts, Found, Hold, Waiting
from stream.verdict_store import binary
from stream.verdict_store.connector import ANSWER_SECONDS, Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.holds.records import Ending
    from stream.verdict_store.connector import Cells, Statement

_SETTINGS: Final = {
    # Whoever lost to another's commit must see it with the next statement.
    "default_transaction_isolation": "read committed",
    # A plan made while a table was small must not scan it once it is large.
    "enable_seqscan": "off",
    "jit": "off",
    "synchronous_commit": "on",
}


class PostgresHolds:
    """A `HoldStore` in PostgreSQL on one session, opened at the first call and again after it broke."""

    def __init__(self, url: str, *, name: str = "holds", answer_seconds: float = ANSWER_SECONDS) -> None:
        self._session = Session(url, name=name, settings=_SETTINGS, answer_seconds=answer_seconds)
        self._lock = RLock()

    def close(self) -> None:
        """Close the session."""
        with self._lock:
            self._session.close()

    def find(self, transaction_id: str) -> Found | None:
        """See `HoldStore.find`."""
        if "\0" in transaction_id:  # PostgreSQL has no such text
            return None
        found = self._call(statements.FIND, transaction_id.encode())
        if not found:
            return None
        event_time, hold_until, verdict, record = found[0]
        hold = Hold(transaction_id, _time(event_time), None if hold_until is None else _time(hold_until))
        return Found(hold, binary.to_int(cast("bytes", verdict)), record)

    def put(self, endings: Sequence[Ending]) -> list[bool]:
        """See `HoldStore.put`."""
        if not endings:
            return []
        # In one order, whoever stores: sessions that store the same ones wait for each other and never deadlock.
        ordered = sorted(endings, key=lambda ending: (ending.hold.transaction_id, ending.hold.event_time))
        put = self._call(
            statements.PUT,
            binary.text_array([ending.hold.transaction_id.encode() for ending in ordered]),
            _times([ending.hold.event_time for ending in ordered]),
            binary.text_array([ending.action.encode() for ending in ordered]),
            binary.text_array([ending.cause.encode() for ending in ordered]),
            binary.text_array([None if ending.by is None else ending.by.encode() for ending in ordered]),
            _times([ending.at for ending in ordered]),
            binary.text_array([None if ending.reason is None else ending.reason.encode() for ending in ordered]),
            binary.text_array([ending.record for ending in ordered]),
        )
        new = {(cast("bytes", name), _time(event_time)) for name, event_time in put}
        return [(ending.hold.transaction_id.encode(), ending.hold.event_time) in new for ending in endings]

    def standing(self, hold: Hold) -> bytes:
        """See `HoldStore.standing`."""
        found = self._call(statements.STANDING, hold.transaction_id.encode(), binary.timestamptz(hold.event_time))
        return cast("bytes", found[0][0])

    def due(self, until: int, limit: int) -> list[Hold]:
        """See `HoldStore.due`."""
        found = self._call(statements.DUE, binary.timestamptz(until), binary.int4(limit))
        return [Hold(cast("bytes", name).decode(), _time(event_time), _time(end)) for name, event_time, end in found]

    def waiting(self, limit: int) -> list[Waiting]:
        """See `HoldStore.waiting`."""
        found = self._call(statements.WAITING, binary.int4(limit))
        return [
            Waiting(cast("bytes", name).decode(), _time(event_time), cast("bytes", record))
            for name, event_time, record in found
        ]

    def confirmed(self, sent: Sequence[Waiting], at: int) -> None:
        """See `HoldStore.confirmed`."""
        if sent:
            self._call(
                statements.CONFIRMED,
                binary.text_array([each.transaction_id.encode() for each in sent]),
                _times([each.event_time for each in sent]),
                binary.timestamptz(at),
            )

    def counts(self, now: int) -> Counts:
        """See `HoldStore.counts`."""
        (counted,) = self._call(statements.COUNTS, binary.timestamptz(now))
        return Counts(*(binary.to_int(cast("bytes", cell)) for cell in counted))

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Say whether nobody else expires and publishes now; nobody else will until the end, or this session's."""
        ((taken,),) = self._call(statements.LOCK)
        is_ours = taken == binary.boolean(value=True)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._unlock()

    def _unlock(self) -> None:
        # Where this fails the session is closed or broken, and the server lets go of the lock with it.
        try:
            self._call(statements.UNLOCK)
        except BaseException:
            self.close()
            raise

    def _call(self, statement: Statement, *parameters: bytes) -> list[Cells]:
        with self._lock:
            return self._session.call(statement, *parameters)


def _time(cell: bytes | None) -> int:
    return binary.to_epoch_ms(cast("bytes", cell))


def _times(epoch_ms: Sequence[int]) -> bytes:
    return binary.timestamptz_array(np.array(epoch_ms, dtype=np.int64))
