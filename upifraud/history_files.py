"""The files of a history as commands take them: payments, outcomes, their maps, and a place for refused rows."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypedDict

import click

from upifraud.options import FILES, SEVERAL, map_, max_rejected, outcomes_map, refused, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from files.column_map import ColumnMap
    from history.measured import Limits
    from history.refusals import Note


class Given(TypedDict):
    """What `history.measured.measure` and its like are called with."""

    payments: Path | Sequence[Path]
    outcomes: Path | Sequence[Path] | None
    zone: str | None
    columns: ColumnMap | None
    outcomes_columns: ColumnMap | None
    limits: Limits
    note: Note


@dataclass(frozen=True, slots=True)
class HistoryFiles:
    """A history as it was asked for on the command line."""

    payments: tuple[Path, ...]
    outcomes: tuple[Path, ...]
    map_: Path | None
    outcomes_map: Path | None
    zone: str | None
    max_rejected_payments: float
    max_rejected_outcomes: float
    refused: Path | None
    refused_rows: bool

    @property
    def title(self) -> str:
        """What the payments are called in errors."""
        return ", ".join(str(path) for path in self.payments)

    @contextmanager
    def opened(self) -> Iterator[Given]:
        """Yield the history with its maps read; refused rows are written when it is left.

        Raises ClickException where a map cannot be read, or where nothing says where outcomes are to come from.
        """
        from history.measured import Limits
        from history.refused_file import refused_file

        columns, outcomes_columns = columns_of(self.map_), columns_of(self.outcomes_map)
        if outcomes_columns is not None and not self.outcomes:
            raise click.UsageError("--outcomes-map: expected --outcomes beside it; --map maps both kinds in one file")
        with refused_file(self.refused, with_rows=self.refused_rows) as note:
            yield Given(
                payments=one_or_all(self.payments),
                outcomes=one_or_all(self.outcomes) if self.outcomes else None,
                zone=self.zone,
                columns=columns,
                outcomes_columns=outcomes_columns,
                limits=Limits(self.max_rejected_payments, self.max_rejected_outcomes),
                note=note,
            )

    def expect_outcomes(self) -> None:
        """Return if outcomes can come from somewhere; raises UsageError otherwise."""
        columns = columns_of(self.map_)
        if not self.outcomes and (columns is None or not columns.has_outcomes):
            raise click.UsageError(
                "--outcomes: expected a file of outcomes, or a map that says where they are in the payments' own: "
                'outcome = { column = "COLUMN", fraud = [1], genuine = [0] } and reported_at'
            )


def history_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a history; the command takes them as one argument, `files`, a HistoryFiles."""

    @wraps(command)
    def with_files(**options: Any) -> Any:
        mine = {name: options.pop(name) for name in HistoryFiles.__dataclass_fields__}
        return command(files=HistoryFiles(**mine), **options)

    made: Callable[..., Any] = with_files
    for option in (
        refused,
        max_rejected("outcomes", "0%"),
        max_rejected("payments", "1%"),
        zone,
        outcomes_map,
        map_,
        click.option("--outcomes", type=FILES, multiple=True, help=f"File of outcomes. {SEVERAL}"),
        click.option(
            "--payments",
            type=FILES,
            multiple=True,
            required=True,
            help=f"File of payments; file order is delivery order. {SEVERAL}",
        ),
    ):
        made = option(made)
    return made


def one_or_all(paths: tuple[Path, ...]) -> Path | Sequence[Path]:
    """Return the one path there is, so that it gives its name to all under it, or all of them."""
    return paths[0] if len(paths) == 1 else list(paths)


def columns_of(path: Path | None) -> ColumnMap | None:
    """Return a map of payments and outcomes; None without one. Raises ClickException that says what is wrong."""
    if path is None:
        return None
    from files.column_map import read_map
    from files.errors import SourceError
    from history.message_fields import OUTCOME, PAYMENT

    try:
        return read_map(path, PAYMENT, OUTCOME)
    except SourceError as error:
        raise click.ClickException(str(error)) from error
