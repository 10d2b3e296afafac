"""Ordinary payments of a micro-batch as columns, by compiled code, from the places where `scan` found their fields.

Ordinary is what `stream.decode.payment` would accept and what is written the way programs write it. Anything else is
left alone: a row that is not filled says nothing about its record. An enum field with an unknown name and an empty text
are ordinary too, for a switch that sends one sends it every time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from features.columns import UNKNOWN_MCC, UNKNOWN_TIME
from stream.decode.codes import CODES
from stream.decode.ordinary_kernel import FIELDS, TEXTS, Columns, Rules, fill_all
from stream.decode.scan import MAX_ARENA, names_table, scan_objects
from stream.wire import (
    LAST_TIME_MS,
    MAX_AMOUNT_PAISE,
    MAX_MCC,
    MAX_RRN,
    MAX_TRANSACTION_ID,
    MAX_VALUE_BYTES,
    MAX_VPA,
    MIN_VPA,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream.decode.table import PaymentTable


def _rules() -> Rules:
    names: list[str] = []
    first = []
    for field in FIELDS:
        first.append(len(names))
        names += CODES.get(field, {})
    return Rules(
        code_names=np.frombuffer("".join(names).encode("ascii"), dtype=np.uint8),
        code_ends=np.cumsum([len(name) for name in names]),
        code_first=np.array([*first, len(names)]),
        max_transaction_id=MAX_TRANSACTION_ID,
        min_vpa=MIN_VPA,
        max_vpa=MAX_VPA,
        max_amount=MAX_AMOUNT_PAISE,
        max_rrn=MAX_RRN,
        max_mcc=MAX_MCC,
        last_time=LAST_TIME_MS,
        unknown_time=int(UNKNOWN_TIME),
        unknown_mcc=UNKNOWN_MCC,
    )


_NAMES = names_table(FIELDS)
_RULES = _rules()


def fill(table: PaymentTable, values: Sequence[bytes | None], earliest_ms: int, latest_ms: int) -> dict[str, int]:
    """Fill the rows of ordinary payments between two times; return how often which optional field was unusable."""
    arena, ends = _joined(values)
    if len(arena) > MAX_ARENA:
        return {}
    spans = scan_objects(arena, ends, _NAMES)
    columns = Columns(*(getattr(table, name) for name in Columns._fields))
    texts = np.empty((TEXTS, len(arena)), dtype=np.uint8)
    text_ends = np.empty((TEXTS, len(values)), dtype=np.int64)
    fill_all(arena, spans, _RULES, earliest_ms, latest_ms, columns, texts, text_ends)
    table.transaction_id, table.payer, table.payee, table.device = map(_cut, texts, text_ends)
    if not columns.unusable.any():
        return {}
    counts = {name: int(np.count_nonzero(columns.unusable & np.uint32(1 << at))) for at, name in enumerate(FIELDS)}
    return {name: count for name, count in counts.items() if count}


def _joined(values: Sequence[bytes | None]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Put the values end to end; those that no payment can be, null or too long, become empty."""
    whole = cast("Sequence[bytes]", values)
    try:
        lengths = np.fromiter(map(len, whole), dtype=np.int64, count=len(whole))
    except TypeError:  # a null among them; asking each value first would cost more than all else here
        return _joined([b"" if value is None else value for value in values])
    if lengths.max(initial=0) > MAX_VALUE_BYTES:
        return _joined([value if len(value) <= MAX_VALUE_BYTES else b"" for value in whole])
    return np.frombuffer(b"".join(whole), dtype=np.uint8), np.cumsum(lengths)


def _cut(texts: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[bytes]:
    if len(ends) == 0:
        return []
    joined = texts[: ends[-1]].tobytes()
    edges = ends.tolist()
    return [joined[start:end] for start, end in zip([0, *edges], edges, strict=False)]
