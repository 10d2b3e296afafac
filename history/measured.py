"""A file of payments, and one of outcomes, as the vectors that the stream would have had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.history import history_vectors
from history.chunk import Chunk
from history.reading import CHUNK, NO_PROGRESS, read_outcomes, read_payments, reports_on, said, source_of_payments
from history.refusals import ignored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from files.column_map import ColumnMap
    from history.reading import Reported
    from history.refusals import Note, Refusals


@dataclass(frozen=True, slots=True)
class Limits:
    """What share of each file's rows may be refused."""

    payments: float = 0.01
    outcomes: float = 0.0


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
        """Yield the payments in file order, some thousands at a time."""
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            ids = pa.array(self.transaction_id[rows], pa.binary())
            row = np.arange(start, start + len(ids))
            yield Chunk(ids, self.event_time[rows], self.vectors[rows], self.state[rows], row)

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
    own = outcomes is None and columns is not None and columns.has_outcomes
    if own:
        outcomes, outcomes_columns = payments, columns
    reported = None if outcomes is None else read_outcomes(outcomes, zone, outcomes_columns, note)
    if reported is not None:
        reported.refusals.within = own
        # Of one file a bad cell, as its time, may spoil the payment and the outcome of a row: as many may be lost.
        reported.refusals.check(max(limits.outcomes, limits.payments) if own else limits.outcomes)
    history = read_payments(source, step("reading", total), note)
    history.refusals.check(limits.payments)
    reports = None
    if reported is not None:
        reported.match(history.transaction_id)
        reports = reports_on(history, reported.rows)
    vectors, state = history_vectors(history.columns, reports, step("measuring", len(history.transaction_id)))
    return Measured(history.transaction_id, history.event_time, vectors, state, history.refusals, reported)
