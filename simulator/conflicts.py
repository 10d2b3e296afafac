"""Conflicting duplicates: an id that comes again with something else in it; the first delivered stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from simulator.timeline import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Fields = dict[str, "Any"]


class Kind(NamedTuple):
    """A way to conflict; `change` gets the payment's fields and another payment's."""

    name: str
    change: Callable[[Fields, Fields], Fields]


def _other(fields: Fields, other: Fields, name: str, spare: str) -> Fields:
    return {name: other[name] if other[name] not in {fields["payer_vpa"], fields["payee_vpa"]} else spare}


KINDS: Final = (
    Kind("conflict-amount", lambda fields, _other: {"amount_paise": fields["amount_paise"] + 100}),
    Kind("conflict-payer", lambda fields, other: _other(fields, other, "payer_vpa", "someone.else@ybl")),
    Kind("conflict-day", lambda fields, _other: {"event_time": fields["event_time"] - DAY_MS}),
    Kind("conflict-payee", lambda fields, other: _other(fields, other, "payee_vpa", "someone.else@axl")),
)


def make_conflict(kind: Kind, payment: bytes, other: bytes) -> tuple[bytes, bytes]:
    """Return the key and the value of a record with this payment's id; keyed by the payer it names."""
    fields: Fields = msgspec.json.decode(payment)
    changed = fields | kind.change(fields, msgspec.json.decode(other))
    return changed["payer_vpa"].encode(), msgspec.json.encode(changed)
