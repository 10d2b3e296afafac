"""Optional fields read by the letter of docs/specs/messages.md, one value at a time: what decoding is compared with.

It shares the required fields and the JSON grammar with the program, and nothing of the optional fields.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.columns import UNKNOWN_MCC, UNKNOWN_TIME, PaymentColumns, pack_kind, pack_place
from stream.decode import required
from stream.decode.document import ObjectReader
from stream.decode.later_rules import refused
from stream.decode.payment import read_payment
from stream.decode.times import parse_rfc3339
from stream.wire import LAST_TIME_MS, Payment

if TYPE_CHECKING:
    from features.identity import Identities

_object = ObjectReader(Payment)
WORDS = {
    "status": ["INITIATED", "SUCCESS", "DECLINED", "REVERSED"],
    "flow": ["P2P", "P2M"],
    "type": ["PAY", "COLLECT"],
    "initiation": ["QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE"],
}


class PlainPayment(NamedTuple):
    """One payment, and what was odd about it."""

    columns: PaymentColumns
    transaction_id: bytes
    payer_vpa: bytes
    payee_vpa: bytes
    unusable: list[str]


def text(raw: bytes) -> str | None:
    value = json.loads(raw) if raw.startswith(b'"') else ""
    return None if value == "" or any(ord(one) < 32 or 127 <= ord(one) < 160 for one in value) else value


def reference(raw: bytes) -> str | None:
    if raw.startswith(b'"'):
        return text(raw)
    number = required.integer(raw)
    return str(number) if number is not None and 0 <= number < 10**12 else None


def time(raw: bytes) -> int | None:
    at = parse_rfc3339(json.loads(raw)) if raw.startswith(b'"') else required.integer(raw)
    return at if at is not None and 0 <= at <= LAST_TIME_MS else None


def merchant_code(raw: bytes) -> int | None:
    if raw.startswith(b'"'):
        return int(json.loads(raw)) if re.fullmatch("[0-9]{4}", json.loads(raw)) else None
    code = required.integer(raw)
    return code if code is not None and 0 <= code <= 9999 else None


def degrees(limit: float) -> Any:
    def read(raw: bytes) -> float | None:
        return float(raw) if raw[:1] in b"-0123456789" and abs(float(raw)) <= limit else None

    return read


def word(name: str) -> Any:
    return lambda raw: WORDS[name].index(text(raw)) + 1 if text(raw) in WORDS[name] else None


READERS: dict[str, Any] = {
    **{name: word(name) for name in WORDS},
    **dict.fromkeys(("device_id", "payer_bank", "payee_bank", "payer_app", "remarks_hash"), text),
    "rrn": reference,
    "mcc": merchant_code,
    "device_bound_at": time,
    "sim_changed_at": time,
    "latitude": degrees(90),
    "longitude": degrees(180),
}


def plain_payment(value: bytes | None, now_ms: int, earliest_ms: int, identities: Identities) -> PlainPayment:
    """Read one record; raises Rejected where it is no payment."""
    payment: Any = read_payment(value, now_ms)[0]
    why = refused(payment, earliest_ms)
    if why is not None:
        raise why
    found = {name: raw for name, raw in _object.read(value).items() if name in READERS and raw != b"null"}
    known = {name: READERS[name](raw) for name, raw in found.items()}
    unusable = [name for name, field in known.items() if field is None]
    known = {name: field for name, field in known.items() if field is not None}
    names = [payment.transaction_id, payment.payer_vpa, payment.payee_vpa, known.get("device_id", "")]
    hashes = identities.hash([name.encode() for name in names])
    banks = known.get("payer_bank"), known.get("payee_bank")
    columns: dict[str, Any] = {
        **dict(zip(("payment_id", "payer", "payee", "device"), hashes, strict=True)),
        "event_time": payment.event_time,
        "amount_paise": payment.amount_paise,
        "place": pack_place(known.get("latitude"), known.get("longitude")),
        "kind": pack_kind(*(known.get(name, 0) for name in ("status", "flow", "type", "initiation"))),
        "mcc": known.get("mcc", UNKNOWN_MCC),
        "device_bound_at": known.get("device_bound_at", UNKNOWN_TIME),
        "sim_changed_at": known.get("sim_changed_at", UNKNOWN_TIME),
        "same_bank": int(banks[0] == banks[1]) if None not in banks else -1,
    }
    return PlainPayment(
        PaymentColumns.of(**{name: np.array([column]) for name, column in columns.items()}),
        *(name.encode() for name in names[:3]),
        unusable,
    )
