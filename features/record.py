"""The record of an entity log: four words of 64 bits, the same for every kind of entity (docs/specs/online_store.md).

No other module knows where in them a field lies.
"""
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

RECORD_WORDS: Final = 4
RECORD_BYTES: Final = 8 * RECORD_WORDS
SAME_BYTES: Final = 24
"""As many bytes from the start are the same wherever and however often a payment is delivered: time, amount, the other
party, id."""
PAYMENT_ID_AT: Final = 16
RECEIVED_AT: Final = 28
"""From this byte on a payer's record says how many records his own log as a payee had at that moment. The store fills
it in, so a payment delivered again finds that log as it was. In other logs the kind of payment stands there."""
PAID_OUT_AT: Final = 24
"""From this byte on a record of other logs says how many records the payee's own log as a payer had at that moment. The
store fills it in, too. In a payer's log, and in records of releases before 2026-12, the place stands there."""
SAYS_PAID_OUT: Final = 1 << 31
"""This bit of the kind of payment says that the record has that number."""
NOT_KNOWN: Final = (1 << 32) - 1
"""Stands for that number where the record does not have it."""

PARTY: Final = np.uint64((1 << 40) - 1)
"""As much of the other party's identity as a record keeps."""

# Word 0: event time, and the low 16 bits of the amount. Word 1: the other 24 bits of the amount, and the party.
# Word 2: the payment's id. Word 3: the place or what PAID_OUT_AT says, and what RECEIVED_AT says.
_TIME: Final = np.uint64((1 << 48) - 1)
_HIGH_AMOUNT: Final = np.uint64((1 << 24) - 1)
_HALF: Final = np.uint64((1 << 32) - 1)
_16, _24, _32, _48 = np.uint64(16), np.uint64(24), np.uint64(32), np.uint64(48)


@njit(inline="always")
def put_record(words, payment, party, received):  # type: ignore[no-untyped-def]
    """Write a payment's record in four words: the identity of the other party in full, and what RECEIVED_AT says."""
    _put_same(words, payment, party)
    words[3] = np.uint64(payment.place) | np.uint64(received) << _32


@njit(inline="always")
def put_others_record(words, payment, party, paid_out):  # type: ignore[no-untyped-def]
    """Write the record of the logs that are not the payer's, with what PAID_OUT_AT says; NOT_KNOWN: without that."""
    if paid_out == NOT_KNOWN:
        put_record(words, payment, party, payment.kind)
    else:
        _put_same(words, payment, party)
        words[3] = np.uint64(paid_out) | np.uint64(payment.kind | SAYS_PAID_OUT) << _32


@njit(inline="always")
def _put_same(words, payment, party):  # type: ignore[no-untyped-def]
    amount = np.uint64(payment.amount_paise)
    words[0] = np.uint64(payment.event_time) | amount << _48
    words[1] = amount >> _16 | np.uint64(party) << _24
    words[2] = payment.payment_id


@njit(inline="always")
def event_time_of(words: NDArray[np.uint64], at: int) -> np.int64:
    """Return the event time of the record whose first word is `at`."""
    return np.int64(words[at] & _TIME)


@njit(inline="always")
def amount_of(words: NDArray[np.uint64], at: int) -> np.int64:
    """Return the amount in paise."""
    return np.int64(words[at] >> _48 | (words[at + 1] & _HIGH_AMOUNT) << _16)


@njit(inline="always")
def party_of(words: NDArray[np.uint64], at: int) -> np.int64:
    """Return what is kept of the other party's identity."""
    return np.int64(words[at + 1] >> _24)


@njit(inline="always")
def place_of(words: NDArray[np.uint64], at: int) -> np.uint32:
    """Return the place; of a record of other logs than a payer's something else."""
    return np.uint32(words[at + 3] & _HALF)


def pack_records(columns: PaymentColumns, party: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the records of some payments for one kind of entity, uint8[n, 32]; their kind is at RECEIVED_AT."""
    amount = columns.amount_paise.astype(np.uint64)
    words = np.empty((len(columns), RECORD_WORDS), dtype=np.uint64)
    words[:, 0] = columns.event_time.astype(np.uint64) | amount << _48
    words[:, 1] = amount >> _16 | party << _24
    words[:, 2] = columns.payment_id
    words[:, 3] = columns.place | columns.kind.astype(np.uint64) << _32
    return words.view(np.uint8)


def with_party(records: NDArray[np.uint8], party: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return records, uint8[n, 32], with another party in them."""
    words = np.ascontiguousarray(records).view(np.uint64).copy()
    words[:, 1] = words[:, 1] & _HIGH_AMOUNT | party << _24
    return words.view(np.uint8)


def with_received(records: NDArray[np.uint8], received: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return records, uint8[n, 32], with another count where RECEIVED_AT says."""
    words = np.ascontiguousarray(records).view(np.uint64).copy()
    words[:, 3] = words[:, 3] & _HALF | received.astype(np.uint64) << _32
    return words.view(np.uint8)


def with_paid_out(records: NDArray[np.uint8], paid_out: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return records, uint8[n, 32], with what PAID_OUT_AT says; those of which it is not known (-1) as they are."""
    words = np.ascontiguousarray(records).view(np.uint64).copy()
    known = paid_out >= 0
    kind = words[known, 3] >> _32 | np.uint64(SAYS_PAID_OUT)
    words[known, 3] = paid_out[known].astype(np.uint64) | kind << _32
    return words.view(np.uint8)


def paid_out_of(record: bytes) -> int:
    """Return what PAID_OUT_AT says in a record of other logs than a payer's; NOT_KNOWN where it says nothing."""
    says = int.from_bytes(record[RECEIVED_AT:], "little") & SAYS_PAID_OUT
    return int.from_bytes(record[PAID_OUT_AT:RECEIVED_AT], "little") if says else NOT_KNOWN


def payment_ids(records: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the ids of the payments of records, uint8[n, 32]."""
    return np.ascontiguousarray(records).view(np.uint64)[:, 2]
