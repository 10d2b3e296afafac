"""The record of an entity log: 32 bytes for payers, payees and devices alike (docs/specs/online_store.md)."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit

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
    _pack(
        records, columns.event_time, columns.amount_paise, counterparty, columns.payment_id, columns.place, columns.kind
    )
    return records


@njit()
def _pack(  # type: ignore[no-untyped-def]
    records, event_time, amount_paise, counterparty, payment_id, place, kind
):  # fmt: skip
    for row in range(len(records)):
        put_record(
            records[row],
            0,
            event_time[row],
            amount_paise[row],
            counterparty[row],
            payment_id[row],
            place[row],
            kind[row],
        )


@njit(inline="always")
def put_record(  # type: ignore[no-untyped-def]
    out, at, event_time, amount_paise, counterparty, payment_id, place, kind
):  # fmt: skip
    """Write one record at a place in bytes."""
    put_number(out, at + TIME, np.uint64(event_time), AMOUNT - TIME)
    put_number(out, at + AMOUNT, np.uint64(amount_paise), COUNTERPARTY - AMOUNT)
    put_number(out, at + COUNTERPARTY, np.uint64(counterparty), PAYMENT_ID - COUNTERPARTY)
    put_number(out, at + PAYMENT_ID, np.uint64(payment_id), PLACE - PAYMENT_ID)
    put_number(out, at + PLACE, np.uint64(place), KIND - PLACE)
    put_number(out, at + KIND, np.uint64(kind), RECORD_BYTES - KIND)


@njit()
def put_number(out: NDArray[np.uint8], at: int, number: np.uint64, size: int) -> None:
    """Write the low bytes of a number, little endian."""
    for byte in range(size):
        out[at + byte] = (number >> np.uint64(8 * byte)) & np.uint64(0xFF)
