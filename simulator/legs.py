"""Legs: who pays whom how much and when, before the payment has an id and everything else a switch adds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

from simulator import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

USUAL: Final = 0
"""In `Leg.device`, `latitude`, `device_bound_at`, ...: whatever the payer has at that time."""

UNGIVEN: Final = -(2**62)
"""Stands for a time that is not given."""


class Leg(NamedTuple):
    """One payment of a story. Times are epoch milliseconds, parties as in `parties`, codes as in `codes`."""

    event_time: int
    payer: int
    payee: int
    amount_paise: int
    flow: int = codes.P2P
    type: int = codes.PAY
    initiation: int = codes.CONTACT
    status: int = codes.SUCCESS
    typology: int = codes.HONEST
    lookalike: int = 0
    campaign: int = 0
    """0: none."""
    device: int = USUAL
    device_bound_at: int = USUAL
    sim_changed_at: int = USUAL
    latitude: int = USUAL
    """USUAL: the payer's own; NOWHERE: not given."""
    longitude: int = USUAL
    reported_at: int = UNGIVEN
    """When it will be reported as fraud."""


@dataclass(frozen=True, slots=True)
class Legs:
    """Legs as columns of one length, in the order of their times within an hour."""

    event_time: NDArray[np.int64]
    payer: NDArray[np.int64]
    payee: NDArray[np.int64]
    amount_paise: NDArray[np.int64]
    flow: NDArray[np.uint8]
    type: NDArray[np.uint8]
    initiation: NDArray[np.uint8]
    status: NDArray[np.uint8]
    typology: NDArray[np.uint8]
    lookalike: NDArray[np.uint8]
    campaign: NDArray[np.int64]
    device: NDArray[np.uint64]
    device_bound_at: NDArray[np.int64]
    sim_changed_at: NDArray[np.int64]
    latitude: NDArray[np.int32]
    longitude: NDArray[np.int32]
    reported_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.event_time)

    @classmethod
    def of(cls, legs: Sequence[Leg]) -> Self:
        """Return the legs of stories as columns."""
        columns = zip(*legs, strict=True) if legs else ((),) * len(_TYPES)
        return cls(*(np.array(column, dtype=_TYPES[name]) for name, column in zip(_TYPES, columns, strict=True)))

    @classmethod
    def usual(
        cls,
        event_time: NDArray[np.int64],
        payer: NDArray[np.int64],
        payee: NDArray[np.int64],
        amount_paise: NDArray[np.int64],
        kind: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]],
        place: tuple[NDArray[np.int32], NDArray[np.int32]],
    ) -> Self:
        """Return honest legs that are part of no story; `kind` is flow, type, initiation and status."""
        nothing = {
            name: np.full(len(event_time), default, dtype=_TYPES[name])
            for name, default in Leg._field_defaults.items()
            if name not in {"flow", "type", "initiation", "status", "latitude", "longitude"}
        }
        flow, type_, initiation, status = kind
        return cls(
            event_time=event_time,
            payer=payer,
            payee=payee,
            amount_paise=amount_paise,
            flow=flow,
            type=type_,
            initiation=initiation,
            status=status,
            latitude=place[0],
            longitude=place[1],
            **nothing,
        )

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the given rows, in the order given."""
        return type(self)(*(getattr(self, name)[rows] for name in _TYPES))

    def join(self, other: Self) -> Self:
        """Return these legs, then the other ones."""
        return type(self)(*(np.concatenate((getattr(self, name), getattr(other, name))) for name in _TYPES))


_SMALL: Final = ("flow", "type", "initiation", "status", "typology", "lookalike")
_OTHER: Final[dict[str, DTypeLike]] = {"device": np.uint64, "latitude": np.int32, "longitude": np.int32}
_TYPES: Final[dict[str, DTypeLike]] = {
    field.name: _OTHER.get(field.name, np.uint8 if field.name in _SMALL else np.int64) for field in fields(Legs)
}
"""Columns in the order of both Leg and Legs, with their types."""
