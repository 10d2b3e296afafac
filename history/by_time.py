"""A history's payments by event time, those of one time by the bytes of their ids: the order of an export.

Most files are nearly in that order already. Payments are sorted a part at a time, as soon as all of a part are there;
what has to wait longer than memory allows waits on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from history.chunk import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PART: Final = 16_384
"""Payments sorted at once; more where many have one time."""
MOST_WAITING: Final = 262_144
"""Payments that wait in memory for others of their part."""


def by_time(
    chunks: Iterable[Chunk], event_time: NDArray[np.int64], folder: Path, *, part: int = PART, most: int = MOST_WAITING
) -> Iterator[Chunk]:
    """Yield the payments of all chunks by event time and id, about `part` at a time.

    event_time: that of all of them, epoch milliseconds, in any order. folder: an empty one, for what must wait on disk.
    """
    times = np.sort(event_time)
    firsts = np.unique(times[::part])  # a time is never in two parts
    sizes = np.diff(np.searchsorted(times, firsts), append=len(times))
    waiting = _Waiting(folder)
    turn = 0
    for chunk in chunks:
        of = np.searchsorted(firsts, chunk.event_time, side="right") - 1
        for number in np.unique(of).tolist():
            waiting.add(number, taken(chunk, np.flatnonzero(of == number)))
        while turn < len(sizes) and waiting.count(turn) == sizes[turn]:
            together = waiting.pop(turn)
            yield taken(together, in_order(together.event_time, together.transaction_id))
            turn += 1
        if waiting.in_memory > most:
            waiting.spill()


def taken(chunk: Chunk, rows: NDArray[np.intp]) -> Chunk:
    """Return some payments of a chunk, in the order of `rows`."""
    return Chunk(
        chunk.ids.take(pa.array(rows)), chunk.event_time[rows], chunk.vectors[rows], chunk.state[rows], chunk.row[rows]
    )


def in_order(event_time: NDArray[np.int64], transaction_id: list[bytes]) -> NDArray[np.intp]:
    """Return the rows by event time, those of one time by id, as Postgres sorts them."""
    order = np.argsort(event_time, kind="stable")
    times = event_time[order]
    edges = np.flatnonzero(np.diff(times, prepend=times[:1] - 1, append=times[-1:] + 1))
    for edge in np.flatnonzero(np.diff(edges) > 1).tolist():
        tied = slice(edges[edge], edges[edge + 1])
        order[tied] = sorted(order[tied].tolist(), key=transaction_id.__getitem__)
    return order


class _Waiting:
    """Parts that are not whole yet, in memory and, behind that, on disk."""

    def __init__(self, folder: Path) -> None:
        self.in_memory = 0
        self._folder = folder
        self._counts: dict[int, int] = {}
        self._parts: dict[int, list[Chunk]] = {}
        self._on_disk: set[int] = set()

    def add(self, number: int, some: Chunk) -> None:
        self._parts.setdefault(number, []).append(some)
        self._counts[number] = self.count(number) + len(some)
        self.in_memory += len(some)

    def count(self, number: int) -> int:
        """Return how many payments of a part are there."""
        return self._counts.get(number, 0)

    def pop(self, number: int) -> Chunk:
        """Return a part, in the order in which it came."""
        later = self._parts.pop(number, [])
        self.in_memory -= sum(map(len, later))
        return joined([*(self._read(number) if number in self._on_disk else ()), *later])

    def spill(self) -> None:
        """Append all that waits in memory to a file a part."""
        for number, chunks in self._parts.items():
            batch = _batch_of(joined(chunks))
            with self._file(number).open("ab") as file, pa.ipc.new_stream(file, batch.schema) as stream:
                stream.write_batch(batch)
        self._on_disk.update(self._parts)
        self._parts.clear()
        self.in_memory = 0

    def _read(self, number: int) -> Iterator[Chunk]:
        path = self._file(number)
        with path.open("rb") as file:
            while file.tell() < path.stat().st_size:
                yield from map(_chunk_of, pa.ipc.open_stream(file))
        path.unlink()
        self._on_disk.discard(number)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.arrows"


def joined(chunks: list[Chunk]) -> Chunk:
    """Return chunks as one."""
    if len(chunks) == 1:
        return chunks[0]
    return Chunk(
        pa.concat_arrays([chunk.ids for chunk in chunks]),
        np.concatenate([chunk.event_time for chunk in chunks]),
        np.concatenate([chunk.vectors for chunk in chunks]),
        np.concatenate([chunk.state for chunk in chunks]),
        np.concatenate([chunk.row for chunk in chunks]),
    )


def _batch_of(chunk: Chunk) -> pa.RecordBatch:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(chunk.vectors.ravel()), chunk.vectors.shape[1])
    columns = [chunk.ids, pa.array(chunk.event_time), vectors, pa.array(chunk.state), pa.array(chunk.row)]
    return pa.RecordBatch.from_arrays(columns, names=["ids", "event_time", "vectors", "state", "row"])


def _chunk_of(batch: pa.RecordBatch) -> Chunk:
    ids, event_time, vectors, state, row = batch.columns
    return Chunk(
        ids,
        event_time.to_numpy(),
        vectors.flatten().to_numpy().reshape(len(batch), -1),
        state.to_numpy(),
        row.to_numpy(),
    )
