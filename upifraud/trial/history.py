"""A history as a trial needs it: in order of time, with what was reported of it, and measured twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from features.history import history_vectors
from history.measured import Measured
from history.reading import History, Reported, reports_on
from upifraud.trial.split import is_in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.decode import DecodedOutcome


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """The payments of a file in order of time, and the outcomes on them."""

    history: History
    reported: Reported
    reordered: bool
    """Whether the file was in another order."""


def in_order(history: History, reported: Reported) -> Read:
    """Return a history in order of time. A file that is clearly in another order is put into it.

    The order of a file is that of delivery. Public files are often shuffled, and a shuffled stream measures nothing.
    """
    if is_in_order(history.event_time):
        return Read(history, reported, reordered=False)
    order = np.argsort(history.event_time, kind="stable")
    ids = [history.transaction_id[row] for row in order.tolist()]
    return Read(History(history.columns.take(order), ids, history.refusals), reported, reordered=True)


def measured(read: Read, reported: Reported, progress: Callable[[int], None]) -> Measured:
    """Return the vectors of a history as they were with these reports."""
    reports = reports_on(read.history, reported.rows)
    vectors, state = history_vectors(read.history.columns, reports, progress)
    history = read.history
    return Measured(history.transaction_id, history.event_time, vectors, state, history.refusals, reported)


def at_once(read: Read) -> Reported:
    """Return the outcomes as if each had been reported in the moment of its payment: what no bank can have."""
    moment = dict(zip(read.history.transaction_id, read.history.event_time.tolist(), strict=True))
    rows: list[DecodedOutcome] = [
        replace(row, reported_at=moment.get(row.transaction_id, row.reported_at)) for row in read.reported.rows
    ]
    return Reported(rows, read.reported.refusals)
