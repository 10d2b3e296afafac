"""The payments of a micro-batch as columns, whichever reader they came from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec.structs import astuple

from features.columns import PAYMENT, UNKNOWN, PaymentColumns, pack_places
from features.compiled import njit
from stream.decode.codes import CODES, PACKED_KINDS
from stream.decode.fields import PAYMENT_FIELDS, FullPayment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.identity import Identities
    from stream.decode.fields import ReadPayment
    from stream.decode.kinds import Column
    from stream.decode.rejection import Rejection


@dataclass(frozen=True, slots=True)
class Decoded:
    """The well-formed payments of a micro-batch in delivery order, what was rejected, and what was odd."""

    payments: PaymentColumns
    rows: NDArray[np.intp]
    """Where each payment stood in the list of values that was decoded."""
    transaction_id: list[bytes]
    payer_vpa: list[bytes]
    """Lower case, UTF-8."""
    payee_vpa: list[bytes]
    ids128: NDArray[np.uint64]
    """`Identities.hash128` of the transaction ids, shape [n, 2]."""
    fingerprint: NDArray[np.int64]
    """Hash of time, amount, payer and payee: equal for duplicates, different for another payment under the same id."""
    rejections: list[Rejection]
    unusable_optional: dict[str, int]
    """How often an optional field was there but counts as unknown, by its name; accepted payments only."""


_NAMES: Final = FullPayment.__struct_fields__
_NUMBERS: Final = tuple(field for field in PAYMENT_FIELDS if field.name in (PAYMENT.names or ()))
"""The fields that kernels read as they are: a column has their name."""


class Read(NamedTuple):
    """What the readers made of a micro-batch."""

    payments: list[ReadPayment]
    rows: NDArray[np.intp]
    """Where each stood in the list of values."""
    no_controls: bool
    """Whether it is known that no text has a control character."""
    rejections: list[Rejection]
    unusable: Counter[str]


def tabulate(read: Read, identities: Identities) -> Decoded:
    """Lay the payments out as columns, and hash their identities."""
    columns = _columns_of(read.payments)
    unusable = read.unusable + _keep_usable(columns, no_controls=read.no_controls)
    transaction_id = [text.encode() for text in columns["transaction_id"]]
    payer_vpa, payee_vpa = ([text.lower().encode() for text in columns[name]] for name in ("payer_vpa", "payee_vpa"))
    ids128 = identities.hash128(transaction_id)
    payments = PaymentColumns.unknown(len(transaction_id))
    rows = payments.rows
    rows["payment_id"] = ids128[:, 0]  # hash128 begins with the 64 bits of hash
    rows["event_time"] = columns["event_time"]
    rows["amount_paise"] = columns["amount_paise"]
    device_id = [b"" if text is None else text.encode() for text in columns["device_id"]]
    payer, payee, device = np.split(identities.hash([*payer_vpa, *payee_vpa, *device_id]), 3)  # one call for all
    payments.payer[:], payments.payee[:], payments.device[:] = payer, payee, device
    _fill_optional(payments, columns)
    return Decoded(
        payments=payments,
        rows=read.rows,
        transaction_id=transaction_id,
        payer_vpa=payer_vpa,
        payee_vpa=payee_vpa,
        ids128=ids128,
        fingerprint=fingerprint(payments.event_time, payments.amount_paise, payer, payee),
        rejections=read.rejections,
        unusable_optional=dict(unusable),
    )


def _columns_of(payments: list[ReadPayment]) -> dict[str, Column]:
    if not payments:
        return dict.fromkeys(_NAMES, ())
    return dict(zip(_NAMES, zip(*map(astuple, payments), strict=True), strict=True))


def _keep_usable(columns: dict[str, Column], *, no_controls: bool) -> Counter[str]:
    """Make unknown what cannot be used; return how often, by field."""
    unusable: Counter[str] = Counter()
    for field in PAYMENT_FIELDS:
        column = columns[field.name]
        if not any(column) and column.count(None) == len(column):
            continue
        if no_controls and field.kind.is_text and "" not in column:
            continue
        kept = field.kind.usable(column)
        if kept is not column:
            columns[field.name] = kept
            lost = kept.count(None) - column.count(None)
            if lost:
                unusable[field.name] = lost
    return unusable


def _fill_optional(payments: PaymentColumns, columns: dict[str, Column]) -> None:
    rows = payments.rows
    for field in _NUMBERS:
        column = columns[field.name]
        if not any(column) and column.count(None) == len(column):
            continue
        unknown, number = UNKNOWN.get(field.name, 0), field.kind.number
        if number is None:
            rows[field.name] = [unknown if value is None else value for value in column]
        else:
            rows[field.name] = [unknown if value is None else number(value) for value in column]
    rows["place"] = pack_places(*(np.array(columns[name], dtype=np.float64) for name in ("latitude", "longitude")))
    rows["kind"] = [*map(PACKED_KINDS.__getitem__, zip(*(columns[name] for name in CODES), strict=True))]
    banks = zip(columns["payer_bank"], columns["payee_bank"], strict=True)
    rows["same_bank"] = [int(payer == payee) if payer and payee else -1 for payer, payee in banks]


@njit()
def _mix(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.uint64 = word ^ (word >> np.uint64(31))
    return mixed


@njit()
def fingerprint(
    event_time: NDArray[np.int64],
    amount_paise: NDArray[np.int64],
    payer: NDArray[np.uint64],
    payee: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Hash what makes two payments of one id the same payment.

    It is stored for 3 days and compared across versions and workers: it may never change. The parties come in as keyed
    hashes, so the finalizer of splitmix64 (Steele, Lea, Flood 2014) between the four words is enough.
    """
    step = np.uint64(0x9E3779B97F4A7C15)
    fingerprints = np.empty(len(event_time), dtype=np.int64)
    for row in range(len(event_time)):
        mixed = _mix(step ^ np.uint64(event_time[row]))
        mixed = _mix((mixed + step) ^ np.uint64(amount_paise[row]))
        mixed = _mix((mixed + step) ^ payer[row])
        fingerprints[row] = np.int64(_mix((mixed + step) ^ payee[row]))
    return fingerprints
