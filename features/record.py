"""The record of an entity log: 32 bytes for payers, payees and devices alike (docs/specs/online_store.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns

LAYOUT_VERSION: Final = 1
"""Part of every key: a change of the record, the header or the window rules starts new logs."""

RECORD_BYTES: Final = 32
TIME, AMOUNT, COUNTERPARTY, PAYMENT_ID, PLACE, KIND = 0, 6, 11, 16, 24, 28
"""Byte offsets of the fields, little endian; a field ends where the next begins."""

RECEIVED: Final = KIND
"""In a payer's log the last field is how many records his own inbound log had at that moment, filled in by the store:
so a payment delivered again finds the inbound log as it was."""

COUNTERPARTY_MASK: Final = np.uint64((1 << 40) - 1)


def pack_records(columns: PaymentColumns, counterparty: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the records of some payments as seen by one kind of entity, uint8[n, 32]; RECEIVED is not filled in."""
    records = np.empty((len(columns), RECORD_BYTES), dtype=np.uint8)
    records[:, TIME:AMOUNT] = _bytes(columns.event_time.astype("<u8"))[:, :6]
    records[:, AMOUNT:COUNTERPARTY] = _bytes(columns.amount_paise.astype("<u8"))[:, :5]
    records[:, COUNTERPARTY:PAYMENT_ID] = _bytes(counterparty.astype("<u8", copy=False))[:, :5]
    records[:, PAYMENT_ID:PLACE] = _bytes(columns.payment_id.astype("<u8", copy=False))
    records[:, PLACE:KIND] = _bytes(columns.place.astype("<u4", copy=False))
    records[:, KIND:] = _bytes(columns.kind.astype("<u4", copy=False))
    return records


def _bytes(column: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), column.dtype.itemsize)
