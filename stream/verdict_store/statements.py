"""The statements of a worker's sessions. Parameters and results are binary."""

from __future__ import annotations

from typing import Final

from stream.verdict_store.connector import Statement
from stream.verdict_store.copy_rows import COLUMNS

CLAIM: Final = Statement(
    "claim",
    "SELECT place, fingerprint, source_partition, source_offset"
    " FROM claim_payments($1::uuid[], $2::bigint[], $3::integer[], $4::bigint[], $5::integer, $6::boolean)",
)

CLAIMED: Final = Statement(
    "claimed",
    "SELECT wanted.place FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) JOIN payment_ids USING (id)",
)

COPY_VERDICTS: Final = Statement(
    "copy_verdicts", f"COPY verdicts_by_day ({', '.join(COLUMNS)}) FROM STDIN (FORMAT binary)"
)

MAKE_DAY: Final = Statement("make_day", "SELECT make_verdict_day(date '1970-01-01' + $1::integer)")

STORED: Final = Statement(
    "stored",
    "SELECT transaction_id, event_time, verdict, score, alert FROM verdicts_by_day"
    " WHERE transaction_id = ANY ($1::text[]) AND event_time BETWEEN $2::timestamptz AND $3::timestamptz",
)

FIND_MODEL: Final = Statement(
    "find_model",
    "SELECT model_key, schema_hash, base_value, array_to_json(features)::text, thresholds::text"
    " FROM models WHERE model_id = $1::text",
)

ADD_MODEL: Final = Statement(
    "add_model",
    "INSERT INTO models (model_id, schema_hash, base_value, features, thresholds)"
    " VALUES ($1::text, $2::text, $3::float8, $4::text[], $5::text::jsonb) ON CONFLICT DO NOTHING",
)

PUT_OUTCOMES: Final = Statement(
    "put_outcomes",
    """
    INSERT INTO outcomes
        (transaction_id, outcome, reported_at, typology, source, source_partition, source_offset, waiting)
    SELECT *, true
    FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::integer[], $7::bigint[])
    ON CONFLICT (transaction_id) DO UPDATE SET
        outcome = excluded.outcome, reported_at = excluded.reported_at, typology = excluded.typology,
        source = excluded.source, source_partition = excluded.source_partition, source_offset = excluded.source_offset,
        waiting = true
    WHERE (excluded.reported_at, excluded.source_offset, excluded.source_partition)
        > (outcomes.reported_at, outcomes.source_offset, outcomes.source_partition)
    """,
)

# Joined by the caller: a planner that knows nothing of the arrays would loop over both.
LATEST_PAYMENTS: Final = Statement(
    "latest_payments",
    """
    SELECT DISTINCT ON (transaction_id) transaction_id, event_time, provenance, verdict
    FROM verdicts_by_day WHERE transaction_id = ANY ($1::text[])
    ORDER BY transaction_id, event_time DESC
    """,
)

OUTCOMES: Final = Statement(
    "outcomes",
    "SELECT transaction_id, outcome, reported_at, typology, source, source_partition, source_offset"
    " FROM outcomes WHERE transaction_id = ANY ($1::text[])",
)

SOME_WAITING: Final = Statement("some_waiting", "SELECT transaction_id FROM outcomes WHERE waiting LIMIT $1::integer")

WAITING: Final = Statement(
    "waiting", "SELECT transaction_id FROM outcomes WHERE waiting AND transaction_id = ANY ($1::text[])"
)

SETTLE: Final = Statement(
    "settle",
    # Numbered in the order in which the entity logs got them, inserted in an order in which no two sessions deadlock.
    """
    WITH settled AS MATERIALIZED (
        SELECT s.*, nextval('outcome_report_numbers') AS number
        FROM unnest($1::text[], $2::timestamptz[], $3::integer[], $4::bigint[], $5::boolean[], $6::integer[])
            AS s (transaction_id, reported_at, source_partition, source_offset, is_fraud, place)
        ORDER BY place
    ), reported AS (
        INSERT INTO outcome_reports (number, transaction_id, reported_at, is_fraud)
        SELECT number, transaction_id, reported_at, is_fraud FROM settled ORDER BY transaction_id, reported_at, is_fraud
        ON CONFLICT DO NOTHING
    )
    UPDATE outcomes AS o SET waiting = false
    FROM settled AS s
    WHERE o.waiting AND o.transaction_id = s.transaction_id AND o.reported_at = s.reported_at
        AND o.source_partition = s.source_partition AND o.source_offset = s.source_offset
    """,
)
