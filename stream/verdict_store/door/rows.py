"""Whole rows in binary, as the door's session reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stream.verdict_store import binary
from stream.verdict_store.records import Model, VerdictRecord
from stream.verdict_store.scans import RECORD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stream.verdict_store.connector import Cells

MODEL_AT: Final = RECORD_COLUMNS.index("model_key")


def _text(cell: bytes) -> str:
    return cell.decode()


def _vector(cell: bytes) -> Any:
    return np.frombuffer(cell, dtype="<f4")


_READ: Final[dict[str, Callable[[bytes], Any]]] = {
    **dict.fromkeys(("transaction_id", "payer_vpa", "payee_vpa"), _text),
    **dict.fromkeys(("event_time", "decided_at", "hold_until"), binary.to_epoch_ms),
    **dict.fromkeys(("score", "margin"), binary.to_float),
    **dict.fromkeys(("provenance", "alert", "facts"), bytes),
    "vector": _vector,
}
_READERS: Final = tuple(_READ.get(name, binary.to_int) for name in RECORD_COLUMNS)


def model_keys(rows: Iterable[Cells]) -> set[int]:
    """Return the models that gave the verdicts."""
    return {binary.to_int(row[MODEL_AT] or b"") for row in rows}


def record_of(row: Cells, models: Mapping[int, Model]) -> VerdictRecord:
    """Return one row of RECORD_COLUMNS."""
    values: list[Any] = [None if cell is None else read(cell) for read, cell in zip(_READERS, row, strict=True)]
    values[MODEL_AT] = models[values[MODEL_AT]]
    return VerdictRecord(*values)
