"""Payments as the rows that kernels read: identities hashed and places packed, in one pass of compiled code."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.columns import PAYMENT
from features.compiled import njit
from features.entities import DEVICE, KINDS, PAYEE, PAYER
from features.identity import siphash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from features.identity import Identities

_ID, _PAYER_VPA, _PAYEE_VPA, _RRN = range(4)
_PAYER, _PAYEE, _DEVICE = (KINDS.index(kind) for kind in (PAYER, PAYEE, DEVICE))
_RRN_DIGITS = 12

NUMBERS: Final = ("event_time", "amount_paise", "device_bound_at", "sim_changed_at", "kind", "mcc", "same_bank")
"""The columns of PAYMENT that are numbers before they come here."""


class LaidOut(NamedTuple):
    """The rows of some payments, and what else is made of their texts."""

    rows: NDArray[np.record]
    """Of PAYMENT."""
    ids128: NDArray[np.uint64]
    fingerprint: NDArray[np.int64]
    rrn: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    """`Identities.hash` of every text but the RRN, shape [texts, n]."""


def lay_out(
    numbers: Sequence[Sequence[int]],
    degrees: NDArray[np.float64],
    texts: Mapping[str, Sequence[bytes]],
    identities: Identities,
) -> LaidOut:
    """Return the rows of n payments.

    `numbers` are the columns of NUMBERS. `degrees` are latitudes and longitudes, shape [2, n], NaN where one is
    unknown; or [2, 0]. `texts` begins with transaction_id, payer_vpa, payee_vpa and rrn; whatever else is to be hashed
    follows. Empty text is unknown.
    """
    at = {name: place for place, name in enumerate(texts)}
    payer, payee = _PAYER_VPA, _PAYEE_VPA
    if identities.by_account:
        payer, payee = at.get("payer_account", payer), at.get("payee_account", payee)
    flat = [*chain(*texts.values())]
    n = len(numbers[0])
    laid = LaidOut(
        np.zeros(n, dtype=PAYMENT),
        np.empty((n, 2), dtype=np.uint64),
        np.empty(n, dtype=np.int64),
        np.empty(n, dtype=np.int64),
        np.empty((len(texts), n), dtype=np.uint64),
    )
    _lay_out(
        np.array(numbers, dtype=np.int64),
        degrees,
        np.frombuffer(b"".join(flat), dtype=np.uint8),
        np.fromiter(map(len, flat), dtype=np.int64, count=len(flat)),
        identities.k0,
        identities.k1,
        payer,
        payee,
        at.get("device_id", -1),
        *laid,
    )
    return laid


@njit()
def _lay_out(  # type: ignore[no-untyped-def]
    numbers, degrees, arena, lengths, k0, k1, payer, payee, device, rows, ids128, fingerprint, rrn, hashes
):  # fmt: skip
    end = 0
    for text in range(len(hashes)):
        for row in range(len(rows)):
            start, end = end, end + lengths[text * len(rows) + row]
            if text == _RRN:
                rrn[row] = 0 if start < end <= start + _RRN_DIGITS else -1
                for at in range(start, end):
                    if rrn[row] < 0 or not 48 <= arena[at] <= 57:
                        rrn[row] = -1
                        break
                    rrn[row] = rrn[row] * 10 + arena[at] - 48
            elif start == end:
                hashes[text, row] = 0
            else:
                hashes[text, row] = siphash(arena, start, end, k0, k1) or np.uint64(1)
            if text == _ID:  # as `Identities.hash128`
                ids128[row, 0] = hashes[text, row]
                ids128[row, 1] = siphash(arena, start, end, ~k0, ~k1) or np.uint64(1)
    for row in range(len(rows)):
        payment = rows[row]
        payment.payment_id = hashes[_ID, row]
        payment.event_time, payment.amount_paise = numbers[0, row], numbers[1, row]
        payment.device_bound_at, payment.sim_changed_at = numbers[2, row], numbers[3, row]
        payment.kind, payment.mcc, payment.same_bank = numbers[4, row], numbers[5, row], numbers[6, row]
        payment.identity[_PAYER] = hashes[payer, row] or hashes[_PAYER_VPA, row]
        payment.identity[_PAYEE] = hashes[payee, row] or hashes[_PAYEE_VPA, row]
        if device >= 0:
            payment.identity[_DEVICE] = hashes[device, row]
        if degrees.shape[1]:
            latitude, longitude = degrees[0, row], degrees[1, row]
            if not np.isnan(latitude + longitude):  # `features.columns.pack_place`
                cell = 1 + round((latitude + 90.0) / 180.0 * 65534.0)
                payment.place = cell << 16 | round((longitude + 180.0) / 360.0 * 65535.0)
        fingerprint[row] = _fingerprint(payment, hashes[_PAYER_VPA, row], hashes[_PAYEE_VPA, row])


@njit(inner=True)
def _fingerprint(payment, payer, payee):  # type: ignore[no-untyped-def]
    """Hash what makes two payments of one id the same payment.

    It is stored for 3 days and compared across versions and workers: it may never change. The parties come in as keyed
    hashes of their VPAs, so the finalizer of splitmix64 (Steele, Lea, Flood 2014) between the four words is enough.
    """
    mixed = np.uint64(0)
    for word in (np.uint64(payment.event_time), np.uint64(payment.amount_paise), payer, payee):
        mixed = (mixed + np.uint64(0x9E3779B97F4A7C15)) ^ word
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return np.int64(mixed)
