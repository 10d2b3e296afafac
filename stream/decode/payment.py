"""One payment at a time, exactly: the rules of docs/specs/messages.md in the order in which they are tried.

This is what decoding means. `stream.decode.payments` does the same for whole micro-batches, faster, and hands every
record that is in any way unusual to here.
"""

from __future__ import annotations

from typing import NamedTuple

from features.columns import pack_kind, pack_place
from stream.decode import fields
from stream.decode.codes import CODES
from stream.decode.document import ObjectReader
from stream.decode.optional import OptionalFields
from stream.decode.rejection import Rejected
from stream.wire import MAX_AHEAD_MS, Payment, RejectionReason

_object = ObjectReader(Payment)


class ReadPayment(NamedTuple):
    """One payment in the terms of the columns, identities still in clear."""

    transaction_id: bytes
    event_time: int
    payer: bytes
    payee: bytes
    amount_paise: int
    device: bytes
    """Empty where unknown. Device ids are compared as they are, capitals and all."""
    place: int
    kind: int
    mcc: int
    device_bound_at: int
    sim_changed_at: int
    same_bank: int
    unusable: tuple[str, ...]
    """Optional fields that were there but count as unknown."""


def read_payment(value: bytes | None, now_ms: int) -> ReadPayment:
    """Return the payment; raises Rejected where the value is none. No other error, whatever the bytes."""
    found = _object.read(value)
    transaction_id = fields.transaction_id(found["transaction_id"])
    event_time = fields.time(found["event_time"], "event_time")
    payer = fields.vpa(found["payer_vpa"], "payer_vpa")
    payee = fields.vpa(found["payee_vpa"], "payee_vpa")
    amount = fields.amount_paise(found["amount_paise"])
    if event_time > now_ms + MAX_AHEAD_MS:  # last: the one rule that another clock would decide otherwise
        raise Rejected(
            RejectionReason.TIME_IN_FUTURE, "event_time: expected at most an hour ahead of the clock; check its unit"
        )
    optional = OptionalFields(found)
    for name in ("payer_app", "remarks_hash"):
        optional.text(name)  # no column takes them: read only to count those that are unusable
    optional.digits("rrn")
    return ReadPayment(
        transaction_id=transaction_id.encode(),
        event_time=event_time,
        payer=payer.encode(),
        payee=payee.encode(),
        amount_paise=amount,
        device=optional.text("device_id").encode(),
        place=pack_place(optional.degrees("latitude", 90.0), optional.degrees("longitude", 180.0)),
        kind=pack_kind(
            optional.code("status", CODES["status"]),
            optional.code("flow", CODES["flow"]),
            optional.code("type", CODES["type"]),
            optional.code("initiation", CODES["initiation"]),
        ),
        mcc=optional.merchant_code("mcc"),
        device_bound_at=optional.time("device_bound_at"),
        sim_changed_at=optional.time("sim_changed_at"),
        same_bank=_same_bank(optional.text("payer_bank"), optional.text("payee_bank")),
        unusable=tuple(optional.unusable),
    )


def _same_bank(payer: str, payee: str) -> int:
    return int(payer == payee) if payer and payee else -1
