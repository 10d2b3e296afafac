"""Verdicts as one COPY buffer in PostgreSQL's binary format: numpy lays out what is fixed, one kernel adds the rest.

Format: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format. A row is the number of its fields, then a
length and the bytes of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from stream.verdict_store.binary import put_bytes, put_length, timestamps
from stream.verdict_store.errors import RefusedRowsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream.verdict_store.columns import VerdictRows

_SIGNATURE: Final = np.frombuffer(b"PGCOPY\n\xff\r\n\0" + bytes(8), dtype=np.uint8)

_FIXED: Final = (
    ("event_time", ">i8"),
    ("decided_at", ">i8"),
    ("amount_paise", ">i8"),
    ("score", ">f8"),
    ("margin", ">f8"),
    ("source_offset", ">i8"),
    ("source_partition", ">i4"),
    ("verdict", ">i2"),
    ("feature_state", ">i2"),
    ("model_key", ">i2"),
)
_VARIABLE: Final = (
    "transaction_id", "payer_vpa", "payee_vpa", "vector", "provenance", "alert", "facts", "rrn", "hold_until",
)  # fmt: skip

COLUMNS: Final = (*(name for name, _ in _FIXED), *_VARIABLE)
"""The columns of the COPY, in order."""

_ROW: Final = np.dtype(
    [("fields", ">i2"), *(part for name, kind in _FIXED for part in ((f"{name}_length", ">i4"), (name, kind)))]
)


def copy_buffer(rows: VerdictRows) -> NDArray[np.uint8]:
    """Return the bytes of a COPY of COLUMNS, header and trailer included.

    Raises RefusedRowsError for a text with U+0000, which PostgreSQL cannot hold.
    """
    texts = [*rows.transaction_id, *rows.payer_vpa, *rows.payee_vpa]
    joined = b"".join(texts)
    if b"\0" in joined:
        raise RefusedRowsError(_refusal(rows, texts))
    assembled: NDArray[np.uint8] = _assemble(
        _fixed_fields(rows),
        np.frombuffer(joined, dtype=np.uint8),
        np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)),
        np.ascontiguousarray(rows.vectors, dtype="<f4").view(np.uint8),
        np.ascontiguousarray(rows.provenance),
        *_optional(rows.alerts),
        *_optional(rows.facts),
        # Copies: for a view, or one that is only to be read, numba would compile again.
        np.array(rows.rrn, dtype=np.int64),
        np.where(rows.hold_until < 0, -1, timestamps(rows.hold_until)).astype(np.int64),
        _SIGNATURE,
    )
    return assembled


def _refusal(rows: VerdictRows, texts: Sequence[bytes]) -> str:
    which = next(index for index, text in enumerate(texts) if b"\0" in text)
    name = _VARIABLE[which // len(rows)]
    return f"Expected texts without U+0000, got one in {name} of row {which % len(rows)}; decoding must reject it."


def _fixed_fields(rows: VerdictRows) -> NDArray[np.uint8]:
    fixed = np.empty(len(rows), dtype=_ROW)
    fixed["fields"] = len(COLUMNS)
    for name, kind in _FIXED:
        column = getattr(rows, name)
        fixed[f"{name}_length"] = np.dtype(kind).itemsize
        fixed[name] = timestamps(column) if name in ("event_time", "decided_at") else column
    return fixed.view(np.uint8).reshape(len(rows), _ROW.itemsize)


def _optional(values: Sequence[bytes | None]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of those that are there, one after the other, and the length of each; -1 for NULL."""
    there = [value for value in values if value is not None]
    arena = np.frombuffer(b"".join(there), dtype=np.uint8)
    if not there:  # the ordinary micro-batch
        return arena, np.full(len(values), -1, dtype=np.int64)
    return arena, np.array([-1 if value is None else len(value) for value in values], dtype=np.int64)


@njit(inline="always")
def _put(out: NDArray[np.uint8], at: int, source: NDArray[np.uint8], start: int, length: int) -> int:
    """Write a field; a length of -1 is NULL and has no bytes."""
    at = put_length(out, at, length)
    return put_bytes(out, at, source, start, max(length, 0))


@njit(inline="always")
def _put_number(out: NDArray[np.uint8], at: int, number: int) -> int:
    """Write a bigint; a negative one is NULL."""
    if number < 0:
        return put_length(out, at, -1)
    at = put_length(out, at, 8)
    for byte in range(8):
        out[at + byte] = (number >> (56 - 8 * byte)) & 0xFF
    return at + 8


@njit()
def _assemble(  # type: ignore[no-untyped-def]
    fixed, text_arena, text_lengths, vectors, provenance, alert_arena, alert_lengths, fact_arena, fact_lengths, rrn,
    hold_until, signature,
):  # fmt: skip
    n, fixed_bytes = fixed.shape
    vector_bytes, provenance_bytes = vectors.shape[1], provenance.shape[1]
    fixed, vectors, provenance = fixed.ravel(), vectors.ravel(), provenance.ravel()
    row_bytes = fixed_bytes + 9 * 4 + vector_bytes + provenance_bytes + 2 * 8
    arenas = len(text_arena) + len(alert_arena) + len(fact_arena)
    out = np.empty(len(signature) + n * row_bytes + arenas + 2, dtype=np.uint8)
    at = put_bytes(out, 0, signature, 0, len(signature))
    text_starts = np.cumsum(text_lengths) - text_lengths
    alert_start = fact_start = 0
    for row in range(n):
        at = put_bytes(out, at, fixed, row * fixed_bytes, fixed_bytes)
        for text in range(row, 3 * n, n):
            at = _put(out, at, text_arena, text_starts[text], text_lengths[text])
        at = _put(out, at, vectors, row * vector_bytes, vector_bytes)
        at = _put(out, at, provenance, row * provenance_bytes, provenance_bytes)
        at = _put(out, at, alert_arena, alert_start, alert_lengths[row])
        alert_start += max(alert_lengths[row], 0)
        at = _put(out, at, fact_arena, fact_start, fact_lengths[row])
        fact_start += max(fact_lengths[row], 0)
        at = _put_number(out, at, rrn[row])
        at = _put_number(out, at, hold_until[row])
    out[at] = 0xFF  # the trailer: -1 in place of a number of fields
    out[at + 1] = 0xFF
    return out[: at + 2]
