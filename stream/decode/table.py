"""The payments of a micro-batch as columns, whichever reader they came from."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec.structs import astuple

from features.columns import PAYMENT, UNKNOWN, PaymentColumns, pack_places
from features.compiled import njit
from stream.decode.codes import CODES, PACKED_KINDS
from stream.decode.fields import PAYMENT_FIELDS, FullPayment, ReadPayment
from stream.facts import FACTS, conceal, pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.identity import Identities
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
    rrn: NDArray[np.int64]
    """The RRN where it is a number of up to 12 digits, else -1. What it is else is a fact."""
    facts: list[bytes | None]
    """See `stream.facts`."""
    rejections: list[Rejection]
    unusable_optional: dict[str, int]
    """How often an optional field was there but counts as unknown, by its name; accepted payments only."""


_NAMES: Final = FullPayment.__struct_fields__
_KINDS: Final = {field.name: field.kind for field in PAYMENT_FIELDS}
_NUMBERS: Final = _KINDS.keys() & {*(PAYMENT.names or ())}
"""The fields that kernels read as they are: a column has their name."""
_HASHED: Final = {fact.name for fact in FACTS if fact.hashed}
_RRN_DIGITS: Final = 12
_REFERENCE: Final = re.compile(r"[0-9]{1,12}")


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
    ids128 = identities.hash128(transaction_id)
    payer_vpa, payee_vpa = ([text.lower().encode() for text in columns[name]] for name in ("payer_vpa", "payee_vpa"))
    hashes = _hashes({"payer_vpa": payer_vpa, "payee_vpa": payee_vpa}, columns, identities)
    payments = PaymentColumns.unknown(len(transaction_id))
    rows = payments.rows
    rows["payment_id"] = ids128[:, 0]  # hash128 begins with the 64 bits of hash
    rows["event_time"] = columns["event_time"]
    rows["amount_paise"] = columns["amount_paise"]
    payments.payer[:], payments.payee[:] = (_party(side, hashes, identities) for side in ("payer", "payee"))
    if "device_id" in hashes:
        payments.device[:] = hashes["device_id"]
    _fill_optional(rows, columns)
    return Decoded(
        payments=payments,
        rows=read.rows,
        transaction_id=transaction_id,
        payer_vpa=payer_vpa,
        payee_vpa=payee_vpa,
        ids128=ids128,
        fingerprint=fingerprint(payments.event_time, payments.amount_paise, hashes["payer_vpa"], hashes["payee_vpa"]),
        rrn=_numbers_of(columns.get("rrn", ()), len(rows)),
        facts=_facts_of(columns, hashes, len(rows)),
        rejections=read.rejections,
        unusable_optional=dict(unusable),
    )


def _columns_of(payments: list[ReadPayment]) -> dict[str, Column]:
    """Return the columns by name; an optional one of which nothing is known is left out."""
    if not payments:
        return dict.fromkeys(ReadPayment.__struct_fields__, ())
    columns = zip(_NAMES, zip(*map(astuple, payments), strict=True), strict=True)
    return {name: column for name, column in columns if any(column) or column.count(None) < len(column)}


def _keep_usable(columns: dict[str, Column], *, no_controls: bool) -> Counter[str]:
    """Make unknown what cannot be used; return how often, by field."""
    unusable: Counter[str] = Counter()
    for name in columns.keys() & _KINDS.keys():
        kind, column = _KINDS[name], columns[name]
        if no_controls and kind.is_text and "" not in column:
            continue
        columns[name] = kept = kind.usable(column)
        if kept is not column and (lost := kept.count(None) - column.count(None)):
            unusable[name] = lost
    return unusable


def _hashes(
    texts: dict[str, list[bytes]], columns: dict[str, Column], identities: Identities
) -> dict[str, NDArray[np.uint64]]:
    """Return the keyed hashes of some texts, and of the hashed facts of which one is known; one call for all."""
    for name in _HASHED & columns.keys():
        texts[name] = [b"" if text is None else text.encode() for text in columns[name]]
    return dict(zip(texts, identities.hash([*chain(*texts.values())]).reshape(len(texts), -1), strict=True))


def _party(side: str, hashes: dict[str, NDArray[np.uint64]], identities: Identities) -> NDArray[np.uint64]:
    """Return what the logs of the payers, or of the payees, are kept by."""
    vpas, accounts = hashes[f"{side}_vpa"], hashes.get(f"{side}_account")
    return vpas if accounts is None or not identities.by_account else np.where(accounts, accounts, vpas)


def _numbers_of(references: Column, length: int) -> NDArray[np.int64]:
    """Return references of digits as numbers, -1 for all others."""
    if not references:
        return np.full(length, -1, dtype=np.int64)
    if None not in references:
        joined = "".join(references)
        if joined.isascii() and joined.isdigit() and max(map(len, references)) <= _RRN_DIGITS:
            return np.fromiter(map(int, references), np.int64, length)
    is_number = _REFERENCE.fullmatch
    return np.array([int(text) if text and is_number(text) else -1 for text in references], dtype=np.int64)


def _facts_of(columns: dict[str, Column], hashes: dict[str, NDArray[np.uint64]], length: int) -> list[bytes | None]:
    concealed: dict[str, Column] = {name: conceal(columns[name], hashes[name]) for name in _HASHED & columns.keys()}
    if "external_scores" in columns:
        concealed["external_scores"] = [scores and [*map(astuple, scores)] for scores in columns["external_scores"]]
    return pack({**columns, **concealed}, length)


def _fill_optional(rows: NDArray[np.record], columns: dict[str, Column]) -> None:
    for name in _NUMBERS & columns.keys():
        unknown, number = UNKNOWN.get(name, 0), _KINDS[name].number
        if number is None:
            rows[name] = [unknown if value is None else value for value in columns[name]]
        else:
            rows[name] = [unknown if value is None else number(value) for value in columns[name]]
    if "latitude" in columns and "longitude" in columns:
        rows["place"] = pack_places(*(np.array(columns[name], dtype=np.float64) for name in ("latitude", "longitude")))
    words = [columns.get(name) or repeat(None, len(rows)) for name in CODES]
    rows["kind"] = [*map(PACKED_KINDS.__getitem__, zip(*words, strict=True))]
    if "payer_bank" in columns and "payee_bank" in columns:
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
