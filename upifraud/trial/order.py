"""A trial as it is ordered, and its way from the files to the report."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from files.column_map import read_map
from files.source import Source
from history.message_fields import OUTCOME, PAYMENT
from history.reading import read_outcomes_of, read_payments
from model.artifact import canonical_json
from model.training.settings import TrainingSettings
from upifraud.commands.train import DURATION
from upifraud.proposal.became import delay_of
from upifraud.trial.chosen import check_map
from upifraud.trial.history import in_order
from upifraud.trial.page import page_of
from upifraud.trial.place import REPORT, check_place, write, written_whole
from upifraud.trial.report import report_of
from upifraud.trial.run import Asked, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asks for."""

    file: Path
    map: Path
    outcomes: Path | None
    train_share: float
    alert_budget: float | None
    baselines: bool
    max_rejected_payments: float
    max_rejected_outcomes: float
    out: Path | None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    values: dict[str, Any]
    """As report.json has it."""
    account: list[str]
    """A line for each file: how many rows were refused, and why."""


def carry_out(order: Order, step: Callable[[str, int], Callable[[int], None]]) -> Report:
    """Make a trial and write it, whole or not at all; raises ClickException and ModelError."""
    tables = check_map(order.map)
    if order.out is not None:
        check_place(order.out)
    payments, outcomes = _sources(order, tables)
    reported = read_outcomes_of(outcomes)
    own = order.outcomes is None
    # Labels in the payments' own rows: what is refused of a payment is refused of its label, too.
    reported.refusals.check(max(order.max_rejected_outcomes, order.max_rejected_payments * own))
    history = read_payments(payments, step("reading", len(payments)))
    history.refusals.check(order.max_rejected_payments)
    reported.match(history.transaction_id)
    reported.expect_a_match(order.file)
    asked = _asked(order, tables, span_of(history.event_time))
    with _directory(order.out) as directory:
        trial = run(in_order(history, reported), asked, directory / "model", step)
        values = report_of(trial, asked, history.refusals, reported.refusals)
        plots = {name: trial.plots[name] for name in sorted(trial.plots)}
        write(directory, {REPORT: canonical_json(values), "report.html": page_of(values, plots), **plots})
    return Report(values, [str(history.refusals), *([] if own else [str(reported.refusals)])])


def _sources(order: Order, tables: dict[str, Any]) -> tuple[Source, Source]:
    """Return the payments, and what became of them: in a file of its own, or by the map in theirs."""
    columns = read_map(order.map, PAYMENT, OUTCOME)
    payments = Source(order.file, PAYMENT, columns)
    if order.outcomes is not None:
        return payments, Source(order.outcomes, OUTCOME, columns if "outcome" in tables else None)
    if "outcome" not in tables and "outcome" not in tables.get("const", {}):
        raise click.ClickException(
            f"{order.map}: expected a line that says which column tells what became of the payments, as outcome = "
            '{ column = "is_fraud", fraud = ["1"], genuine = ["0"] }, or a file of outcomes (--outcomes), got neither.'
        )
    return payments, Source(order.file, OUTCOME, columns)


def _asked(order: Order, tables: dict[str, Any], span_ms: int) -> Asked:
    line = tables.get("reported_at")
    assumed = line.get("delay") if order.outcomes is None and isinstance(line, dict) else None
    delay = DURATION.convert(assumed or delay_of(span_ms), None, None)
    settings = TrainingSettings()
    if order.alert_budget is not None:
        settings = replace(settings, alert_budget=order.alert_budget)
    return Asked(order.train_share, delay, assumed, settings, baselines=order.baselines)


def span_of(event_time: NDArray[np.int64]) -> int:
    """Return the milliseconds between the first and the last payment."""
    return int(event_time.max() - event_time.min())


@contextmanager
def _directory(out: Path | None) -> Iterator[Path]:
    if out is None:
        with TemporaryDirectory() as directory:
            yield Path(directory)
    else:
        with written_whole(out) as directory:
            yield directory
