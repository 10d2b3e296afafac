"""A history measured within a bound of memory: in memory where it fits, else by buckets on disk and on all cores."""

from __future__ import annotations

import errno
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from history.measured import Limits, measure, outcomes_of
from history.reading import (
    NO_PROGRESS,
    earliest_ms,
    identities_of,
    said,
    settings,
    source_of_outcomes,
    source_of_payments,
)
from history.refusals import Refusals, ignored
from history.spill.decoding import Rules
from history.spill.place import Place
from history.spill.plan import DEFAULT_MEMORY, Plan, estimated_rows
from history.spill.run import Run
from history.spill.spilled import ReportedRows, Spilled
from history.spill.work import Workers, cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from files.column_map import ColumnMap
    from files.source import Source
    from history.measured import Measured, Outcomes
    from history.refusals import Note


@dataclass(frozen=True, slots=True)
class Means:
    """What the work may use."""

    memory: int = DEFAULT_MEMORY
    """Bytes of all processes together."""
    spill: Path | None = None
    """Where the history lies meanwhile; None: beside the output."""
    output: Path = Path()
    """What is written in the end."""
    output_bytes: int = 0
    """Bytes of a payment in it, at most."""
    workers: int = 0
    """How many processes work; 0: one a core."""
    say: Callable[[str], None] = lambda _line: None
    """Is told what disk is needed, before it is."""


@contextmanager
def measuring(
    payments: Path | Sequence[Path],
    outcomes: Path | Sequence[Path] | None,
    *,
    zone: str | None = None,
    columns: ColumnMap | None = None,
    outcomes_columns: ColumnMap | None = None,
    limits: Limits | None = None,
    step: Callable[[str, int], Callable[[int], None]] = lambda _what, _total: NO_PROGRESS,
    note: Note = ignored,
    means: Means | None = None,
) -> Iterator[Measured | Spilled]:
    """Yield the point-in-time vectors of files of payments; raises ClickException where too many rows are refused.

    The arguments are those of `history.measured.measure`, and so is every bit of the result. What lies on disk is taken
    away at the end, and where the work is interrupted.
    """
    means, limits = means or Means(), limits or Limits()
    source = source_of_payments(payments, zone, columns)
    workers = means.workers or cores()
    with said():
        plan = Plan(estimated_rows(source), means.memory, workers)
    if plan.fits_in_memory:
        yield measure(
            payments,
            outcomes,
            zone=zone,
            columns=columns,
            outcomes_columns=outcomes_columns,
            limits=limits,
            step=step,
            note=note,
        )
        return
    asked = outcomes_of(payments, outcomes, columns, outcomes_columns)
    beside = means.output.absolute().parent
    with _directory(means.spill or beside) as directory:
        means.say(plan.check(directory, beside if beside.exists() else directory, means.output_bytes))
        with _explained(directory), Workers(workers) as pool:
            run = Run(pool, Place(directory, plan.buckets), step)
            spilled = measure_on_disk(run, source, asked, zone, limits, note)
        yield spilled


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Say in one line what ended the work from outside."""
    try:
        yield
    except BrokenProcessPool:
        raise click.ClickException(
            "Expected all processes to live until the work is done, but one was ended, as by a machine that is out of "
            "memory. Give less --memory, or more of it to the machine."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise click.ClickException(
            f"{directory}: expected room for the history while it is measured, got: {error.strerror}. Make room, or "
            "name another disk with --spill."
        ) from None


def measure_on_disk(
    run: Run, source: Source, asked: Outcomes | None, zone: str | None, limits: Limits, note: Note
) -> Spilled:
    """Read and measure a history on disk; raises ClickException where too many rows are refused."""
    outcomes = None
    if asked is not None:  # first, as in memory
        told = source_of_outcomes(asked.paths, zone, asked.columns)
        outcomes = run.read(told, _rules(told), Refusals(told.path, "outcomes", within=asked.own, note=note))
        outcomes.refusals.check(limits.of_outcomes(own=asked.own))
    payments = run.read(source, _rules(source), Refusals(source.path, "payments", note=note))
    if not payments.refusals.rows:
        raise click.ClickException(f"{source.path}: expected payments, but it holds none.")
    standing, count = run.settle(payments, outcomes)
    payments.refusals.check(1.0)
    payments.refusals.check(limits.payments)
    if outcomes is not None:
        run.tell(payments.pieces, standing)
    run.measure(payments.pieces, standing, reported=outcomes is not None)
    reported = None if outcomes is None else ReportedRows(outcomes.accepted, outcomes.refusals)
    return Spilled(run.place, payments.pieces, standing, count, payments.refusals, reported)


def _rules(source: Source) -> Rules:
    found = settings()
    return Rules(identities_of(found), int(time.time() * 1000), earliest_ms(source, found))


@contextmanager
def _directory(parent: Path) -> Iterator[Path]:
    """Yield a directory of our own below another, and take it away, also when we are told to end meanwhile."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        directory = tempfile.mkdtemp(prefix=".upifraud-spill-", dir=parent)
    except OSError as error:
        raise click.ClickException(
            f"{parent}: expected a directory for a history that is larger than memory, got: {error.strerror or error}; "
            "name another with --spill"
        ) from None
    try:
        with _told_to_end():
            yield Path(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Let signals that would end the process at once end it by an exception, which lets it tidy up."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    names = [signal.SIGTERM, signal.SIGHUP] if threading.current_thread() is threading.main_thread() else []
    before = {name: signal.getsignal(name) for name in names}
    for name in names:
        if before[name] != signal.SIG_IGN:
            signal.signal(name, end)
    try:
        yield
    finally:
        for name in names:
            signal.signal(name, before[name])
