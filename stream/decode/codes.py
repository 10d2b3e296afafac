"""The four words that make the packed kind of a payment: `features.columns.pack_kind`."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from features.columns import Flow, Initiation, PaymentType, Status, pack_kind

if TYPE_CHECKING:
    from enum import IntEnum

CODES: Final[dict[str, type[IntEnum]]] = {"status": Status, "flow": Flow, "type": PaymentType, "initiation": Initiation}
"""By field, in the order in which they are packed."""

PACKED_KINDS: Final = {
    tuple(None if code == 0 else code.name for code in codes): pack_kind(*codes) for codes in product(*CODES.values())
}
"""The packed kind by the words of the four fields, None where one is unknown."""
