"""A trial as it is ordered, and its way from the files to the report."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from files.rules.times import milliseconds
from model.artifact import canonical_json
from model.training.settings import TrainingSettings
from upifraud.means import means
from upifraud.trial.chosen import check_map
from upifraud.trial.history import read
from upifraud.trial.page import page_of
from upifraud.trial.place import REPORT, check_place, write, written_whole
from upifraud.trial.report import report_of
from upifraud.trial.run import Asked, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upifraud.history_files import HistoryFiles
    from upifraud.trial.history import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asks for."""

    files: HistoryFiles
    map: Path
    train_share: float
    alert_budget: float | None
    base_rate: float | None
    seed: int
    baselines: bool
    memory: int
    spill: Path | None
    out: Path | None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    values: dict[str, Any]
    """As report.json has it."""
    account: list[str]
    """A line for each file: how many rows were refused, and why."""


def carry_out(order: Order, step: Step) -> Report:
    """Make a trial and write it, whole or not at all; raises ClickException and ModelError."""
    tables = check_map(order.map)
    order.files.expect_outcomes()
    if order.out is not None:
        check_place(order.out)
    asked = _asked(order, tables)
    work = means(order.memory, order.spill, order.out or Path("trial"), 0)
    with order.files.opened() as given, _directory(order.out) as directory:
        history = read(given, work, step)
        trial = run(history, asked, directory / "model", step)
        values = report_of(trial, asked)
        plots = {name: trial.plots[name] for name in sorted(trial.plots)}
        write(directory, {REPORT: canonical_json(values), "report.html": page_of(values, plots), **plots})
    payments, outcomes = trial.refusals
    return Report(values, [str(payments), *([] if outcomes.within else [str(outcomes)])])


def _asked(order: Order, tables: dict[str, Any]) -> Asked:
    line = tables.get("reported_at")
    assumed = line.get("delay") if not order.files.outcomes and isinstance(line, dict) else None
    settings = TrainingSettings(seed=order.seed, base_rate=order.base_rate)
    if order.alert_budget is not None:
        settings = replace(settings, alert_budget=order.alert_budget)
    delay = milliseconds(assumed) if isinstance(assumed, str) else None
    return Asked(order.train_share, delay, assumed, settings, baselines=order.baselines)


@contextmanager
def _directory(out: Path | None) -> Iterator[Path]:
    if out is None:
        with TemporaryDirectory() as directory:
            yield Path(directory)
    else:
        with written_whole(out) as directory:
            yield directory
