"""Indexes that searches need, built day by day: no payment waits, and a build that died is begun anew.

A day that is not over has the index of its RRNs alone, since each index costs every payment something. The rest follows
once the day is closed. Late payments go into all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stream.verdict_store.connector import PlainConnection, plain_connection
from stream.verdict_store.door.indexes import INDEXES
from stream.verdict_store.housekeeping import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIVE: Final = "rrn"

_DAYS: Final = """
SELECT child.relname, quote_ident(child.relname),
       child.relname <> 'verdicts_late' AND NOT EXISTS (
           SELECT FROM verdict_days WHERE partition = child.oid AND day >= date '1970-01-01' + %s::integer
       )
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'verdicts_by_day'::regclass AND NOT inhdetachpending
ORDER BY child.relname DESC
"""
_INDEXES: Final = """
SELECT named.relname, indisvalid
FROM pg_inherits JOIN pg_index ON indrelid = inhrelid JOIN pg_class AS named ON named.oid = indexrelid
WHERE inhparent = 'verdicts_by_day'::regclass
"""


def build(url: str, today: int) -> Iterator[str]:
    """Build the indexes that days lack, and yield the name of each; `today` counts from 1970-01-01 UTC.

    One session at a time does it; another finds nothing to do.
    """
    with plain_connection(url, name="housekeeping") as connection, alone(connection, "index_days") as is_ours:
        if not is_ours:
            return
        there = _there(connection)
        for table, quoted, is_closed in connection.execute(_DAYS, (today,)):
            for kind, index in INDEXES.items():
                name = table + index.suffix
                if name in there or (kind != _LIVE and not is_closed):
                    continue
                condition = f" WHERE {index.condition}" if index.condition else ""
                connection.execute(f'CREATE INDEX CONCURRENTLY "{name}" ON {quoted} ({index.expression}){condition}')
                yield name


def _there(connection: PlainConnection) -> set[str]:
    """Return the names of the indexes that can be used; what a build that died has left is removed."""
    suffixes = tuple(index.suffix for index in INDEXES.values())
    found = connection.execute(_INDEXES)
    for name, is_valid in found:
        if not is_valid and name.endswith(suffixes):
            connection.execute(f'DROP INDEX CONCURRENTLY "{name}"')
    return {name for name, is_valid in found if is_valid}
