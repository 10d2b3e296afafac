"""The rows of a micro-batch while they are read: one per input value, thrown out or kept at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import UNKNOWN_MCC, UNKNOWN_TIME, PaymentColumns
from features.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.identity import Identities
    from stream.decode.payment import ReadPayment
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


class PaymentTable:
    """Columns with one row per value, filled in any order; `finish` keeps the rows that were filled."""

    def __init__(self, length: int) -> None:
        self.filled = np.zeros(length, dtype=np.bool_)
        self.event_time = np.zeros(length, dtype=np.int64)
        self.amount_paise = np.zeros(length, dtype=np.int64)
        self.place = np.zeros(length, dtype=np.uint32)
        self.kind = np.zeros(length, dtype=np.uint32)
        self.mcc = np.full(length, UNKNOWN_MCC, dtype=np.int32)
        self.device_bound_at = np.full(length, UNKNOWN_TIME, dtype=np.int64)
        self.sim_changed_at = np.full(length, UNKNOWN_TIME, dtype=np.int64)
        self.same_bank = np.full(length, -1, dtype=np.int8)
        self.unusable = np.zeros(length, dtype=np.uint32)
        self.transaction_id: list[bytes] = [b""] * length
        self.payer: list[bytes] = [b""] * length
        self.payee: list[bytes] = [b""] * length
        self.device: list[bytes] = [b""] * length

    def put(self, row: int, payment: ReadPayment) -> None:
        """Fill one row."""
        self.filled[row] = True
        self.event_time[row] = payment.event_time
        self.amount_paise[row] = payment.amount_paise
        self.place[row] = payment.place
        self.kind[row] = payment.kind
        self.mcc[row] = payment.mcc
        self.device_bound_at[row] = payment.device_bound_at
        self.sim_changed_at[row] = payment.sim_changed_at
        self.same_bank[row] = payment.same_bank
        self.transaction_id[row] = payment.transaction_id
        self.payer[row] = payment.payer
        self.payee[row] = payment.payee
        self.device[row] = payment.device

    def finish(self, identities: Identities, rejections: list[Rejection], unusable: dict[str, int]) -> Decoded:
        """Hash the identities and return the rows that were filled."""
        rows = np.flatnonzero(self.filled)
        if len(rows) < len(self.filled):
            self._keep(rows)
        ids128 = identities.hash128(self.transaction_id)
        payer, payee = identities.hash(self.payer), identities.hash(self.payee)
        columns = PaymentColumns.of(
            payment_id=ids128[:, 0].copy(),  # hash128 begins with the 64 bits of hash
            event_time=self.event_time,
            amount_paise=self.amount_paise,
            payer=payer,
            payee=payee,
            device=identities.hash(self.device),
            place=self.place,
            kind=self.kind,
            mcc=self.mcc,
            device_bound_at=self.device_bound_at,
            sim_changed_at=self.sim_changed_at,
            same_bank=self.same_bank,
        )
        return Decoded(
            payments=columns,
            rows=rows,
            transaction_id=self.transaction_id,
            payer_vpa=self.payer,
            payee_vpa=self.payee,
            ids128=ids128,
            fingerprint=fingerprint(self.event_time, self.amount_paise, payer, payee),
            rejections=rejections,
            unusable_optional=unusable,
        )

    def _keep(self, rows: NDArray[np.intp]) -> None:
        for name, column in vars(self).items():
            kept = [column[row] for row in rows.tolist()] if isinstance(column, list) else column[rows]
            setattr(self, name, kept)


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
