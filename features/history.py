"""The same vectors over a history in delivery order: training sees what the stream would have seen, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.entities import REPORTED
from features.measure.bucket import ArrivedReports, Bucket, Census
from features.measure.vector import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from features.columns import PaymentColumns

CHUNK = 8_192


@dataclass(frozen=True, slots=True)
class OutcomeReports:
    """Outcome reports on payments of the history, any order: columns of one length."""

    row: NDArray[np.int64]
    """The payment's row in the history."""
    reported_at: NDArray[np.int64]
    """Epoch milliseconds; offline a report is taken to have arrived at that time, `arrivals` says where that is."""
    fraud: NDArray[np.bool_]


def first_appearances(ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark the rows of uint64[n, 2] that appear for the first time: the payments that are no duplicates."""
    first = np.zeros(len(ids), dtype=np.bool_)
    if len(ids):
        _, rows = np.unique(np.ascontiguousarray(ids).view("V16").ravel(), return_index=True)
        first[rows] = True
    return first


def history_vectors(
    columns: PaymentColumns,
    outcomes: OutcomeReports | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return float32[n, f] and the feature states uint8[n] of distinct payments in delivery order.

    progress is called with the number of payments done so far.
    """
    rows = np.arange(len(columns))
    identity = columns.rows["identity"]
    mine = identity != 0
    census = Census()
    census.count(identity, mine)
    bucket = Bucket(census, None if outcomes is None else arrived_reports(columns, outcomes))
    measured = np.empty((len(columns), len(PROGRAM)), dtype=np.float32)
    states = np.empty(len(columns), dtype=np.uint8)
    for start in range(0, len(columns), CHUNK):
        part = slice(start, start + CHUNK)
        measured[part], states[part] = bucket.measure(columns.take(part), rows[part], mine[part])
        progress(min(start + CHUNK, len(columns)))
    return measured, states


def arrivals(event_time: NDArray[np.int64], outcomes: OutcomeReports) -> NDArray[np.int64]:
    """Return the row before which each report arrives; the number of rows for one that no payment comes after.

    It arrives when the clock of the delivery, the latest event time so far, has passed its time: after the payments of
    that very time. And not before its own payment: no payment, and none delivered before it, can know its outcome,
    whatever time the report claims. A merged replay publishes it there (simulator/replay.py).
    """
    clock = np.maximum.accumulate(event_time)
    return np.maximum(outcomes.row + 1, np.searchsorted(clock, outcomes.reported_at, side="right"))


def arrived_reports(columns: PaymentColumns, outcomes: OutcomeReports) -> ArrivedReports:
    """Return the reports as they arrived, and each once: the store keeps them as a set by content."""
    reports = ArrivedReports(
        arrivals(columns.event_time, outcomes),
        outcomes.reported_at,
        outcomes.fraud,
        np.arange(len(outcomes.row)),
        columns.payment_id[outcomes.row],
        columns.rows["identity"][outcomes.row][:, REPORTED],
    )
    return reports.take(first_by_content(reports.payment_id, reports.reported_at, reports.fraud))


def first_by_content(
    payment_id: NDArray[np.uint64], reported_at: NDArray[np.int64], fraud: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return the rows of reports that say what none before them says, ascending."""
    if not len(payment_id):
        return np.empty(0, dtype=np.intp)
    order = np.lexsort((fraud, reported_at, payment_id))  # stable: of equal ones the first comes first
    payment_id, reported_at, fraud = payment_id[order], reported_at[order], fraud[order]
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = (payment_id[1:] == payment_id[:-1]) & (reported_at[1:] == reported_at[:-1]) & (fraud[1:] == fraud[:-1])
    return np.sort(order[~again])
