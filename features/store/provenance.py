"""What a verdict keeps of its payment's place in the entity logs: enough to rebuild the logs and to audit the vector.

Order across partitions exists nowhere else: the positions are the order that the windows were measured in.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit, row_dtype
from features.entities import KINDS, PLACES, REPORTED
from features.errors import StoreCorruptError
from features.record import PAYMENT_ID_AT, RECORD_BYTES, RECORD_WORDS, put_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns

VERSION: Final = 1
"""Counts up when a verdict keeps something else, for instance a place in the log of another kind of entity."""

_FIELDS: Final = (
    *((kind.name, "<u8") for kind in KINDS),
    ("record", "u1", (RECORD_BYTES,)),
    *((f"{kind.name}_at", "<i4") for kind in KINDS),
    ("inbound_upto", "<i4"),
    *((f"{KINDS[at].name}_reports", "<i4") for at in REPORTED),
)
PROVENANCE: Final = row_dtype([*_FIELDS])
"""Hashed identities; the record with the payee as counterparty and the kind of payment; positions in the logs of each
kind; length of the payer's own inbound log, and of the outcome logs, at that moment."""

VERSIONED: Final = row_dtype([("version", "u1"), ("reserved", "u1", (7,)), *_FIELDS], packed=True)
"""The same behind a version. Verdicts keep it from the next release on. This release reads both, so that one can go
back to it."""

_WRITTEN: Final = row_dtype(
    [
        ("identity", "<u8", (len(KINDS),)),
        ("record", "<u8", (RECORD_WORDS,)),
        ("at", "<i4", (PLACES,)),
        ("reports", "<i4", (len(REPORTED),)),
    ]
)


def read_provenance(rows: Sequence[bytes]) -> NDArray[np.record]:
    """Return what verdicts kept, PROVENANCE[n], of either form; StoreCorruptError for what is neither."""
    found = np.zeros(len(rows), dtype=PROVENANCE)
    forms = {PROVENANCE.itemsize: PROVENANCE, VERSIONED.itemsize: VERSIONED}
    sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    for size in np.unique(sizes).tolist():
        which = np.flatnonzero(sizes == size)
        if size not in forms:
            raise StoreCorruptError(_unreadable(f"{size} bytes long"))
        some = np.frombuffer(b"".join(rows[at] for at in which.tolist()), dtype=forms[size])
        if size == VERSIONED.itemsize and (other := some["version"][some["version"] != VERSION]).size:
            raise StoreCorruptError(_unreadable(f"of version {other[0]}"))
        for field in PROVENANCE.names or ():
            found[field][which] = some[field]
    return found


def payment_id_of(row: bytes) -> int:
    """Return the hash of the transaction id in what one verdict kept, of either form."""
    form = VERSIONED if len(row) == VERSIONED.itemsize else PROVENANCE
    at = form.fields["record"][1] + PAYMENT_ID_AT  # type: ignore[index]
    return int.from_bytes(row[at : at + 8], "little")


def _unreadable(what: str) -> str:
    return (
        f"A verdict's provenance has {PROVENANCE.itemsize} bytes, or {VERSIONED.itemsize} of version {VERSION}; "
        f"this one is {what}. Run the release that wrote it, or a newer one."
    )


def provenance_of(columns: PaymentColumns, placed: NDArray[np.record]) -> NDArray[np.record]:
    """Return PROVENANCE[n] of payments and their PLACED[n]."""
    rows = np.empty(len(columns), dtype=_WRITTEN)
    _put_provenance(columns.rows, placed, rows)
    return rows.view(PROVENANCE)


@njit()
def _put_provenance(  # type: ignore[no-untyped-def]
    payments, placed, rows
):  # fmt: skip
    for row in range(len(rows)):
        payment, one = payments[row], rows[row]
        one.identity[:] = payment.identity
        put_record(one.record, payment, payment.identity[1], payment.kind)
        for part in range(PLACES):
            one.at[part] = placed[row].at[part]
        for part in range(len(one.reports)):
            one.reports[part] = placed[row].reports[part]
