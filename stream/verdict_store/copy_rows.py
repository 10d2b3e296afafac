"""Verdicts as one COPY buffer in PostgreSQL's binary format: the numbers as they are, bytes in one run, and one kernel.

Format: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format. A row is the number of its fields, then a
length and the bytes of each.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from stream.verdict_store.binary import POSTGRES_EPOCH_MS, put_bytes, put_length, put_number
from stream.verdict_store.columns import NUMBERS
from stream.verdict_store.errors import RefusedRowsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream.verdict_store.columns import VerdictRows

_SIGNATURE: Final = np.frombuffer(b"PGCOPY\n\xff\r\n\0" + bytes(8), dtype=np.uint8)

_TEXTS: Final = ("transaction_id", "payer_vpa", "payee_vpa")

COLUMNS: Final = (
    "event_time", "decided_at", "amount_paise", "score", "margin", "source_offset", "source_partition", "verdict",
    "feature_state", "model_key", *_TEXTS, "vector", "provenance", "alert", "facts", "rrn", "hold_until",
)  # fmt: skip
"""The columns of the COPY, in order."""

_IN_ARENA: Final = len(_TEXTS) + 2
"""Columns whose values are bytes of any length: the texts, alert and facts."""
_FIELDS: Final = len(COLUMNS)
_MOST_BYTES: Final = 2 + 4 * _FIELDS + NUMBERS.itemsize
"""Of a row, without those fields that have a length of their own."""


def copy_buffer(rows: VerdictRows) -> NDArray[np.uint8]:
    """Return the bytes of a COPY of COLUMNS, header and trailer included.

    Raises RefusedRowsError for a text with U+0000, which PostgreSQL cannot hold.
    """
    texts = [*rows.transaction_id, *rows.payer_vpa, *rows.payee_vpa]
    joined = b"".join(texts)
    if b"\0" in joined:
        raise RefusedRowsError(_refusal(rows, texts))
    optional = [*rows.alerts, *rows.facts]
    lengths = chain(map(len, texts), [-1 if one is None else len(one) for one in optional])
    # Each of one type whatever the columns are made of: for another combination the kernel would be compiled again.
    laid_out: NDArray[np.uint8] = _lay_out(
        rows.numbers,
        np.frombuffer(b"".join((joined, *filter(None, optional))), dtype=np.uint8),
        np.fromiter(lengths, dtype=np.int64, count=_IN_ARENA * len(rows)),
        np.ascontiguousarray(rows.vectors, dtype="<f4").view(np.uint8),
        np.ascontiguousarray(rows.provenance),
        _SIGNATURE,
    )
    return laid_out


def _refusal(rows: VerdictRows, texts: Sequence[bytes]) -> str:
    which = next(index for index, text in enumerate(texts) if b"\0" in text)
    name = _TEXTS[which // len(rows)]
    return f"Expected texts without U+0000, got one in {name} of row {which % len(rows)}; decoding must reject it."


@njit(inline="always")
def _put_time(out: NDArray[np.uint8], at: int, epoch_ms: int) -> int:
    """Write a timestamptz."""
    return put_number(out, put_length(out, at, 8), (epoch_ms - POSTGRES_EPOCH_MS) * 1000, 8)


@njit()
def _lay_out(numbers, arena, lengths, vectors, provenance, signature):  # type: ignore[no-untyped-def]
    """Write all rows. In `arena` lies the first column of bytes, then the next; `lengths` has those of each value."""
    n = len(numbers)
    vector_bytes, provenance_bytes = vectors.shape[1], provenance.shape[1]
    vectors, provenance = vectors.ravel(), provenance.ravel()
    most = _MOST_BYTES + vector_bytes + provenance_bytes
    out = np.empty(len(signature) + n * most + len(arena) + 2, dtype=np.uint8)
    starts = np.zeros(_IN_ARENA + 1, dtype=np.int64)
    for value in range(_IN_ARENA * n):
        starts[value // n + 1] += max(lengths[value], 0)
    starts = np.cumsum(starts)  # where the next value of each column lies
    at = put_bytes(out, 0, signature, 0, len(signature))
    for row in range(n):
        one = numbers[row]
        at = put_number(out, at, _FIELDS, 2)
        at = _put_time(out, at, one.event_time)
        at = _put_time(out, at, one.decided_at)
        score, margin = np.float64(one.score).view(np.int64), np.float64(one.margin).view(np.int64)
        for number in (one.amount_paise, score, margin, one.source_offset):
            at = put_number(out, put_length(out, at, 8), number, 8)  # type: ignore[arg-type]
        at = put_number(out, put_length(out, at, 4), one.source_partition, 4)
        for small in (one.verdict, one.feature_state, one.model_key):
            at = put_number(out, put_length(out, at, 2), small, 2)
        for column in range(_IN_ARENA):
            if column == len(_TEXTS):  # between the texts and what is optional
                at = put_bytes(out, put_length(out, at, vector_bytes), vectors, row * vector_bytes, vector_bytes)
                at = put_length(out, at, provenance_bytes)
                at = put_bytes(out, at, provenance, row * provenance_bytes, provenance_bytes)
            length = lengths[column * n + row]
            at = put_length(out, at, length)
            at = put_bytes(out, at, arena, starts[column], max(length, 0))
            starts[column] += max(length, 0)
        at = put_length(out, at, -1) if one.rrn < 0 else put_number(out, put_length(out, at, 8), one.rrn, 8)
        at = put_length(out, at, -1) if one.hold_until < 0 else _put_time(out, at, one.hold_until)
    at = put_number(out, at, -1, 2)  # the trailer: in place of a number of fields
    return out[:at]
