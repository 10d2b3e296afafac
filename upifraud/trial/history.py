"""A history as a trial needs it: in order of time, as it was known, and as if every fraud had been known at once."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from features.history import history_vectors
from files.rules.times import After
from history.large import measuring
from history.measured import Measured, outcomes_of
from history.reading import History, Reported, read_outcomes, read_payments, reports_on, said, source_of_payments
from history.refusals import ignored
from history.spill.plan import Plan, estimated_rows
from history.spill.work import cores
from upifraud.trial.split import is_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from features.columns import PaymentColumns
    from history.large import Means
    from history.refusals import Refusals
    from history.spill.spilled import Spilled
    from upifraud.history_files import Given

    Step = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """The payments of files in order of time, and the outcomes on them."""

    history: History
    reported: Reported
    reordered: bool
    """Whether the files were in another order."""

    @property
    def columns(self) -> PaymentColumns | None:
        """What is known of each payment beside its vector."""
        return self.history.columns

    @contextmanager
    def known_in_time(self, step: Step) -> Iterator[Measured]:
        """Yield the vectors as they were with the reports that had come."""
        yield self._measured(self.reported, step("measuring", len(self.history.transaction_id)))

    @contextmanager
    def known_at_once(self, step: Step) -> Iterator[Measured]:
        """Yield the vectors as if each payment's outcome had been known in its own moment: what no bank can have."""
        moment = dict(zip(self.history.transaction_id, self.history.event_time.tolist(), strict=True))
        rows = [replace(row, reported_at=moment.get(row.transaction_id, row.reported_at)) for row in self.reported.rows]
        reported = Reported(rows, self.reported.refusals)
        yield self._measured(reported, step("without delay", len(self.history.transaction_id)))

    def _measured(self, reported: Reported, progress: Callable[[int], None]) -> Measured:
        history = self.history
        vectors, state = history_vectors(history.columns, reports_on(history, reported.rows), progress)
        return Measured(history.transaction_id, history.event_time, vectors, state, history.refusals, reported)


@dataclass(frozen=True, slots=True, eq=False)
class OnDisk:
    """The payments of files that are larger than memory, in file order."""

    given: Given
    means: Means
    reordered: bool = False
    columns: PaymentColumns | None = None

    @contextmanager
    def known_in_time(self, step: Step) -> Iterator[Measured | Spilled]:
        """Yield the vectors as they were with the reports that had come."""
        with measuring(**self.given, step=step, means=self.means) as measured:
            measured.expect_a_match(str(self.given["payments"]))
            yield measured

    @contextmanager
    def known_at_once(self, step: Step) -> Iterator[Measured | Spilled | None]:
        """Yield the vectors as if outcomes were known at once; None where the map does not make up when they were."""
        columns = self.given["columns"]
        rule = None if columns is None or self.given["outcomes"] is not None else columns.rules.get("reported_at")
        if columns is None or not isinstance(rule, After):
            yield None
            return
        rules = {**columns.rules, "reported_at": replace(rule, delay=0)}
        given = self.given.copy()
        given["columns"], given["note"] = replace(columns, rules=rules), ignored  # refused rows were noted before
        with measuring(**given, step=step, means=self.means) as measured:
            yield measured


def read(given: Given, means: Means, step: Step) -> InMemory | OnDisk:
    """Return a history; raises ClickException where too many rows are refused.

    A file that is clearly in another order than that of time is put into it, if it fits into memory: public files are
    often shuffled, and a shuffled stream measures nothing.
    """
    payments = source_of_payments(given["payments"], given["zone"], given["columns"])
    with said():
        rows = estimated_rows(payments)
    if not Plan(rows, means.memory, means.workers or cores()).fits_in_memory:
        return OnDisk(given, means)
    where = outcomes_of(given["payments"], given["outcomes"], given["columns"], given["outcomes_columns"])
    if where is None:
        raise AssertionError("where outcomes come from was asked before")
    limits = given["limits"]
    reported = read_outcomes(where.paths, given["zone"], where.columns, given["note"])
    reported.refusals.within = where.own
    reported.refusals.check(limits.of_outcomes(own=where.own))
    bar = step("bytes read", payments.size())
    history = read_payments(payments, lambda _rows: bar(payments.position()), given["note"])
    history.refusals.check(limits.payments)
    reported.match(history.transaction_id)
    reported.expect_a_match(payments.path)
    return _in_order(history, reported)


def _in_order(history: History, reported: Reported) -> InMemory:
    if is_in_order(history.event_time):
        return InMemory(history, reported, reordered=False)
    order = np.argsort(history.event_time, kind="stable")
    ids = [history.transaction_id[row] for row in order.tolist()]
    return InMemory(History(history.columns.take(order), ids, history.refusals), reported, reordered=True)


def refusals_of(measured: Measured | Spilled) -> tuple[Refusals, Refusals]:
    """Return what was refused of the payments, and of their outcomes."""
    if measured.reported is None:
        raise AssertionError("a trial has outcomes")
    return measured.refusals, measured.reported.refusals
