"""Optional fields read by the letter of docs/specs/messages.md, one value at a time: what decoding is compared with.

It shares the required fields and the JSON grammar with the program, and nothing of the optional fields.
"""

from __future__ import annotations

import json
import re
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from features.columns import UNKNOWN, UNKNOWN_MCC, UNKNOWN_TIME, PaymentColumns, pack_kind, pack_place
from stream import wire
from stream.decode import required
from stream.decode.document import ObjectReader
from stream.decode.later_rules import refused
from stream.decode.payment import read_payment
from stream.decode.times import parse_rfc3339
from stream.facts import FACTS
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
"""In the order of their codes."""
SHORT = {
    "rrn": "r", "flow": "f", "type": "t", "initiation": "i", "status": "s", "mcc": "m", "device_id": "d",
    "device_bound_at": "db", "sim_changed_at": "sc", "payer_bank": "pb", "payee_bank": "qb", "payer_app": "a",
    "payer_account": "pa", "payee_account": "qa", "payer_mobile": "pm", "payee_mobile": "qm", "payer_ifsc": "pi",
    "payee_ifsc": "qi", "payer_type": "pt", "payee_type": "qt", "account_type": "at", "initiation_mode": "im",
    "purpose": "pu", "ref_category": "rc", "auth_type": "au", "response_code": "rs", "original_transaction_id": "ot",
    "mandate_id": "ma", "merchant_id": "mi", "device_type": "dt", "device_os": "os", "ip": "ip", "on_call": "oc",
    "screen_shared": "ss", "payee_added_at": "ad", "payer_segment": "sg", "external_scores": "xs",
}  # fmt: skip
"""The public keys of facts of version 1.1, in their order. None may be changed, or used again for another field."""
HASHED = {"device_id", "payer_account", "payee_account", "payer_mobile", "payee_mobile"}


class PlainPayment(NamedTuple):
    """One payment, and what was odd about it."""

    columns: PaymentColumns
    rrn: int
    facts: bytes | None
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


def merchant_code(raw: bytes) -> str | None:
    if raw.startswith(b'"'):
        return str(json.loads(raw)) if re.fullmatch("[0-9]{4}", json.loads(raw)) else None
    code = required.integer(raw)
    return f"{code:04d}" if code is not None and 0 <= code <= 9999 else None


def sized(low: int, high: int) -> Any:
    return lambda raw: found if (found := text(raw)) is not None and low <= len(found) <= high else None


def mobile(raw: bytes) -> str | None:
    found = text(raw)
    return found.removeprefix("+") if found is not None and re.fullmatch(r"\+?[0-9]{10,15}", found) else None


def flag(raw: bytes) -> bool | None:
    return {b"true": True, b"false": False}.get(raw)


def scores(raw: bytes) -> list[Any] | None:
    found = json.loads(raw)
    if not isinstance(found, list) or len(found) > 8:
        return None
    read = []
    for one in found:
        if not isinstance(one, dict) or not {"provider", "type", "value"} <= one.keys():
            return None
        words = [sized(1, 64)(json.dumps(one[name]).encode()) for name in ("provider", "type")]
        value = one["value"]
        if (
            None in words
            or isinstance(value, bool | str)
            or not isinstance(value, int | float)
            or not 0 <= value <= 100
        ):
            return None
        read.append([*words, float(value)])
    return read


def degrees(limit: float) -> Any:
    def read(raw: bytes) -> float | None:
        return float(raw) if raw[:1] in b"-0123456789" and abs(float(raw)) <= limit else None

    return read


def word(words: tuple[str, ...]) -> Any:
    return lambda raw: text(raw) if text(raw) in words else None


BY_TYPE: list[tuple[set[Any], Any]] = [
    ({wire.Text}, text),
    ({wire.ShortText}, sized(1, 64)),
    ({wire.Ifsc}, sized(11, 11)),
    ({wire.TwoCharacters}, sized(2, 2)),
    ({wire.Mobile}, mobile),
    ({wire.Text, wire.Rrn}, reference),
    ({wire.CodeNumber, wire.CodeText}, merchant_code),
    ({wire.EpochMs, wire.Rfc3339}, time),
    ({wire.Degrees90}, degrees(90)),
    ({wire.Degrees180}, degrees(180)),
    ({bool}, flag),
    ({wire.ExternalScores}, scores),
]


def reader_of(hint: Any) -> Any:
    parts = {*get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint)} - {NoneType}
    for part in parts:
        if get_origin(part) is Literal:
            return word(get_args(part))
    return next(reader for types, reader in BY_TYPE if types == parts)


READERS: dict[str, Any] = {
    field.name: reader_of(get_type_hints(Payment, include_extras=True)[field.name])
    for field in msgspec.structs.fields(Payment)
    if not field.required
}


def packed_facts(known: dict[str, Any], identities: Identities) -> bytes | None:
    facts: dict[str, Any] = {}
    for name, short in ({fact.name: fact.short for fact in FACTS} | SHORT).items():
        value = known.get(name)
        if value is None or (name in ("rrn", "payer_bank", "payee_bank", "payer_app") and len(value) > 64):
            continue
        if name in HASHED:
            last = min(4, len(value) // 2)
            value = f"{int(identities.hash([value.encode()])[0]):016x}:{value[len(value) - last :]}"
        facts[short] = value
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode() if facts else None


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
        "kind": pack_kind(
            *(
                WORDS[name].index(known[name]) + 1 if name in known else 0
                for name in ("status", "flow", "type", "initiation")
            )
        ),
        "mcc": int(known.get("mcc", UNKNOWN_MCC)),
        **{name: known.get(name, unknown) for name, unknown in UNKNOWN.items() if unknown == UNKNOWN_TIME},
        "same_bank": int(banks[0] == banks[1]) if None not in banks else -1,
    }
    return PlainPayment(
        PaymentColumns.of(**{name: np.array([column]) for name, column in columns.items()}),
        int(rrn) if re.fullmatch("[0-9]{1,12}", rrn := known.get("rrn", "")) else -1,
        packed_facts(known, identities),
        *(name.encode() for name in names[:3]),
        unusable,
    )
