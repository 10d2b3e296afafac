"""What was measured of a piece in all buckets, put together again: two pieces ahead of whoever takes them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from features.compiled import njit
from features.entities import KINDS
from features.measure.vector import PROGRAM
from features.schema import columns_of
from history.chunk import Chunk
from history.spill.measuring import OWNERS
from history.spill.tables import Opened, array_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from history.spill.clock import Standing
    from history.spill.place import Place


AHEAD: Final = 2
"""Pieces that are joined at once, each by a thread: reading and copying hold no lock of the interpreter's."""


def journal(place: Place, piece: int, standing: Standing | None, fields: list[str]) -> pa.RecordBatch:
    """Return the payments of a piece that stand, in file order."""
    with Opened(place.journal(piece), fields) as file:
        batch = file.batch(0)
    return batch if standing is None else batch.filter(pa.array(standing.of(array_of(batch, "row"))))


def chunks(
    place: Place,
    pieces: Sequence[int],
    standing: Standing | None,
    wanted: Callable[[int], NDArray[np.intp]] | None = None,
) -> Iterator[Chunk]:
    """Yield the payments of some pieces with their vectors, a piece at a time.

    wanted: which of a piece's payments, ascending; None: all.
    """
    with ExitStack() as files, ThreadPoolExecutor(AHEAD) as threads:
        parts = [_Part(owner.name, kind, place, files) for kind, owners in OWNERS.items() for owner in owners]

        def join(piece: int) -> Chunk:
            batch = journal(place, piece, standing, ["row", "event_time", "transaction_id"])
            at = None if wanted is None else wanted(piece)
            if at is not None and len(at) < len(batch):
                batch = batch.take(pa.array(at))
            row = array_of(batch, "row")
            vectors = np.full((len(row), len(PROGRAM)), np.nan, dtype=np.float32)
            state = np.zeros(len(row), dtype=np.uint8)
            for part in parts:
                part.put(piece, row, vectors, state)
            return Chunk(batch.column("transaction_id"), array_of(batch, "event_time"), vectors, state, row)

        coming: deque[Future[Chunk]] = deque()
        for piece in pieces:
            coming.append(threads.submit(join, piece))
            if len(coming) > AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


class _Part:
    """What was measured of one kind of entity, of all its buckets."""

    def __init__(self, owner: str, kind: str, place: Place, files: ExitStack) -> None:
        at = [one.name for one in KINDS].index(owner)
        self._columns = columns_of(KINDS[at])
        self._files = [
            files.enter_context(Opened(place.measured(owner, bucket))) for bucket in range(place.count(kind))
        ]

    def put(self, piece: int, row: NDArray[np.int64], vectors: NDArray[np.float32], state: NDArray[np.uint8]) -> None:
        """Fill in the columns of some of a piece's payments, in these rows, ascending; make the states stricter."""
        for file in self._files:
            batch = file.batch(piece)
            values = batch.column("values").flatten().to_numpy(zero_copy_only=False)
            values = values.reshape(len(batch), len(self._columns))
            _put(row, array_of(batch, "row"), array_of(batch, "state"), values, self._columns, vectors, state)


@njit()
def _put(
    row: NDArray[np.int64],
    measured: NDArray[np.int64],
    states: NDArray[np.uint8],
    values: NDArray[np.float32],
    columns: NDArray[np.intp],
    vectors: NDArray[np.float32],
    state: NDArray[np.uint8],
) -> None:
    """Copy values to the rows that they were measured in, as far as these are there; both are ascending."""
    at = 0
    for one in range(len(measured)):
        while at < len(row) and row[at] < measured[one]:
            at += 1
        if at == len(row):
            return
        if row[at] != measured[one]:
            continue
        for column in range(len(columns)):
            vectors[at, columns[column]] = values[one, column]
        state[at] = max(state[at], states[one])
