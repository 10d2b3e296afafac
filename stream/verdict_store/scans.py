"""Reading verdicts back: one by its id, or a run of them from a cursor on the server, in bounded memory.

A scan is one statement and so one moment: it sees every verdict that was committed when it began and none after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stream.verdict_store.connector import PlainConnection, plain_connection
from stream.verdict_store.records import Model, OutcomeRow, PaymentRef, Provenance, Report, VerdictRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS: Final = 2000
"""Rows read at a time."""

RECORD_COLUMNS: Final = (
    *("transaction_id", "event_time", "decided_at", "payer_vpa", "payee_vpa", "amount_paise", "verdict", "score"),
    *("margin", "feature_state", "model_key", "vector", "provenance", "source_partition", "source_offset", "alert"),
    *("facts", "rrn", "hold_until"),
)
"""In the order of VerdictRecord's fields, with the model's key and the packed vector in the places of both."""

_MODEL_AT: Final = RECORD_COLUMNS.index("model_key")
_VECTOR_AT: Final = RECORD_COLUMNS.index("vector")
WHOLE_ROWS: Final = f"SELECT {', '.join(RECORD_COLUMNS)} FROM verdicts_by_day"  # noqa: S608 - names of our own
_PROVENANCE: Final = "SELECT event_time, source_partition, source_offset, provenance FROM verdicts_by_day"
# Partitions are ordered by event_time, so PostgreSQL sorts one day at a time.
_IN_ORDER: Final = " ORDER BY event_time, transaction_id"
_COUNT: Final = "SELECT count(*) FROM verdicts_by_day"
_COUNT_SENT: Final = """
SELECT count(*) FROM verdicts_by_day AS stored
JOIN unnest(%s::integer[], %s::bigint[], %s::bigint[]) AS sent (source_partition, first, behind)
    ON stored.source_partition = sent.source_partition AND stored.source_offset >= sent.first
    AND stored.source_offset < sent.behind
"""
_MODELS: Final = "SELECT model_key, model_id, schema_hash, base_value, features, thresholds FROM models"
_OUTCOMES: Final = """
SELECT o.transaction_id, o.outcome, o.reported_at, o.typology, o.source, o.source_partition, o.source_offset,
       v.event_time, v.provenance, v.verdict
FROM outcomes AS o, LATERAL (
    SELECT event_time, provenance, verdict FROM verdicts_by_day
    WHERE transaction_id = o.transaction_id ORDER BY event_time DESC LIMIT 1
) AS v
ORDER BY o.transaction_id
"""
# The version before keeps no order. Of what it was told only what stands is known, which is taken to have come when the
# clock of the reports passed its time. What is under way is the last.
_REPORTS: Final = """
SELECT r.reported_at, r.is_fraud, v.provenance
FROM (
    SELECT number, transaction_id, reported_at, is_fraud, max(reported_at) OVER (ORDER BY number) AS clock,
           0 AS source_partition, 0::bigint AS source_offset
    FROM outcome_reports
    UNION ALL
    SELECT NULL, transaction_id, reported_at, outcome = 'FRAUD',
           CASE WHEN waiting THEN 'infinity' ELSE reported_at END, source_partition, source_offset
    FROM outcomes AS o
    WHERE NOT EXISTS (
        SELECT FROM outcome_reports AS k WHERE k.transaction_id = o.transaction_id
            AND k.reported_at = o.reported_at AND k.is_fraud = (o.outcome = 'FRAUD')
    )
) AS r, LATERAL (
    SELECT provenance FROM verdicts_by_day
    WHERE transaction_id = r.transaction_id ORDER BY event_time DESC LIMIT 1
) AS v
ORDER BY r.clock, r.number NULLS LAST, r.reported_at, r.source_offset, r.source_partition
"""


def get(url: str, transaction_id: str) -> VerdictRecord | None:
    """Return a payment's verdict; of several under a reused id, the one of the latest event_time."""
    if "\0" in transaction_id:
        return None
    with plain_connection(url, name="read") as connection:
        found = connection.execute(
            f"{WHOLE_ROWS} WHERE transaction_id = %s ORDER BY event_time DESC LIMIT 1", (transaction_id,)
        )
        return _record(found[0], _models(connection)) if found else None


def verdicts(url: str, since: int | None, until: int | None) -> Iterator[list[VerdictRecord]]:
    """Yield the verdicts with since <= event_time < until, by event_time and id."""
    where, parameters = _range(since, until)
    with plain_connection(url, name="scan") as connection:
        models: dict[int, Model] = {}
        for rows in connection.stream(WHOLE_ROWS + where + _IN_ORDER, parameters, ROWS):
            if any(row[_MODEL_AT] not in models for row in rows):
                models = _models(connection)
            yield [_record(row, models) for row in rows]


def provenance(url: str, since: int | None, until: int | None) -> Iterator[list[Provenance]]:
    """Yield what the entity logs got from the payments with since <= event_time < until, by event_time and id."""
    where, parameters = _range(since, until)
    with plain_connection(url, name="scan") as connection:
        for rows in connection.stream(_PROVENANCE + where + _IN_ORDER, parameters, ROWS):
            yield [Provenance(*row) for row in rows]


def outcomes(url: str) -> Iterator[list[PaymentRef]]:
    """Yield the outcome that stands for every payment with a verdict, by id."""
    with plain_connection(url, name="scan") as connection:
        for rows in connection.stream(_OUTCOMES, (), ROWS):
            yield [_payment_ref(row) for row in rows]


def reports(url: str) -> Iterator[list[Report]]:
    """Yield what the entity logs were given of outcomes, in the order in which they got it, as far as that is known."""
    with plain_connection(url, name="scan") as connection:
        for rows in connection.stream(_REPORTS, (), ROWS):
            yield [Report(*row) for row in rows]


def count(url: str, since: int | None, until: int | None) -> int:
    """Count the verdicts with since <= event_time < until."""
    where, parameters = _range(since, until)
    with plain_connection(url, name="read") as connection:
        found = connection.execute(_COUNT + where, parameters)
        return int(found[0][0])


def count_of_records(url: str, runs: Sequence[tuple[int, int, int]], since: int | None, until: int | None) -> int:
    """Count the verdicts of records by their places: runs of (partition, first offset, offset behind the last).

    Of payments with since <= event_time < until, so that only these days are read.
    """
    if not runs:
        return 0
    where, bounds = _range(since, until)
    partitions, first, behind = (list(column) for column in zip(*runs, strict=True))
    with plain_connection(url, name="read") as connection:
        found = connection.execute(_COUNT_SENT + where, (partitions, first, behind, *bounds))
        return int(found[0][0])


def _range(since: int | None, until: int | None) -> tuple[str, tuple[int, ...]]:
    moment = "timestamptz 'epoch' + %s * interval '1 millisecond'"
    bounds = [("event_time >=", since), ("event_time <", until)]
    clauses = [f"{what} {moment}" for what, value in bounds if value is not None]
    return (f" WHERE {' AND '.join(clauses)}" if clauses else "", tuple(v for _, v in bounds if v is not None))


def _models(connection: PlainConnection) -> dict[int, Model]:
    rows = connection.execute(_MODELS)
    return {
        key: Model(name, schema, base, tuple(features), limits) for key, name, schema, base, features, limits in rows
    }


def _record(row: tuple[Any, ...], models: dict[int, Model]) -> VerdictRecord:
    fields = list(row)
    fields[_MODEL_AT], fields[_VECTOR_AT] = models[row[_MODEL_AT]], np.frombuffer(row[_VECTOR_AT], dtype="<f4")
    return VerdictRecord(*fields)


def _payment_ref(row: tuple[Any, ...]) -> PaymentRef:
    transaction_id, outcome, reported_at, typology, source, partition, offset, event_time, packed, verdict = row
    outcome_row = OutcomeRow(
        transaction_id.encode(), outcome == "FRAUD", reported_at, typology, source, partition, offset
    )
    return PaymentRef(outcome_row, event_time, packed, verdict)
