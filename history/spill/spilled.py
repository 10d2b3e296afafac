"""A history measured on disk, bucket by bucket, and read again in the order of its rows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.measure.vector import PROGRAM
from history.chunk import Chunk
from history.spill.labels import labels
from history.spill.measuring import OWNERS, Measured
from history.spill.tables import Opened, array_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from history.refusals import Refusals
    from history.spill.clock import Standing
    from history.spill.place import Place
    from model.training.labels import Labels


@dataclass(frozen=True, slots=True)
class ReportedRows:
    """The outcomes of a history."""

    count: int
    refusals: Refusals


@dataclass
class Spilled:
    """The distinct payments of a history, with the vector that each had when it came; its files are there meanwhile."""

    place: Place
    pieces: int
    standing: Standing | None
    """Which rows stand; None if all do."""
    payments: int
    refusals: Refusals
    reported: ReportedRows | None
    """None without outcomes."""

    def __len__(self) -> int:
        return self.payments

    @cached_property
    def event_time(self) -> NDArray[np.int64]:
        """Epoch milliseconds of each payment: int64[n], 8 bytes of memory a payment."""
        return np.concatenate([array_of(batch, "event_time") for _, batch in self._journals(["row", "event_time"])])

    def chunks(self) -> Iterator[Chunk]:
        """Yield the payments in file order, some ten thousands at a time; may be called again."""
        with ExitStack() as files:
            parts = [
                Measured(owner.name, kind, self.place, files) for kind, owners in OWNERS.items() for owner in owners
            ]
            for piece, batch in self._journals(["row", "event_time", "transaction_id"]):
                row = array_of(batch, "row")
                vectors = np.full((len(row), len(PROGRAM)), np.nan, dtype=np.float32)
                state = np.zeros(len(row), dtype=np.uint8)
                for part in parts:
                    part.put(piece, row, vectors, state)
                yield Chunk(batch.column("transaction_id"), array_of(batch, "event_time"), vectors, state, row)

    def labels(self, asked: NDArray[np.intp], reported_before: int | None = None) -> Labels:
        """Return the labels of some payments, ascending, as of a moment; epoch milliseconds."""
        rows = np.concatenate([array_of(batch, "row") for _, batch in self._journals(["row"])])
        return labels(self.place, rows, asked, reported_before, reported=self.reported is not None)

    def account(self) -> Iterator[str]:
        """Yield for each file how many of its rows were refused, and why."""
        yield str(self.refusals)
        if self.reported is not None:
            yield str(self.reported.refusals)

    def expect_a_match(self, payments: str) -> None:
        """Return if some outcome is of one of the payments, or there are none; raises ClickException otherwise."""
        if self.reported is not None:
            self.reported.refusals.expect_a_match(self.reported.count, payments)

    def _journals(self, fields: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield what stands of each piece."""
        for piece in range(self.pieces):
            with Opened(self.place.journal(piece), fields) as file:
                batch = file.batch(0)
            if self.standing is not None:
                batch = batch.filter(pa.array(self.standing.of(array_of(batch, "row"))))
            yield piece, batch
