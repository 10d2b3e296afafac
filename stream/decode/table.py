"""The payments of a micro-batch as columns, whichever reader they came from."""

from __future__ import annotations

from operator import eq
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple

from features.columns import UNKNOWN_BANKS, UNKNOWN_TIME, PaymentColumns
from stream.decode.codes import CODES, PACKED_KINDS
from stream.decode.fields import PAYMENT_FIELDS, FullPayment, ReadPayment
from stream.decode.kinds import MERCHANT_CODES
from stream.decode.layout import lay_out
from stream.facts import FACTS, conceal, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.identity import Identities
    from stream.decode.kinds import Column
    from stream.decode.rejection import Rejection


class Decoded(Struct, frozen=True, eq=False):
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


_KINDS: Final = {field.name: field.kind for field in PAYMENT_FIELDS}
_NAMES: Final = FullPayment.__struct_fields__
_LOOKED_AT: Final = [(name, kind) for name, kind in _KINDS.items() if kind.usable is not None and name not in CODES]
"""The optional fields of whose values some cannot be used; `CODES` are looked at together."""
_HASHED: Final = [fact.name for fact in FACTS if fact.hashed]
_UNKNOWN_TIME: Final = int(UNKNOWN_TIME)
_NO_DEGREES: Final = np.empty((2, 0), dtype=np.float64)


class Read(NamedTuple):
    """What the readers made of a micro-batch."""

    payments: list[ReadPayment]
    rows: NDArray[np.intp]
    """Where each stood in the list of values."""
    no_controls: bool
    """Whether it is known that no text has a control character."""
    rejections: list[Rejection]
    unusable: dict[str, int]
    """How often an optional field was not of its type, by its name."""


def tabulate(read: Read, identities: Identities, *, facts: bool = True) -> Decoded:
    """Lay the payments out as columns, and hash their identities; without `facts`, these are None."""
    length = len(read.payments)
    nothing = (None,) * length
    columns = _columns_of(read.payments, nothing)
    unusable = read.unusable
    for name, kind in _LOOKED_AT:
        if name in columns and not (kind.is_text and read.no_controls and "" not in columns[name]):
            _keep_usable(columns, name, unusable)
    numbers = _numbers_of(columns, unusable, nothing)
    transaction_id = [text.encode() for text in columns["transaction_id"]]
    payer_vpa, payee_vpa = ([text.lower().encode() for text in columns[name]] for name in ("payer_vpa", "payee_vpa"))
    texts = {"transaction_id": transaction_id, "payer_vpa": payer_vpa, "payee_vpa": payee_vpa}
    texts["rrn"] = _encoded(columns.get("rrn", nothing))
    hashed = [name for name in _HASHED if name in columns]  # the device's is also its identity
    for name in hashed:
        texts[name] = _encoded(columns[name])
    degrees = _NO_DEGREES
    if "latitude" in columns and "longitude" in columns:
        degrees = np.array((columns["latitude"], columns["longitude"]), dtype=np.float64)
    rows, ids128, fingerprint, rrn, hashes = lay_out(numbers, degrees, texts, identities)
    if facts:
        for name, of_text in zip(hashed, hashes[len(texts) - len(hashed) :], strict=True):
            columns[name] = conceal(columns[name], of_text)
        if "external_scores" in columns:
            columns["external_scores"] = [scores and [*map(astuple, scores)] for scores in columns["external_scores"]]
    return Decoded(
        payments=PaymentColumns(rows),
        rows=read.rows,
        transaction_id=transaction_id,
        payer_vpa=payer_vpa,
        payee_vpa=payee_vpa,
        ids128=ids128,
        fingerprint=fingerprint,
        rrn=rrn,
        facts=pack(columns, length) if facts else [*nothing],
        rejections=read.rejections,
        unusable_optional=unusable,
    )


def _columns_of(payments: list[ReadPayment], nothing: Column) -> dict[str, Column]:
    """Return the columns by name; an optional one of which nothing is known is left out."""
    if not payments:
        return dict.fromkeys(ReadPayment.__struct_fields__, ())
    columns = zip(_NAMES, zip(*map(astuple, payments), strict=True), strict=True)
    return {name: column for name, column in columns if column != nothing}


def _keep_usable(columns: dict[str, Column], name: str, unusable: dict[str, int]) -> None:
    """Make unknown what cannot be used of a column, and count it."""
    column, usable = columns[name], _KINDS[name].usable
    if usable is not None and (kept := usable(column)) is not column:
        columns[name] = kept
        if lost := kept.count(None) - column.count(None):
            unusable[name] = unusable.get(name, 0) + lost


def _numbers_of(columns: dict[str, Column], unusable: dict[str, int], nothing: Column) -> list[Sequence[int]]:
    """Return the columns of `NUMBERS`; what their words cannot be is made unknown in `columns`, too."""
    words = [columns.get(name, nothing) for name in CODES]
    try:
        kinds = [*map(PACKED_KINDS.__getitem__, zip(*words, strict=True))]
    except KeyError:  # a word that is none of theirs
        for name in CODES.keys() & columns.keys():
            _keep_usable(columns, name, unusable)
        return _numbers_of(columns, unusable, nothing)
    times = [
        [_UNKNOWN_TIME if time is None else time for time in columns.get(name, nothing)]
        for name in ("device_bound_at", "sim_changed_at")
    ]
    codes = [*map(MERCHANT_CODES.__getitem__, columns.get("mcc", nothing))]
    return [columns["event_time"], columns["amount_paise"], *times, kinds, codes, _same_bank(columns, nothing)]


def _same_bank(columns: dict[str, Column], nothing: Column) -> list[int]:
    payers, payees = columns.get("payer_bank", nothing), columns.get("payee_bank", nothing)
    if payers is nothing or payees is nothing:
        return [UNKNOWN_BANKS] * len(nothing)
    if all(payers) and all(payees):
        return [*map(eq, payers, payees)]
    banks = zip(payers, payees, strict=True)
    return [int(payer == payee) if payer and payee else UNKNOWN_BANKS for payer, payee in banks]


def _encoded(column: Column) -> list[bytes]:
    """Return text as bytes, of which there are none where it is unknown."""
    return [text.encode() if text else b"" for text in column]
