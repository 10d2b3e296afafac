"""The statements about holds. Parameters and results are binary."""

from __future__ import annotations

from typing import Final

from stream.verdict_store.connector import Statement

FIND: Final = Statement(
    "find_hold",
    """
    SELECT v.event_time, v.hold_until, v.verdict, r.record
    FROM (
        SELECT transaction_id, event_time, hold_until, verdict FROM verdicts_by_day
        WHERE transaction_id = $1::text ORDER BY event_time DESC LIMIT 1
    ) AS v
    LEFT JOIN resolutions AS r USING (transaction_id, event_time)
    """,
)

# One statement and so one transaction: no hold is open and ended at once. Of two who insert the same one, the second
# waits for the first's commit and then stores nothing.
PUT: Final = Statement(
    "put_resolutions",
    """
    WITH put AS (
        INSERT INTO resolutions (transaction_id, event_time, action, cause, by, at, reason, record)
        SELECT new.transaction_id, new.event_time, new.action, new.cause, new.by, new.at, new.reason,
               convert_to(new.record, 'UTF8')
        FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                    $8::text[])
            AS new (transaction_id, event_time, action, cause, by, at, reason, record)
        ON CONFLICT DO NOTHING
        RETURNING transaction_id, event_time
    ), gone AS (
        DELETE FROM open_holds AS o USING unnest($1::text[], $2::timestamptz[]) AS ended (transaction_id, event_time)
        WHERE o.transaction_id = ended.transaction_id AND o.event_time = ended.event_time
    )
    SELECT transaction_id, event_time FROM put
    """,
)

STANDING: Final = Statement(
    "standing_resolution",
    "SELECT record FROM resolutions WHERE transaction_id = $1::text AND event_time = $2::timestamptz",
)

DUE: Final = Statement(
    "due_holds",
    "SELECT transaction_id, event_time, hold_until FROM open_holds WHERE hold_until <= $1::timestamptz"
    " ORDER BY hold_until LIMIT $2::integer",
)

WAITING: Final = Statement(
    "waiting_resolutions",
    "SELECT transaction_id, event_time, record FROM resolutions WHERE published_at IS NULL"
    " ORDER BY at, transaction_id LIMIT $1::integer",
)

CONFIRMED: Final = Statement(
    "confirmed_resolutions",
    """
    UPDATE resolutions AS r SET published_at = $3::timestamptz
    FROM unnest($1::text[], $2::timestamptz[]) AS sent (transaction_id, event_time)
    WHERE r.published_at IS NULL AND r.transaction_id = sent.transaction_id AND r.event_time = sent.event_time
    """,
)

COUNTS: Final = Statement(
    "count_holds",
    "SELECT count(*), count(*) FILTER (WHERE hold_until <= $1::timestamptz),"
    " (SELECT count(*) FROM resolutions WHERE published_at IS NULL) FROM open_holds",
)

LOCK: Final = Statement("lock_resolutions", "SELECT pg_try_advisory_lock(hashtext('upifraud.resolutions'))")
UNLOCK: Final = Statement("unlock_resolutions", "SELECT pg_advisory_unlock(hashtext('upifraud.resolutions'))")
