"""Who looked at whom: lines that are appended, and forgotten a year later."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from stream.verdict_store import binary
from stream.verdict_store.connector import Session, Statement, plain_connection
from stream.verdict_store.door.sessions import WRITING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEEP_DAYS: Final = 365
"""The Digital Personal Data Protection Rules ask for logs of a year."""
_AT_ONCE: Final = 10_000

_COPY: Final = Statement(
    "access_log", "COPY access_log (at, who, kind, how_many, asked, outcome) FROM STDIN (FORMAT binary)"
)
_FORGET: Final = """
DELETE FROM access_log WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM access_log
    WHERE at < (date '1970-01-01' + %s::integer)::timestamp AT TIME ZONE 'UTC' ORDER BY at LIMIT %s
))
"""
_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL: Final = struct.pack(">h", -1)
_FIELDS: Final = struct.pack(">h", 6)
_NULL: Final = struct.pack(">i", -1)


class AccessLine(NamedTuple):
    """One line."""

    at: int
    """Epoch milliseconds."""
    who: str
    """A key's id, or a person's name."""
    kind: str
    """What was asked for."""
    how_many: int
    """Payments or rows that it was about."""
    asked: bytes | None
    """Keyed hash of the person asked for; None where it is about none."""
    outcome: str


class AccessLog:
    """Appends lines, in a session of its own; for one thread."""

    def __init__(self, url: str, *, answer_seconds: float = 2.0) -> None:
        self._session = Session(url, name="access-log", settings=WRITING, answer_seconds=answer_seconds)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def append(self, lines: Sequence[AccessLine]) -> None:
        """Append lines, all or none; they are on the disk when this returns."""
        if lines:
            self._session.copy_in(_COPY, _HEAD + b"".join(map(_line, lines)) + _TAIL)


def forget(url: str, before: int) -> int:
    """Forget the lines from before a day (from 1970-01-01 UTC), a bounded transaction at a time; return how many."""
    forgotten = 0
    with plain_connection(url, name="housekeeping") as connection:
        while some := connection.count(_FORGET, (before, _AT_ONCE)):
            forgotten += some
    return forgotten


def _line(line: AccessLine) -> bytes:
    fields = (
        binary.timestamptz(line.at),
        line.who.encode(),
        line.kind.encode(),
        binary.int4(line.how_many),
        line.asked,
        line.outcome.encode(),
    )
    return _FIELDS + b"".join(_NULL if field is None else struct.pack(">i", len(field)) + field for field in fields)
