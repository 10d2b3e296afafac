"""Malformed records: at least one kind for every reason of a dead letter, each made from a good payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

OVERSIZE: Final = 300_000
"""Bytes of a record that is too large for a payment, though not for Kafka."""

_REQUIRED: Final = ("transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise")
_YEAR_2100_MS: Final = 4_102_444_800_000
_YEAR_2026_S: Final = 1_767_225_600
_LONG: Final = "a" * 252

Fields = dict[str, Any]


class Kind(NamedTuple):
    """A way to be malformed, and the reason a dead letter must give; `make` may change the fields it is given."""

    name: str
    reason: str
    make: Callable[[Fields], bytes | None]


def _json(fields: Fields) -> bytes:
    return msgspec.json.encode(fields)


def _without(field: str) -> Callable[[Fields], bytes]:
    return lambda fields: _json({name: value for name, value in fields.items() if name != field})


def _with(**changes: object) -> Callable[[Fields], bytes]:
    return lambda fields: _json(fields | changes)


def _literal(field: str, literal: bytes) -> Callable[[Fields], bytes]:
    """Put a literal in a field's place, such as a number that Python would write differently."""
    return lambda fields: _json(fields | {field: "@@@"}).replace(b'"@@@"', literal)


def _token(fields: Fields) -> bytes:
    """Return what makes this record differ from every other."""
    return str(fields["transaction_id"]).encode()


KINDS: Final = (
    Kind("text", "not-json", lambda fields: b"payment " + _token(fields)),
    Kind("truncated", "not-json", lambda fields: _json(fields)[:-20]),
    Kind("invalid-utf-8", "not-json", lambda fields: _json(fields).replace(b"@", b"\xff\xfe", 1)),
    Kind("single-quotes", "not-json", lambda fields: _json(fields).replace(b'"', b"'")),
    Kind("trailing-text", "not-json", lambda fields: _json(fields) + b"}"),
    Kind("nan", "not-json", _literal("amount_paise", b"NaN")),
    Kind("xml", "not-json", lambda fields: b"<payment id='" + _token(fields) + b"'/>"),
    Kind("empty", "not-json", lambda _fields: b""),
    Kind("array", "not-an-object", lambda fields: b"[" + _json(fields) + b"]"),
    Kind("string", "not-an-object", lambda fields: b'"' + _token(fields) + b'"'),
    Kind("number", "not-an-object", lambda fields: str(fields["event_time"]).encode()),
    Kind("json-null", "not-an-object", lambda _fields: b"null"),
    *(Kind(f"without-{field}", "missing-field", _without(field)) for field in _REQUIRED),
    Kind("empty-object", "missing-field", lambda _fields: b"{}"),
    Kind("amount-text", "wrong-type", _with(amount_paise="124300")),
    Kind("amount-fraction", "wrong-type", _literal("amount_paise", b"1243.50")),
    Kind("amount-float", "wrong-type", _literal("amount_paise", b"100.0")),
    Kind("amount-exponent", "wrong-type", _literal("amount_paise", b"1e4")),
    Kind("amount-boolean", "wrong-type", _with(amount_paise=True)),
    Kind("id-number", "wrong-type", _with(transaction_id=4_711)),
    Kind("payer-number", "wrong-type", _with(payer_vpa=9_876_543_210)),
    Kind("payee-list", "wrong-type", _with(payee_vpa=["a@ybl"])),
    Kind("time-object", "wrong-type", lambda fields: _json(fields | {"event_time": {"ms": fields["event_time"]}})),
    Kind("amount-zero", "out-of-range", _with(amount_paise=0)),
    Kind("amount-negative", "out-of-range", _with(amount_paise=-5_000)),
    Kind("amount-too-large", "out-of-range", _with(amount_paise=10**10 + 1)),
    Kind("amount-beyond-64-bits", "out-of-range", _literal("amount_paise", b"1" + b"0" * 20)),
    Kind("id-empty", "out-of-range", _with(transaction_id="")),
    Kind("id-too-long", "out-of-range", lambda fields: _json(fields | {"transaction_id": f"{'L' * 65}"})),
    Kind("vpa-without-at", "bad-vpa", _with(payer_vpa="asha.rao")),
    Kind("vpa-two-ats", "bad-vpa", _with(payee_vpa="asha@rao@ybl")),
    Kind("vpa-with-space", "bad-vpa", _with(payee_vpa="asha rao@ybl")),
    Kind("vpa-too-short", "bad-vpa", _with(payer_vpa="a@")),
    Kind("vpa-too-long", "bad-vpa", _with(payee_vpa=f"{_LONG}@ybl")),
    Kind("vpa-empty", "bad-vpa", _with(payee_vpa="")),
    Kind("vpa-without-handle", "bad-vpa", _with(payer_vpa="asha.rao@")),
    Kind("vpa-invisible", "bad-vpa", _with(payee_vpa="asha.\u200brao@ybl")),
    Kind("time-seconds", "out-of-range", _with(event_time=_YEAR_2026_S)),
    Kind("time-words", "bad-time", _with(event_time="yesterday")),
    Kind("time-without-offset", "bad-time", _with(event_time="2026-01-01T10:00:00")),
    Kind("time-date-only", "bad-time", _with(event_time="2026-01-01")),
    Kind("time-month-13", "bad-time", _with(event_time="2026-13-01T10:00:00Z")),
    Kind("time-2100", "time-in-future", _with(event_time=_YEAR_2100_MS)),
    Kind("time-2100-text", "time-in-future", _with(event_time="2100-01-01T00:00:00+05:30")),
    Kind("tombstone", "null-value", lambda _fields: None),
    Kind("oversize", "too-large", lambda fields: _json(fields | {"note": "x" * OVERSIZE})),
)


def make_malformed(kind: Kind, payment: bytes, token: str) -> bytes | None:
    """Return a record of this kind from a good payment, with an id of its own where it still has one."""
    fields: Fields = msgspec.json.decode(payment)
    fields["transaction_id"] = token
    return kind.make(fields)
