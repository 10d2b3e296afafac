"""Holds as a person looks at them: those that are open, soonest end first, and how the others ended, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stream.verdict_store.connector import plain_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS: Final = 1000
"""Rows read at a time."""

_OPEN: Final = """
SELECT v.transaction_id, v.event_time, v.decided_at, v.hold_until, v.amount_paise, v.score, NULL::bytea
FROM open_holds AS o JOIN verdicts_by_day AS v USING (transaction_id, event_time)
"""
_ENDED: Final = """
SELECT v.transaction_id, v.event_time, v.decided_at, v.hold_until, v.amount_paise, v.score, r.record
FROM resolutions AS r JOIN verdicts_by_day AS v USING (transaction_id, event_time)
"""
_UNTIL: Final = " WHERE v.hold_until <= timestamptz 'epoch' + %s * interval '1 millisecond'"


@dataclass(frozen=True, slots=True)
class ListedHold:
    """One HOLD. Times are epoch milliseconds."""

    transaction_id: str
    event_time: int
    decided_at: int
    hold_until: int | None
    """None where it has no end."""
    amount_paise: int
    score: float
    record: bytes | None
    """The resolution as the topic has it; None while the hold is open."""


def holds(url: str, *, only_open: bool, until: int | None = None) -> Iterator[ListedHold]:
    """Yield holds; with `until` those that end, or would have ended, by that epoch millisecond.

    HOLDs from before there were ends are in none of them until somebody ends them.
    """
    where, parameters = ("", ()) if until is None else (_UNTIL, (until,))
    queries = [f"{_OPEN}{where} ORDER BY o.hold_until NULLS LAST, o.transaction_id"]
    if not only_open:
        queries.append(f"{_ENDED}{where} ORDER BY r.at DESC, r.transaction_id")
    with plain_connection(url, name="holds-list") as connection:
        for query in queries:
            for rows in connection.stream(query, parameters, ROWS):
                yield from (ListedHold(*row) for row in rows)
