"""Searching verdicts: by a day's index where it has one, else by reading it, latest rows first within a time."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from stream.verdict_store import binary
from stream.verdict_store.connector import Statement
from stream.verdict_store.door.asked import Cursor, Found
from stream.verdict_store.door.indexes import INDEXES
from stream.verdict_store.errors import TooSlowError
from stream.verdict_store.scans import RECORD_COLUMNS, WHOLE_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.verdict_store.connector import Cells, Session
    from stream.verdict_store.door.asked import Period, Wanted
    from stream.verdict_store.records import VerdictRecord


_WHERE: Final = (
    WHOLE_ROWS + " WHERE {expression} = $1::{cast} AND event_time >= $2::timestamptz AND event_time < $3::timestamptz"
    " AND ($4::integer < 0 OR verdict = $4::integer)"
    " AND (event_time < $5::timestamptz OR transaction_id < $6::text)"
)
_LATEST: Final = " ORDER BY event_time DESC, transaction_id DESC LIMIT $7::integer"
_PAGES: Final = " AND ctid >= $8::tid AND ctid < $9::tid"

_BY_INDEX: Final = {
    kind: Statement(f"door_by_{kind}", _WHERE.format(expression=index.expression, cast=index.cast) + _LATEST)
    for kind, index in INDEXES.items()
}
_BY_SCAN: Final = {
    kind: Statement(f"door_scan_{kind}", _WHERE.format(expression=index.expression, cast=index.cast) + _PAGES + _LATEST)
    for kind, index in INDEXES.items()
}
_DAYS: Final = Statement(
    "door_days",
    """
    SELECT since, until, is_indexed,
           CASE WHEN is_indexed THEN 0 ELSE pg_relation_size(day) / current_setting('block_size')::bigint END
    FROM (
        SELECT child.oid AS day,
               (extract(epoch FROM substring(bound FROM 'FROM \\(''([^'']+)')::timestamptz) * 1000)::bigint AS since,
               (extract(epoch FROM substring(bound FROM 'TO \\(''([^'']+)')::timestamptz) * 1000)::bigint AS until,
               EXISTS (
                   SELECT FROM pg_index JOIN pg_class AS named ON named.oid = indexrelid
                   WHERE indrelid = child.oid AND indisvalid AND named.relname = child.relname || $1::text
               ) AS is_indexed
        FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid,
             LATERAL pg_get_expr(child.relpartbound, child.oid) AS bound
        WHERE inhparent = 'verdicts_by_day'::regclass AND NOT inhdetachpending
    ) AS days
    ORDER BY until DESC NULLS FIRST
    """,
)
_PATIENCE: Final = Statement("door_patience", "SELECT set_config('statement_timeout', $1::text, false)")
_LEAST_PATIENCE: Final = 0.05

_EVER: Final = 253_402_300_800_000
"""The year 10000: later than all times, and PostgreSQL can hold it."""

_FIRST_PAGES, _MOST_PAGES = 1024, 8192
_QUICK: Final = 0.05

_EVENT_TIME: Final = RECORD_COLUMNS.index("event_time")
_ID: Final = RECORD_COLUMNS.index("transaction_id")


class _Day(NamedTuple):
    since: int
    until: int
    is_indexed: bool
    pages: int


class Rows(NamedTuple):
    """Rows that were found, latest first, up to one more than was asked for."""

    rows: list[Cells]
    partial: bool


def search(session: Session, wanted: Wanted, period: Period, cursor: Cursor | None, limit: int, seconds: float) -> Rows:
    """Return the rows of a period, behind the cursor."""
    asked = _Asked(session, wanted, period, cursor, limit + 1, time.monotonic() + seconds)
    days = [day for day in _days(session, wanted) if day.since < asked.until and day.until > period.since]
    asked.by_index([day for day in days if day.is_indexed])
    asked.by_scan([day for day in days if not day.is_indexed])
    return Rows(asked.rows, asked.partial)


def be_patient(session: Session, seconds: float) -> None:
    """Let the server end a statement of this session that takes longer."""
    session.call(_PATIENCE, f"{round(seconds * 1000)}".encode())


def answer(records: Sequence[VerdictRecord], limit: int, *, partial: bool) -> Found:
    """Return the first `limit` of some records, and where to go on if there are more."""
    shown = records[:limit]
    more = len(records) > limit
    return Found(shown, Cursor(shown[-1].event_time, shown[-1].transaction_id) if more else None, partial)


class _Asked:
    """One search under way."""

    def __init__(
        self, session: Session, wanted: Wanted, period: Period, cursor: Cursor | None, most: int, deadline: float
    ) -> None:
        self._session = session
        self._kind = wanted.kind
        self._value = _parameter(wanted)
        self._since = period.since
        self.until = period.until if cursor is None else min(period.until, cursor.event_time + 1)
        behind = (_EVER, "") if cursor is None else (cursor.event_time, cursor.transaction_id)
        self._rest = (
            binary.int4(-1 if period.verdict is None else period.verdict),
            binary.timestamptz(behind[0]),
            behind[1].encode(),
            binary.int4(most),
        )
        self._most = most
        self._deadline = deadline
        self.rows: list[Cells] = []
        self.partial = False

    def by_index(self, days: Sequence[_Day]) -> None:
        """Look into days that have the index, latest first, until there is enough."""
        for since, until in _runs(days) if self._kind == "rrn" else [(day.since, day.until) for day in days]:
            if len(self.rows) >= self._most:
                break
            if not self._add(_BY_INDEX[self._kind], since, until):
                break

    def by_scan(self, days: Sequence[_Day]) -> None:
        """Read days that have none, latest rows first, where there may be something later than what was found."""
        for day in days:
            if len(self.rows) >= self._most and day.until <= _time(self.rows[-1]):
                break
            pages, behind = _FIRST_PAGES, day.pages
            while behind > 0:
                began = time.monotonic()
                first = max(0, behind - pages)
                if not self._add(_BY_SCAN[self._kind], day.since, day.until, _tid(first), _tid(behind)):
                    return
                behind = first
                if time.monotonic() - began < _QUICK:
                    pages = min(2 * pages, _MOST_PAGES)

    def _add(self, statement: Statement, since: int, until: int, *pages: bytes) -> bool:
        """Keep the latest of what is there and what a statement finds; False once there is no time for it."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.partial = True
            return False
        bounds = binary.timestamptz(max(since, self._since)), binary.timestamptz(min(until, self.until))
        try:
            be_patient(self._session, max(left, _LEAST_PATIENCE))
            found = self._session.call(statement, self._value, *bounds, *self._rest, *pages)
        except TooSlowError:
            self.partial = True
            return False
        if found:
            self.rows = sorted(self.rows + found, key=_rank, reverse=True)[: self._most]
        return True


def _days(session: Session, wanted: Wanted) -> list[_Day]:
    found = session.call(_DAYS, INDEXES[wanted.kind].suffix.encode())
    return [
        _Day(
            0 if since is None else binary.to_int(since),
            _EVER if until is None else binary.to_int(until),
            is_indexed == b"\x01",
            binary.to_int(cast("bytes", pages)),
        )
        for since, until, is_indexed, pages in found
    ]


def _runs(days: Sequence[_Day]) -> list[tuple[int, int]]:
    """Join days that follow each other; latest first."""
    runs: list[tuple[int, int]] = []
    for day in days:
        if runs and day.until == runs[-1][0]:
            runs[-1] = day.since, runs[-1][1]
        else:
            runs.append((day.since, day.until))
    return runs


def _parameter(wanted: Wanted) -> bytes:
    kind, value = wanted
    if isinstance(value, bytes):
        return value
    if kind == "rrn":
        return value.to_bytes(8, "big", signed=True)
    return value.to_bytes(8, "little" if kind == "device" else "big")


def _tid(page: int) -> bytes:
    return struct.pack(">IH", page, 0)


def _time(row: Cells) -> int:
    return binary.to_epoch_ms(cast("bytes", row[_EVENT_TIME]))


def _rank(row: Cells) -> tuple[int, bytes]:
    return _time(row), cast("bytes", row[_ID])
