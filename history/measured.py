"""A file of payments, and one of outcomes, as the vectors that the stream would have had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.history import history_vectors
from history.chunk import Chunk
from history.reading import NO_PROGRESS, read_outcomes, read_payments, reports_on, said, source_of_payments
from history.refusals import ignored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from files.column_map import ColumnMap
    from history.reading import Reported
    from history.refusals import Note, Refusals
    from model.training.labels import Labels

CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """What share of each file's rows may be refused."""

    payments: float = 0.01
    outcomes: float = 0.0

    def of_outcomes(self, *, own: bool) -> float:
        """Return the limit of outcomes; of one file a bad cell, as its time, may spoil a row's payment and outcome."""
        return max(self.outcomes, self.payments) if own else self.outcomes


class Outcomes(NamedTuple):
    """Where the outcomes of a history are."""

    paths: Path | Sequence[Path]
    columns: ColumnMap | None
    own: bool
    """Whether that is in the payments' own files."""


def outcomes_of(
    payments: Path | Sequence[Path],
    outcomes: Path | Sequence[Path] | None,
    columns: ColumnMap | None,
    outcomes_columns: ColumnMap | None,
) -> Outcomes | None:
    """Return where the outcomes are, None if there are none; all as `measure` takes them."""
    if outcomes is not None:
        return Outcomes(outcomes, outcomes_columns, own=False)
    if columns is not None and columns.has_outcomes:
        return Outcomes(payments, columns, own=True)
    return None


@dataclass(frozen=True, slots=True)
class Measured:
    """A history with the vector that each payment had when it came."""

    transaction_id: list[bytes]
    event_time: NDArray[np.int64]
    vectors: NDArray[np.float32]
    state: NDArray[np.uint8]
    refusals: Refusals
    """Of the file of payments."""
    reported: Reported | None
    """None without a file of outcomes."""

    def __len__(self) -> int:
        return len(self.transaction_id)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the payments in file order, some ten thousands at a time; may be called again."""
        import pyarrow as pa

        for start in range(0, len(self), CHUNK):
            part = slice(start, start + CHUNK)
            ids = pa.array(self.transaction_id[part], pa.binary())
            rows = np.arange(start, min(start + CHUNK, len(self)))
            yield Chunk(ids, self.event_time[part], self.vectors[part], self.state[part], rows)

    def taken(self, rows: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the vectors of ascending rows, some ten thousands at a time, each time with their place among them."""
        from model.training.vectors import InMemory

        return InMemory(self.vectors).taken(rows)

    def labels(self, asked: NDArray[np.intp], reported_before: int | None = None) -> Labels:
        """Return the labels of some payments, ascending, as of a moment; epoch milliseconds."""
        from model.training.labels import label

        reports = [] if self.reported is None else self.reported.rows
        return label([self.transaction_id[row] for row in asked.tolist()], reports, reported_before)

    def expect_a_match(self, payments: str) -> None:
        """Return if some outcome is of one of the payments, or there are none; raises ClickException otherwise."""
        if self.reported is not None:
            self.reported.expect_a_match(payments)

    def account(self) -> Iterator[str]:
        """Yield for each file how many of its rows were refused, and why."""
        yield str(self.refusals)
        if self.reported is not None:
            yield str(self.reported.refusals)


def measure(
    payments: Path | Sequence[Path],
    outcomes: Path | Sequence[Path] | None,
    *,
    zone: str | None = None,
    columns: ColumnMap | None = None,
    outcomes_columns: ColumnMap | None = None,
    limits: Limits | None = None,
    step: Callable[[str, int], Callable[[int], None]] = lambda _what, _total: NO_PROGRESS,
    note: Note = ignored,
) -> Measured:
    """Return the point-in-time vectors of files of payments; raises ClickException where too many rows are refused.

    `columns` is the map of the payments. Without files of outcomes, and where it has an `outcome`, it makes them of the
    payments' own files; else `outcomes_columns` is the outcomes' map. `step` begins a part of the work (what, how many
    rows) and returns what is told how many are done. `note` is told of every row that is refused.
    """
    limits = limits or Limits()
    source = source_of_payments(payments, zone, columns)
    with said():
        total = len(source)
    # Outcomes first: they are few, and a file of them that cannot be used should cost no waiting.
    asked = outcomes_of(payments, outcomes, columns, outcomes_columns)
    reported = None if asked is None else read_outcomes(asked.paths, zone, asked.columns, note)
    if asked is not None and reported is not None:
        reported.refusals.within = asked.own
        reported.refusals.check(limits.of_outcomes(own=asked.own))
    history = read_payments(source, step("reading", total), note)
    history.refusals.check(limits.payments)
    reports = None
    if reported is not None:
        reported.match(history.transaction_id)
        reports = reports_on(history, reported.rows)
    vectors, state = history_vectors(history.columns, reports, step("measuring", len(history.transaction_id)))
    return Measured(history.transaction_id, history.event_time, vectors, state, history.refusals, reported)
