"""The enum fields of a payment: which names may be on the wire, and the codes they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.columns import Flow, Initiation, PaymentType, Status

if TYPE_CHECKING:
    from enum import IntEnum


def _names_of(codes: type[IntEnum]) -> dict[str, int]:
    return {code.name: int(code) for code in codes if code != 0}


CODES: Final = {
    "status": _names_of(Status),
    "flow": _names_of(Flow),
    "type": _names_of(PaymentType),
    "initiation": _names_of(Initiation),
}
"""By field; codes count from 1 in the order of the names, 0 is unknown."""
