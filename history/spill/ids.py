"""A bucket of transaction ids: of each id the first payment stands, and its outcomes find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from history.spill.tables import IDS, OUTCOMES, Batches, array_of, bucket_batches

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from history.spill.place import Place


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known of a bucket of ids."""

    duplicates: int
    conflicts: NDArray[np.int64]
    """Rows that came under the id of another payment."""
    outcomes: int
    matched: int


def settle(
    bucket: int,
    pieces: int,
    outcome_pieces: int,
    reported: bool,
    place: Place,
) -> Settled:
    """Write which rows do not stand, and the outcomes of those that do; reported: whether outcomes were asked for."""
    table = _table([place.ids(piece) for piece in range(pieces)], bucket, IDS)
    high, low, row = (array_of(table, name) for name in ("id_high", "id_low", "row"))
    order = np.argsort(high, kind="stable")  # rows come ascending, so of one id the first comes first
    if len(order) and _collide(high[order], low[order]):
        order = np.lexsort((row, low, high))
    high, low, row = high[order], low[order], row[order]
    fingerprint = array_of(table, "fingerprint")[order]
    first = np.ones(len(row), dtype=np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    stands = np.flatnonzero(first)
    conflicting = ~first & (fingerprint != fingerprint[stands[np.cumsum(first) - 1]]) if len(row) else ~first
    np.save(place.dropped(bucket), np.sort(row[~first]))
    outcomes = matched = 0
    if reported:
        told = _table([place.outcomes(piece) for piece in range(outcome_pieces)], bucket, OUTCOMES)
        outcomes = len(told)
        with_id = _Payments(high[first], low[first])
        at, which = with_id.find(array_of(told, "id_high"), array_of(told, "id_low"))
        matched = len(at)
        payments = order[stands[at]]
        found = told.take(pa.array(which)).drop_columns(["id_high", "id_low"])
        for name, column in (("row", "row"), ("payment_id", "id_high"), ("payee", "payee"), ("device", "device")):
            found = found.append_column(name, pa.array(array_of(table, column)[payments]))
        batch = found.combine_chunks().to_batches()
        with Batches(place.matched(bucket), found.schema) as file:
            file.write(batch[0] if batch else pa.RecordBatch.from_pylist([], schema=found.schema))
    return Settled(int((~first).sum()) - int(conflicting.sum()), np.sort(row[conflicting]), outcomes, matched)


def _table(paths: list[Path], bucket: int, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(bucket_batches(paths, bucket), schema).combine_chunks()


def _collide(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> bool:
    """Whether two ids have the same first half: then they may lie mixed."""
    return bool(((high[1:] == high[:-1]) & (low[1:] != low[:-1])).any())


@dataclass(frozen=True, slots=True)
class _Payments:
    """The ids of a bucket, ascending."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]

    def find(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which payments have one of these ids, and which id it is, in the order of the ids."""
        at = np.searchsorted(self.high, high)
        # Two ids with one first half are as rare as two payments with one id: a step further is enough, and exact.
        there = np.zeros(len(high), dtype=np.bool_)
        for _ in range(2):
            inside = np.flatnonzero(~there & (at < len(self.high)))
            hit = (self.high[at[inside]] == high[inside]) & (self.low[at[inside]] == low[inside])
            there[inside[hit]] = True
            at[inside[~hit]] += 1
        which = np.flatnonzero(there)
        return at[which], which
