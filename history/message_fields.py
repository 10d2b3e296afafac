"""The fields of payments and outcomes as files are read by them, made from the messages' types in `stream.wire`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from files.fields import Fields, Kind
from stream.wire import Outcome, Payment, Rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec import Struct

_KINDS: Final = {int: Kind.INTEGER, float: Kind.NUMBER, bool: Kind.FLAG}
"""By the type that JSON has; all else is text, also what may be text or a number."""


def _types(hint: Any) -> Iterator[Any]:
    """Yield a hint, and all that it is made of."""
    yield hint
    for part in get_args(hint):
        yield from _types(part)


def _kind(hint: Any) -> Kind:
    types = [*_types(hint)]
    if Rfc3339 in types:
        return Kind.TIME
    if any(get_origin(one) is tuple for one in types):
        return Kind.SCORES
    plain = {one for one in types if one in (str, int, float, bool)}
    return _KINDS.get(plain.pop(), Kind.TEXT) if len(plain) == 1 else Kind.TEXT


def _fields(what: str, wire_type: type[Struct], *, key: str, moment: str) -> Fields:
    hints = get_type_hints(wire_type, include_extras=True)
    return Fields(
        what=what,
        kinds={name: _kind(hint) for name, hint in hints.items()},
        required=tuple(field.name for field in msgspec.structs.fields(wire_type) if field.required),
        key=key,
        moment=moment,
    )


PAYMENT: Final = _fields("payment", Payment, key="payer_vpa", moment="event_time")
OUTCOME: Final = _fields("outcome", Outcome, key="transaction_id", moment="reported_at")
