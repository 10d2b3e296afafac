"""History files as the stream would have seen them: decoded by the same decoder, measured by the same kernel.

Rows are encoded as messages and decoded again: a detour that costs a few microseconds a row and buys that no rule of
the wire has a second version for files.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.columns import PaymentColumns
from features.history import OutcomeReports, first_appearances, history_vectors
from features.identity import Identities
from stream.decode import decode_outcomes, decode_payments
from stream.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from stream.decode import Decoded, OutcomeRow

CHUNK = 8_192
NO_PROGRESS: Callable[[int], None] = lambda _: None  # noqa: E731 - a default that does nothing


@dataclass(frozen=True, slots=True)
class History:
    """The distinct payments of a file in delivery order."""

    columns: PaymentColumns
    transaction_id: list[bytes]
    rows: int
    """Rows of the file."""
    rejected: dict[str, int]
    """Rows that the stream would have made dead letters of, by reason; a repeated id counts as `duplicate`."""

    @property
    def event_time(self) -> NDArray[np.int64]:
        """Epoch milliseconds of each payment."""
        return self.columns.event_time


@dataclass(frozen=True, slots=True)
class Measured:
    """A history with the vector that each payment had when it came."""

    transaction_id: list[bytes]
    event_time: NDArray[np.int64]
    vectors: NDArray[np.float32]
    state: NDArray[np.uint8]


def read_payments(path: Path, progress: Callable[[int], None] = NO_PROGRESS) -> History:
    """Read a Parquet file of payments; its columns are the message's fields, file order is delivery order."""
    # Distinct counts of dense logs depend on the hashes, so the stream's own key makes the stream's own vectors.
    identities, now_ms = Identities(read_settings(os.environ).identity_key), int(time.time() * 1000)
    parts: list[Decoded] = []
    rejected: dict[str, int] = {}
    rows = 0
    for values in _messages(path, ("transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise")):
        decoded = decode_payments(values, now_ms, identities)
        for rejection in decoded.rejections:
            rejected[str(rejection.reason)] = rejected.get(str(rejection.reason), 0) + 1
        parts.append(decoded)
        rows += len(values)
        progress(rows)
    if not parts:
        raise click.ClickException(f"{path} holds no payments.")
    columns = PaymentColumns(np.concatenate([part.payments.rows for part in parts]))
    ids = [one for part in parts for one in part.transaction_id]
    first = first_appearances(np.concatenate([part.ids128 for part in parts]))
    if not first.all():
        rejected["duplicate"] = int((~first).sum())
    kept = np.flatnonzero(first)
    return History(columns.take(kept), [ids[row] for row in kept.tolist()], rows, rejected)


def read_outcomes(path: Path) -> list[OutcomeRow]:
    """Read a Parquet file of outcomes, in file order; rows that are none are left out."""
    rows: list[OutcomeRow] = []
    for values in _messages(path, ("transaction_id", "outcome", "reported_at")):
        rows.extend(decode_outcomes(values).rows)
    return rows


def reports_on(history: History, outcomes: list[OutcomeRow]) -> OutcomeReports:
    """Match outcomes with the payments of a history; those of other payments are left out."""
    row_of = {transaction_id: row for row, transaction_id in enumerate(history.transaction_id)}
    known = [outcome for outcome in outcomes if outcome.transaction_id in row_of]
    return OutcomeReports(
        row=np.array([row_of[outcome.transaction_id] for outcome in known], dtype=np.int64),
        reported_at=np.array([outcome.reported_at for outcome in known], dtype=np.int64),
        fraud=np.array([outcome.is_fraud for outcome in known], dtype=np.bool_),
    )


def measure(
    payments: Path,
    outcomes: Path | None,
    *,
    reading: Callable[[int], None] = NO_PROGRESS,
    measuring: Callable[[int], None] = NO_PROGRESS,
) -> Measured:
    """Return the point-in-time vectors of a file of payments; both callbacks get the rows done so far."""
    history = read_payments(payments, reading)
    reports = None if outcomes is None else reports_on(history, read_outcomes(outcomes))
    vectors, state = history_vectors(history.columns, reports, measuring)
    return Measured(history.transaction_id, history.event_time, vectors, state)


def rows_in(path: Path) -> int:
    """Return how many rows a Parquet file has."""
    return int(_open(path).metadata.num_rows)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise click.ClickException(f"{path} cannot be read as Parquet: {error}.") from error


def _messages(path: Path, required: tuple[str, ...]) -> Iterator[list[bytes]]:
    """Yield the rows as the messages they would be."""
    file = _open(path)
    missing = [name for name in required if name not in file.schema_arrow.names]
    if missing:
        raise click.ClickException(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(file.schema_arrow.names)}. "
            "Its columns must be named as the message's fields."
        )
    encode = msgspec.json.Encoder(enc_hook=_encode).encode
    for batch in file.iter_batches(CHUNK):
        yield [
            encode({name: _value(value) for name, value in row.items() if value is not None})
            for row in batch.to_pylist()
        ]


def _value(value: Any) -> Any:
    """Write a timestamp as the message has it: epoch milliseconds; one without an offset is UTC."""
    if isinstance(value, datetime):
        moment = np.datetime64(value.replace(tzinfo=None), "ms").astype(np.int64)
        offset = value.utcoffset()
        return int(moment) - (0 if offset is None else int(offset.total_seconds() * 1000))
    return value


def _encode(value: Any) -> Any:
    """Write what JSON has no form for as text, for the decoder to judge."""
    return str(value)
