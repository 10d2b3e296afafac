"""What a verdict keeps of its payment and its positions in the logs: enough to rebuild them and to audit the vector.

Order across partitions exists nowhere else: the positions are the order that the windows were measured in.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from features.compiled import njit, row_dtype
from features.entities import INBOUND, KINDS, OUTBOUND, REPORTED
from features.errors import StoreCorruptError
from features.record import PAYMENT_ID_AT, RECORD_BYTES, RECORD_WORDS, put_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns

VERSION: Final = 1
"""Counts up when a verdict keeps something else of its payment. One more kind of entity is no such change."""

FIRST_KINDS: Final = 3
"""So many kinds of entities there were when nothing said how many."""


def _fields(kinds: int) -> tuple[tuple[Any, ...], ...]:
    return (
        *((kind.name, "<u8") for kind in KINDS[:kinds]),
        ("record", "u1", (RECORD_BYTES,)),
        *((f"{kind.name}_at", "<i4") for kind in KINDS[:kinds]),
        ("inbound_upto", "<i4"),
        *((f"{kind.name}_reports", "<i4") for kind in KINDS[:kinds] if kind.reports),
    )


def _versioned(kinds: int) -> np.dtype[np.record]:
    return row_dtype(
        [("version", "u1"), ("kinds", "u1"), ("reserved", "u1", (2,)), ("outbound", "<u4"), *_fields(kinds)],
        packed=True,
    )


PROVENANCE: Final = row_dtype([*_fields(len(KINDS)), ("outbound_upto", "<i4")], packed=True)
"""What was read of any form: hashed identities; the record with the payee as counterparty and the kind of payment;
positions in the logs of each kind; length of the payer's own inbound log, of the outcome logs, and of the payee's own
outbound log (-1 where it was not kept) at that moment."""

WRITTEN: Final = _versioned(len(KINDS))
"""What verdicts keep: the first form behind a version, the number of kinds, and the length of the outbound log and one
(0 where it is not known). The release before passes these four bytes over, so one can go back to it."""

_FIRST: Final = row_dtype(_fields(FIRST_KINDS))
"""What verdicts kept before 2026-12."""

_FORMS: Final = {_FIRST.itemsize: _FIRST} | {
    form.itemsize: form for form in map(_versioned, range(FIRST_KINDS, len(KINDS) + 1))
}
"""What is read, by its length. New kinds stand behind the others, so each form begins like the one before."""

PACKED: Final = row_dtype(
    [
        ("version", "u1"),
        ("kinds", "u1"),
        ("reserved", "u1", (2,)),
        ("outbound", "<u4"),
        ("identity", "<u8", (len(KINDS),)),
        ("record", "<u8", (RECORD_WORDS,)),
        ("at", "<i4", (INBOUND + 1,)),
        ("reports", "<i4", (len(REPORTED),)),
    ]
)
"""The same as the kernel fills it in; what it leaves alone is 0."""

if WRITTEN.itemsize != PACKED.itemsize:
    raise AssertionError("What verdicts keep is not as the kernel fills it in.")


def read_provenance(rows: Sequence[bytes]) -> NDArray[np.record]:
    """Return what verdicts kept, PROVENANCE[n], of any form; StoreCorruptError for what is none.

    Where a verdict knew nothing of a kind, its payment has none: identity 0.
    """
    found = np.zeros(len(rows), dtype=PROVENANCE)
    found["outbound_upto"] = -1
    sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    for size in np.unique(sizes).tolist():
        which = np.flatnonzero(sizes == size)
        form = _FORMS.get(size)
        if form is None:
            raise StoreCorruptError(_unreadable(f"{size} bytes long"))
        some = np.frombuffer(b"".join(rows[at] for at in which.tolist()), dtype=form)
        names = form.names or ()
        if "version" in names and (other := some["version"][some["version"] != VERSION]).size:
            raise StoreCorruptError(_unreadable(f"of version {other[0]}"))
        for field in names:
            if field == "outbound":
                found["outbound_upto"][which] = some[field].astype(np.int64) - 1
            elif field in (PROVENANCE.names or ()):
                found[field][which] = some[field]
    return found


def payment_id_of(row: bytes) -> int:
    """Return the hash of the transaction id in what one verdict kept, of any form."""
    at = _FORMS[len(row)].fields["record"][1] + PAYMENT_ID_AT  # type: ignore[index]
    return int.from_bytes(row[at : at + 8], "little")


def _unreadable(what: str) -> str:
    return (
        f"A verdict's provenance has {_FIRST.itemsize} bytes, or {WRITTEN.itemsize} of version {VERSION}; "
        f"this one is {what}. Run the release that wrote it, or a newer one."
    )


def provenance_of(columns: PaymentColumns, located: NDArray[np.record]) -> NDArray[np.record]:
    """Return WRITTEN[n] of payments and their LOCATED[n]."""
    packed = np.zeros(len(columns), dtype=PACKED)
    put_provenance(columns.rows, located, packed)
    return packed.view(WRITTEN)


@njit()
def put_provenance(  # type: ignore[no-untyped-def]
    payments, located, rows
):  # fmt: skip
    """Fill in PACKED[n] of payments and their LOCATED[n]."""
    for row in range(len(rows)):
        payment, one = payments[row], rows[row]
        one.version, one.kinds, one.outbound = VERSION, INBOUND, located[row].at[OUTBOUND] + 1
        for kind in range(INBOUND):
            one.identity[kind] = payment.identity[kind]
        put_record(one.record, payment, payment.identity[1], payment.kind)
        for part in range(INBOUND + 1):
            one.at[part] = located[row].at[part]
        for part in range(len(one.reports)):
            one.reports[part] = located[row].reports[part]
