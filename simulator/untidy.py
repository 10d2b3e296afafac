"""Untidy payments: well-formed by the contract, yet not as this switch usually writes them. Each is to be accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_IST: Final = timezone(timedelta(hours=5, minutes=30))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Fields = dict[str, "Any"]


class Kind(NamedTuple):
    """A way to be untidy; `make` returns the key and the value."""

    name: str
    make: Callable[[bytes, Fields], tuple[bytes | None, bytes]]


def rfc3339(epoch_ms: int) -> str:
    """Write a time with the offset of Indian Standard Time."""
    moment = (_EPOCH + timedelta(milliseconds=epoch_ms)).astimezone(_IST)
    return moment.isoformat(timespec="milliseconds")


def _time_as_text(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    return key, msgspec.json.encode(fields | {"event_time": rfc3339(fields["event_time"])})


def _capitals(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    raised = {name: fields[name].upper() for name in ("payer_vpa", "payee_vpa")}
    return key, msgspec.json.encode(fields | raised)


def _more_fields(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    more = {"npci_route": "A7", "ledger": {"legs": [1, 2, {"open": False}]}, "attempt": 1.5}
    return key, msgspec.json.encode(more | fields)


def _nulls(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    return key, msgspec.json.encode(fields | {"mcc": None, "device_id": None, "latitude": None, "payer_app": None})


def _unusable_options(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    spoilt = {"flow": "P2X", "initiation": 7, "latitude": "north", "mcc": [5411], "device_bound_at": "long ago"}
    return key, msgspec.json.encode(fields | spoilt)


def _spaced(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    return key, msgspec.json.format(msgspec.json.encode(fields), indent=2)


def _escaped(key: bytes, fields: Fields) -> tuple[bytes, bytes]:
    return key, msgspec.json.encode(fields).replace(b"@", rb"\u0040")


def _without_key(_key: bytes, fields: Fields) -> tuple[None, bytes]:
    return None, msgspec.json.encode(fields)


KINDS: Final = (
    Kind("time-as-text", _time_as_text),
    Kind("capitals", _capitals),
    Kind("more-fields", _more_fields),
    Kind("nulls", _nulls),
    Kind("unusable-options", _unusable_options),
    Kind("spaced", _spaced),
    Kind("escaped", _escaped),
    Kind("without-key", _without_key),
)


def make_untidy(kind: Kind, key: bytes, payment: bytes) -> tuple[bytes | None, bytes]:
    """Return the key and the value of the same payment, written in this way."""
    return kind.make(key, msgspec.json.decode(payment))
