"""The files that a history is spilled to: Arrow IPC, a record batch a bucket or a piece (docs/specs/spill.md).

A piece of the history is one file of each sort with a record batch for each bucket: batch b is bucket b's. Whoever
wants a bucket reads batch b of the files of all pieces, in the order of their numbers. So pieces may be made by any
process, or machine, in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa

from features.columns import PAYMENT, PaymentColumns
from features.entities import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")
_IDENTITIES: Final = tuple(kind.name for kind in KINDS)
_NUMBERS: Final = tuple(name for name in PAYMENT.names or () if name != "identity")


IDS: Final = pa.schema(
    [
        ("row", pa.int64()),
        ("fingerprint", pa.int64()),  # of time, amount and parties: equal for duplicates (stream.decode.layout)
        ("id_high", pa.uint64()),  # the first half of the keyed hash of the id, which is the payment's id in features
        ("id_low", pa.uint64()),
        ("payee", pa.uint64()),
        ("device", pa.uint64()),
    ]
)
OUTCOMES: Final = pa.schema(
    [
        ("order", pa.int64()),  # where the outcome stood among all
        ("reported_at", pa.int64()),
        ("fraud", pa.bool_()),
        ("id_high", pa.uint64()),
        ("id_low", pa.uint64()),
        ("typology", pa.string()),
    ]
)


def bucket_of(identity: NDArray[np.uint64], buckets: int) -> NDArray[np.int64]:
    """Return the bucket of each keyed hash: its upper 32 bits, scaled. Tables in a bucket use the lower ones."""
    return ((identity >> np.uint64(32)) * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)


def columns_of(payments: PaymentColumns) -> dict[str, NDArray[Any]]:
    """Return payments as columns, a column a kind of entity and a number."""
    return {name: getattr(payments, name) for name in (*_IDENTITIES, *_NUMBERS)}


def payments_of(batch: pa.RecordBatch) -> PaymentColumns:
    """Return the payments of such columns."""
    payments = PaymentColumns(np.empty(len(batch), dtype=PAYMENT))
    for name in (*_IDENTITIES, *_NUMBERS):
        getattr(payments, name)[:] = array_of(batch, name)
    return payments


def array_of(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """Return a column without nulls as an array."""
    column: NDArray[Any] = batch.column(name).to_numpy(zero_copy_only=False)
    return column


def write_buckets(
    path: Path, columns: Mapping[str, NDArray[Any] | pa.Array], bucket: NDArray[np.int64], buckets: int
) -> None:
    """Write rows as a batch a bucket, in each of them in the order given; bucket: int64[n], beside the columns."""
    order = np.argsort(bucket.astype(np.uint16), kind="stable")
    ends = np.cumsum(np.bincount(bucket, minlength=buckets))
    ordered = {
        name: column.take(pa.array(order)) if isinstance(column, pa.Array) else pa.array(column[order])
        for name, column in columns.items()
    }
    whole = pa.RecordBatch.from_pydict(ordered)
    with Batches(path, whole.schema) as file:
        start = 0
        for end in ends.tolist():
            file.write(whole.slice(start, end - start))
            start = end


class Batches:
    """A file of record batches that is written from beginning to end."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema, options=_OPTIONS)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the next batch, empty ones too."""
        self._writer.write_batch(batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._writer.close()
        self._sink.close()


class Opened:
    """A file of record batches that is read by their numbers."""

    def __init__(self, path: Path, fields: Sequence[str] | None = None) -> None:
        self._source = pa.OSFile(str(path), "rb")
        try:
            options = pa.ipc.IpcReadOptions(use_threads=False)
            self._reader = pa.ipc.open_file(self._source, options=options)
            if fields is not None:
                included = [self._reader.schema.get_field_index(name) for name in fields]
                options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=included)
                self._reader = pa.ipc.open_file(self._source, options=options)
        except BaseException:
            self._source.close()
            raise

    def batch(self, number: int) -> pa.RecordBatch:
        """Return a batch."""
        return self._reader.get_batch(number)

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def bucket_batches(paths: Sequence[Path], number: int, fields: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield a bucket's batch of each file."""
    for path in paths:
        with Opened(path, fields) as file:
            yield file.batch(number)
