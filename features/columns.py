"""Payments as the feature kernels read them: one record a payment, in delivery order."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from msgspec import Struct

from features.compiled import row_dtype
from features.entities import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

UNKNOWN_TIME = np.int64(-(2**62))
"""Stands for a time that was not given, in milliseconds."""

UNKNOWN_PLACE = 0
UNKNOWN_MCC = -1
UNKNOWN_BANKS = -1


class Status(IntEnum):
    """Where a payment stands; all count in windows."""

    UNKNOWN = 0
    INITIATED = 1
    SUCCESS = 2
    DECLINED = 3
    REVERSED = 4


class Flow(IntEnum):
    """Who is paid: a person or a merchant."""

    UNKNOWN = 0
    P2P = 1
    P2M = 2


class PaymentType(IntEnum):
    """Who asked for the payment: the payer (pay) or the payee (collect)."""

    UNKNOWN = 0
    PAY = 1
    COLLECT = 2


class Initiation(IntEnum):
    """How the payee was addressed."""

    UNKNOWN = 0
    QR = 1
    INTENT = 2
    VPA = 3
    CONTACT = 4
    ACCOUNT = 5
    MANDATE = 6


class FeatureState(IntEnum):
    """How complete the reading behind a vector was; the verdict carries it."""

    FULL = 0
    COLD = 1
    LATE = 2
    DEGRADED = 3


def pack_kind(status: int = 0, flow: int = 0, type_: int = 0, initiation: int = 0) -> int:
    """Pack the four enums into one number: a byte each, status lowest."""
    return status | flow << 8 | type_ << 16 | initiation << 24


def pack_place(latitude: float | None, longitude: float | None) -> int:
    """Pack a place to 16 bits a coordinate (300 m of latitude); 0 where it is unknown.

    Degrees; anything outside [-90, 90] x [-180, 180], NaN included, counts as unknown.
    """
    if latitude is None or longitude is None:
        return UNKNOWN_PLACE
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
        return UNKNOWN_PLACE
    lat = 1 + round((latitude + 90.0) / 180.0 * 65534.0)  # 1..65535, so that no known place packs to 0
    lon = round((longitude + 180.0) / 360.0 * 65535.0)
    return lat << 16 | lon


PAYMENT: Final = row_dtype(
    [
        ("payment_id", "u8"),
        ("event_time", "i8"),
        ("amount_paise", "i8"),
        ("identity", "u8", (len(KINDS),)),  # of each kind of entity, a column of its name; 0: the payment has none
        ("place", "u4"),  # `pack_place`
        ("kind", "u4"),  # `pack_kind` of status, flow, type and initiation
        ("device_bound_at", "i8"),
        ("sim_changed_at", "i8"),
        ("mcc", "i4"),
        ("same_bank", "i1"),  # 1 if payer and payee bank are the same, 0 if not
    ]
)
"""One payment as the kernels read it. Identities are keyed 64-bit hashes (`features.identity`), times are epoch
milliseconds, money is paise."""

UNKNOWN: Final = {
    "mcc": UNKNOWN_MCC, "device_bound_at": UNKNOWN_TIME, "sim_changed_at": UNKNOWN_TIME,
    "same_bank": UNKNOWN_BANKS,
}  # fmt: skip
"""What stands in a column where the payment does not say; 0 in all others."""

_ENTITIES: Final = {kind.name: at for at, kind in enumerate(KINDS)}


class PaymentColumns(Struct, frozen=True, eq=False):
    """A run of payments, a row each, in delivery order; a column is an attribute of its name."""

    rows: NDArray[np.record]
    """Of PAYMENT."""

    @classmethod
    def unknown(cls, length: int) -> Self:
        """Return payments of which nothing is known, to be filled."""
        payments = cls(np.zeros(length, dtype=PAYMENT))
        for name, unknown in UNKNOWN.items():
            payments.rows[name] = unknown
        return payments

    @classmethod
    def of(cls, **columns: NDArray[Any]) -> Self:
        """Return the payments of these columns, which have one length; a column that is not given is unknown."""
        payments = cls.unknown(len(columns["event_time"]))
        _fill(payments, columns)
        return payments

    def changed(self, **columns: NDArray[Any]) -> Self:
        """Return a copy with other values in some columns."""
        payments = type(self)(self.rows.copy())
        _fill(payments, columns)
        return payments

    def __len__(self) -> int:
        return len(self.rows)

    def __getattr__(self, name: str) -> NDArray[Any]:
        """Return a column, by the name of a field or of a kind of entity; it shares its memory with the rows."""
        if name in _ENTITIES:
            return self.rows["identity"][:, _ENTITIES[name]]
        if name in (PAYMENT.names or ()):
            return self.rows[name]
        raise AttributeError(name)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """Return the given rows, in the order given."""
        return type(self)(self.rows[rows])


def _fill(payments: PaymentColumns, columns: Mapping[str, NDArray[Any]]) -> None:
    for name, column in columns.items():
        getattr(payments, name)[:] = column
