"""Forgetting what is no longer needed, on connections of its own so that no micro-batch waits for it.

Several workers may do it at once; one at a time gets on with it, the others find nothing to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from stream.verdict_store.connector import PlainConnection, plain_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES: Final = 512
"""Pages swept in one transaction: 4 MB, about 60,000 ids or 6,000 verdicts."""

_PAGES_OF: Final = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint"
_FORGET_IDS: Final = "DELETE FROM payment_ids WHERE ctid >= %s::tid AND ctid < %s::tid AND claimed_on < %s"
_FORGET_EARLY: Final = """
DELETE FROM verdicts_early
WHERE ctid >= %s::tid AND ctid < %s::tid
  AND event_time < (date '1970-01-01' + %s::integer)::timestamp AT TIME ZONE 'UTC'
"""
_FORGET_OUTCOMES: Final = """
DELETE FROM outcomes
WHERE ctid >= %s::tid AND ctid < %s::tid
  AND reported_at < (date '1970-01-01' + %s::integer)::timestamp AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT FROM verdicts_by_day AS v WHERE v.transaction_id = outcomes.transaction_id)
"""
_FORGET_REPORTS: Final = """
DELETE FROM outcome_reports
WHERE ctid >= %s::tid AND ctid < %s::tid
  AND reported_at < (date '1970-01-01' + %s::integer)::timestamp AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT FROM verdicts_by_day AS v WHERE v.transaction_id = outcome_reports.transaction_id)
"""
_FORGET_HOLDS: Final = """
DELETE FROM open_holds
WHERE ctid >= %s::tid AND ctid < %s::tid
  AND event_time < (date '1970-01-01' + %s::integer)::timestamp AT TIME ZONE 'UTC' AND hold_until IS NULL
"""
_FORGET_RESOLUTIONS: Final = """
DELETE FROM resolutions
WHERE ctid >= %s::tid AND ctid < %s::tid
  AND event_time < (date '1970-01-01' + %s::integer)::timestamp AT TIME ZONE 'UTC' AND published_at IS NOT NULL
"""
_MAKE_DAYS: Final = """
SELECT make_verdict_day(date '1970-01-01' + day) FROM generate_series(%s::integer, %s::integer) AS day
"""
_FIRST_MISSING: Final = """
SELECT min(ahead) FROM generate_series(0, 400) AS ahead
WHERE (now() AT TIME ZONE 'UTC')::date + ahead NOT IN (SELECT day FROM verdict_days WHERE NOT is_leaving)
"""
_LEAVING: Final = """
SELECT partition::text, is_leaving FROM verdict_days WHERE day < date '1970-01-01' + %s::integer
"""


def forget_ids(url: str, before: int) -> int:
    """Forget the ids claimed before a day (from 1970-01-01 UTC); return how many.

    One pass over the table in page order, a bounded transaction at a time: no index on the day has to be kept up with
    every claim. A claim that comes meanwhile is never in the way, nor lost.
    """
    with plain_connection(url, name="housekeeping") as connection, alone(connection, "forget_ids") as is_ours:
        return _sweep(connection, "payment_ids", _FORGET_IDS, before) if is_ours else 0


def make_days(url: str, first: int, last: int) -> int:
    """Make the partitions of the days first to last (from 1970-01-01 UTC) that are missing; return how many."""
    with plain_connection(url, name="housekeeping") as connection:
        made = connection.execute(_MAKE_DAYS, (first, last))
    return sum(row[0] for row in made)


def days_ahead(url: str) -> int:
    """Return how many days after today have their partition, without a gap; -1 where not even today has one."""
    with plain_connection(url, name="housekeeping") as connection:
        missing = connection.execute(_FIRST_MISSING)[0][0]
    return int(missing) - 1


def drop_days(url: str, before: int) -> list[str]:
    """Remove the verdicts of the days before `before` (from 1970-01-01 UTC); return the partitions removed.

    A day's partition is detached concurrently, so nobody who reads or writes other days waits, and then dropped.
    Verdicts older than the oldest partition of a single day are deleted row by row, in bounded transactions.
    """
    dropped: list[str] = []
    with plain_connection(url, name="housekeeping") as connection, alone(connection, "drop_days") as is_ours:
        if not is_ours:
            return dropped
        leaving = connection.execute(_LEAVING, (before,))
        for partition, was_interrupted in leaving:
            how = "FINALIZE" if was_interrupted else "CONCURRENTLY"
            connection.execute(f"ALTER TABLE verdicts_by_day DETACH PARTITION {partition} {how}")
            connection.execute(f"DROP TABLE {partition}")
            dropped.append(partition)
        _sweep(connection, "verdicts_early", _FORGET_EARLY, before)
    return dropped


def forget_outcomes(url: str, before: int) -> int:
    """Forget the outcomes reported before a day (from 1970-01-01 UTC) whose payment has no verdict; return how many.

    Either its verdict was removed, or the payment never came: such outcomes wait, and looking for them costs every
    micro-batch something.
    """
    with plain_connection(url, name="housekeeping") as connection, alone(connection, "forget_outcomes") as is_ours:
        if not is_ours:
            return 0
        _sweep(connection, "outcome_reports", _FORGET_REPORTS, before)
        return _sweep(connection, "outcomes", _FORGET_OUTCOMES, before)


def forget_holds(url: str, before: int) -> int:
    """Forget the holds of payments before a day (from 1970-01-01 UTC), whose verdicts were removed; return how many.

    One that has an end is kept until it has come, and how a hold ended until the broker has confirmed it.
    """
    with plain_connection(url, name="housekeeping") as connection, alone(connection, "forget_holds") as is_ours:
        if not is_ours:
            return 0
        forgotten = _sweep(connection, "open_holds", _FORGET_HOLDS, before)
        return forgotten + _sweep(connection, "resolutions", _FORGET_RESOLUTIONS, before)


def _sweep(connection: PlainConnection, table: str, delete: str, before: int) -> int:
    pages = connection.execute(_PAGES_OF, (table,))[0][0]
    return sum(
        connection.count(delete, (f"({page},0)", f"({page + PAGES},0)", before)) for page in range(0, pages, PAGES)
    )


@contextmanager
def alone(connection: PlainConnection, task: str) -> Iterator[bool]:
    """Say whether nobody else is at a task of upkeep; nobody else will be until the end."""
    lock = f"hashtext('upifraud.{task}')"
    is_ours = bool(connection.execute(f"SELECT pg_try_advisory_lock({lock})")[0][0])
    try:
        yield is_ours
    finally:
        if is_ours:
            connection.execute(f"SELECT pg_advisory_unlock({lock})")
