"""The table of fields of payments and outcomes, made from their types in `stream.wire`: both readers follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta, MsgspecError, Struct

from stream.decode.kinds import kind_of
from stream.wire import MAX_TRANSACTION_ID, MAX_VPA, MIN_VPA, Amount, Outcome, Payment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.decode.kinds import Kind


class OptionalField(NamedTuple):
    """A field that may be missing."""

    name: str
    kind: Kind
    alone: msgspec.json.Decoder[Any]
    """Reads the JSON of one value."""


def _optional_fields(wire_type: type[Struct]) -> tuple[OptionalField, ...]:
    hints = get_type_hints(wire_type, include_extras=True)
    kinds = {
        field.name: kind_of(hints[field.name]) for field in msgspec.structs.fields(wire_type) if not field.required
    }
    return tuple(OptionalField(name, kind, msgspec.json.Decoder(kind.json)) for name, kind in kinds.items())


PAYMENT_FIELDS: Final = _optional_fields(Payment)
OUTCOME_FIELDS: Final = _optional_fields(Outcome)

_Vpa = Annotated[str, Meta(min_length=MIN_VPA, max_length=MAX_VPA)]


class ReadPayment(Struct, gc=False):
    """A payment whose fields have the right JSON types: what both readers make of a record.

    The optional fields are in `FullPayment`. They are not looked at yet: see `Kind.usable`.
    """

    transaction_id: Annotated[str, Meta(min_length=1, max_length=MAX_TRANSACTION_ID)]
    event_time: int | str
    """Epoch milliseconds once a reader is done."""
    payer_vpa: _Vpa
    payee_vpa: _Vpa
    amount_paise: Amount


FullPayment: Final = msgspec.defstruct(
    "FullPayment", [(field.name, field.kind.json, None) for field in PAYMENT_FIELDS], bases=(ReadPayment,), gc=False
)


def read_optional(fields: tuple[OptionalField, ...], found: Mapping[str, bytes]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that can be used, and the names of those that cannot.

    A field that is missing or null is in neither. An optional field never costs a record its acceptance.
    """
    values: dict[str, Any] = {}
    unusable: list[str] = []
    for field in fields:
        raw = found.get(field.name, b"null")
        if raw == b"null":
            continue
        try:
            column = (field.alone.decode(raw),)
            (value,) = column if field.kind.usable is None else field.kind.usable(column)
        except MsgspecError:
            value = None
        if value is None:
            unusable.append(field.name)
        else:
            values[field.name] = value
    return values, unusable
