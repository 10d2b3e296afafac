"""A bucket of entities measured by itself: a pure function of its files, for any process or machine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from features.columns import FeatureState
from features.entities import KINDS, PAYER
from features.measure.bucket import Bucket, Census
from features.schema import columns_of
from history.spill.reports import reports_of
from history.spill.tables import Batches, array_of, bucket_batches, bucket_of, payments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from history.spill.clock import Standing
    from history.spill.place import Place

OWNERS: Final = {
    "parties": tuple(kind for kind in KINDS if not kind.optional),
    "devices": tuple(kind for kind in KINDS if kind.optional),
}
"""Whose features are measured in which sort of bucket."""


def measure_bucket(
    kind: str,
    bucket: int,
    pieces: int,
    standing: Standing | None,
    place: Place,
    *,
    reported: bool,
    check: Callable[[], None] = lambda: None,
) -> int:
    """Measure a bucket of `parties` or of `devices` and write what its entities own of each payment, a batch a piece.

    standing: which rows stand; None if all do. reported: whether there are reports. check is called now and then, and
    may raise. Returns how many payments were measured.
    """
    paths = [place.entities(kind, piece) for piece in range(pieces)]
    census, count = Census(), 0
    names = ["row", *(one.name for one in KINDS)]
    for batch in bucket_batches(paths, bucket, names):
        check()
        identity = np.column_stack([array_of(batch, one.name) for one in KINDS])
        if standing is not None:
            identity = identity[standing.of(array_of(batch, "row"))]
        census.count(identity, _mine(identity, kind, bucket, place))
        count += len(identity)
    logs = Bucket(census, reports_of(kind, bucket, place) if reported else None)
    with ExitStack() as files:
        out = {
            owner.name: files.enter_context(
                Batches(place.measured(owner.name, bucket), schema_of(len(columns_of(owner))))
            )
            for owner in OWNERS[kind]
        }
        for row, payments in _payments(paths, bucket, standing):
            check()
            identity = payments.rows["identity"]
            mine = _mine(identity, kind, bucket, place)
            values, states = logs.measure(payments, row, mine)
            for owner in OWNERS[kind]:
                its = np.flatnonzero(mine[:, KINDS.index(owner)])
                state = states[its]
                if owner is not PAYER:
                    state = np.where(state >= FeatureState.LATE, state, np.uint8(0))  # COLD is said of payers alone
                out[owner.name].write(_measured(row[its], state, values[its[:, None], columns_of(owner)]))
    return count


def _payments(
    paths: list[Path], bucket: int, standing: Standing | None
) -> Iterator[tuple[NDArray[np.int64], PaymentColumns]]:
    """Yield the rows and payments of a bucket that stand, piece by piece."""
    for batch in bucket_batches(paths, bucket):
        row, payments = array_of(batch, "row"), payments_of(batch)
        if standing is not None:
            stands = standing.of(row)
            row, payments = row[stands], payments.take(stands)
        yield row, payments


def _mine(identity: NDArray[np.uint64], kind: str, bucket: int, place: Place) -> NDArray[np.bool_]:
    """Return which of some payments' entities are of the bucket, bool[n, kinds]."""
    mine = np.zeros(identity.shape, dtype=np.bool_)
    for owner in OWNERS[kind]:
        at = KINDS.index(owner)
        one = np.ascontiguousarray(identity[:, at])
        mine[:, at] = (one != 0) & (bucket_of(one, place.count(kind)) == bucket)
    return mine


def schema_of(features: int) -> pa.Schema:
    """Return the columns of what was measured."""
    values = pa.list_(pa.float32(), features)
    return pa.schema([("row", pa.int64()), ("state", pa.uint8()), pa.field("values", values)])


def _measured(row: NDArray[np.int64], state: NDArray[np.uint8], values: NDArray[np.float32]) -> pa.RecordBatch:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pa.RecordBatch.from_arrays([pa.array(row), pa.array(state), lists], schema=schema_of(values.shape[1]))
