"""A piece of a file decoded, and spilled by ids and by entities: the dear part of reading, in any process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from history.spill.tables import Batches, bucket_of, columns_of, write_buckets
from stream.decode import decode_outcomes, decode_payments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.identity import Identities
    from files.source import Batch, Message, Refused, Source
    from history.spill.place import Place
    from stream.decode import Decoded, Rejection

_AT_ONCE: Final = 8_192
"""Messages that are decoded together: more of them do not fit a core's cache."""


@dataclass(frozen=True)
class Rules:
    """By what messages are decoded; a worker's settings."""

    identities: Identities
    now_ms: int
    earliest_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What became of a piece of a file."""

    number: int
    accepted: int
    latest: int
    """The latest event time, or report, in epoch milliseconds; 0 without any."""
    rows: int
    """How many rows of the file it has."""
    refused: tuple[Refused, ...]


def spill_payments(number: int, source: Source, batch: Batch, rules: Rules, place: Place) -> Piece:
    """Decode a piece of the payments and write its files; the rows of the history begin with number * place.piece."""
    refused: list[Refused] = []
    parts: list[Decoded] = []
    rows: list[NDArray[np.int64]] = []
    file_rows: list[NDArray[np.int64]] = []
    everything = source.messages_of(batch, refused.append, bare=True)
    count = len(everything) + len(refused)
    for start, messages in _parts(everything, place.piece):
        values = [message.value for message in messages]
        decoded = decode_payments(values, rules.now_ms, rules.identities, earliest_ms=rules.earliest_ms, facts=False)
        refused += _explained(source, decoded.rejections, messages)
        parts.append(decoded)
        rows.append(number * place.piece + start + decoded.rows)
        file_rows.append(np.array([message.row for message in messages], dtype=np.int64)[decoded.rows])
    if not parts:  # not one message
        decoded = decode_payments([], rules.now_ms, rules.identities)
        parts, rows, file_rows = [decoded], [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    payments = type(parts[0].payments)(np.concatenate([part.payments.rows for part in parts]))
    row = np.concatenate(rows)
    journal = pa.RecordBatch.from_pydict(
        {
            "row": pa.array(row),
            "file_row": pa.array(np.concatenate(file_rows)),
            "event_time": pa.array(payments.event_time),
            "transaction_id": pa.array([one for part in parts for one in part.transaction_id], pa.binary()),
        }
    )
    _write(place.journal(number), journal)
    ids = np.concatenate([part.ids128 for part in parts])
    fingerprint = np.concatenate([part.fingerprint for part in parts])
    _spill_ids(place, number, {"row": row, "fingerprint": fingerprint}, ids, payments)
    _spill_entities(place, number, row, payments)
    latest = int(payments.event_time.max()) if len(payments) else 0
    return Piece(number, len(payments), latest, count, tuple(refused))


def spill_outcomes(number: int, source: Source, batch: Batch, rules: Rules, place: Place) -> Piece:
    """Decode a piece of the outcomes and write its file; their order begins with number * place.piece."""
    refused: list[Refused] = []
    found: list[tuple[int, bytes, int, bool, str | None]] = []
    everything = source.messages_of(batch, refused.append, bare=True)
    count = len(everything) + len(refused)
    for start, messages in _parts(everything, place.piece):
        decoded = decode_outcomes([message.value for message in messages], earliest_ms=rules.earliest_ms)
        refused += _explained(source, decoded.rejections, messages)
        found += [
            (number * place.piece + start + one.index, one.transaction_id, one.reported_at, one.is_fraud, one.typology)
            for one in decoded.rows
        ]
    order, transaction_id, reported_at, fraud, typology = zip(*found, strict=True) if found else ((),) * 5
    ids = rules.identities.hash128(transaction_id).reshape(-1, 2)
    columns: dict[str, Any] = {
        "order": np.array(order, dtype=np.int64),
        "reported_at": np.array(reported_at, dtype=np.int64),
        "fraud": np.array(fraud, dtype=np.bool_),
        "id_high": ids[:, 0],
        "id_low": ids[:, 1],
        "typology": pa.array(typology, pa.string()),
    }
    buckets = place.buckets.ids
    write_buckets(place.outcomes(number), columns, bucket_of(ids[:, 0], buckets), buckets)
    return Piece(number, len(found), max(reported_at, default=0), count, tuple(refused))


def _parts(messages: list[Message], most: int) -> Iterator[tuple[int, list[Message]]]:
    """Yield the messages of a piece some at a time, each time with how many there were before."""
    if len(messages) > most:
        raise ValueError(f"Expected at most {most} messages of a piece, got {len(messages)}.")
    for start in range(0, len(messages), _AT_ONCE):
        yield start, messages[start : start + _AT_ONCE]


def _explained(source: Source, rejections: list[Rejection], messages: list[Message]) -> list[Refused]:
    return [source.explained(messages[one.index], one.reason, one.detail) for one in rejections]


def _spill_ids(
    place: Place, number: int, columns: dict[str, NDArray[Any]], ids: NDArray[np.uint64], payments: PaymentColumns
) -> None:
    """Write what tells duplicates, and what a report on a payment has to know of it."""
    columns |= {"id_high": ids[:, 0], "id_low": ids[:, 1], "payee": payments.payee, "device": payments.device}
    write_buckets(place.ids(number), columns, bucket_of(ids[:, 0], place.buckets.ids), place.buckets.ids)


def _spill_entities(place: Place, number: int, row: NDArray[np.int64], payments: PaymentColumns) -> None:
    """Write each payment to the bucket of its payer, of its payee where that is another, and of its device."""
    parties, devices = place.buckets.parties, place.buckets.devices
    payer, payee = bucket_of(payments.payer, parties), bucket_of(payments.payee, parties)
    bucket = np.column_stack([payer, payee]).ravel()
    at = np.flatnonzero(np.column_stack([np.ones(len(row), dtype=np.bool_), payer != payee]).ravel())
    _write_entities(place.entities("parties", number), row, payments, at // 2, bucket[at], parties)
    have = np.flatnonzero(payments.device != 0)
    of_device = bucket_of(payments.device[have], devices)
    _write_entities(place.entities("devices", number), row, payments, have, of_device, devices)


def _write_entities(
    path: Path,
    row: NDArray[np.int64],
    payments: PaymentColumns,
    at: NDArray[np.intp],
    bucket: NDArray[np.int64],
    buckets: int,
) -> None:
    """Write the payments `at`, which may be there more than once, to the buckets beside them."""
    columns = {name: column[at] for name, column in ({"row": row} | columns_of(payments)).items()}
    write_buckets(path, columns, bucket, buckets)


def _write(path: Path, batch: pa.RecordBatch) -> None:
    with Batches(path, batch.schema) as file:
        file.write(batch)
