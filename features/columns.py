"""Payments as columns: what the feature kernels read, one row a payment, in delivery order."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN_TIME = np.int64(-(2**62))
"""Stands for a time that was not given, in milliseconds."""

UNKNOWN_PLACE = 0
UNKNOWN_MCC = -1


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


@dataclass(frozen=True, slots=True)
class PaymentColumns:
    """A run of payments as columns of one length; row order is delivery order.

    Identities are keyed 64-bit hashes (`features.identity`), times are epoch milliseconds, money is paise.
    """

    payment_id: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount_paise: NDArray[np.int64]
    payer: NDArray[np.uint64]
    payee: NDArray[np.uint64]
    device: NDArray[np.uint64]
    """0 where the device is unknown."""
    place: NDArray[np.uint32]
    """`pack_place`; 0 where unknown."""
    kind: NDArray[np.uint32]
    """`pack_kind` of status, flow, type and initiation."""
    mcc: NDArray[np.int32]
    """-1 where unknown."""
    device_bound_at: NDArray[np.int64]
    """`UNKNOWN_TIME` where unknown."""
    sim_changed_at: NDArray[np.int64]
    """`UNKNOWN_TIME` where unknown."""
    same_bank: NDArray[np.int8]
    """1 if payer and payee bank are the same, 0 if not, -1 where one is unknown."""

    def __len__(self) -> int:
        return len(self.event_time)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """Return the given rows, in the order given."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))
