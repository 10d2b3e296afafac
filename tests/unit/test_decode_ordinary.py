"""The fast lane reads what programs write, and knows where it must not."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from msgspec import structs

from features.columns import PAYMENT, pack_place
from features.identity import Identities
from stream.decode import decode_payments
from stream.decode.codes import CODES
from stream.decode.fields import PAYMENT_FIELDS, FullPayment
from stream.decode.kinds import kind_of
from stream.decode.layout import NUMBERS
from stream.decode.ordinary import read
from stream.wire import EARLIEST_TIME_MS, MAX_VALUE_BYTES, Payment

NOW = 1_764_000_000_000
GOOD = {
    "transaction_id": "T1",
    "event_time": NOW,
    "payer_vpa": "Asha@okaxis",
    "payee_vpa": "shop@ybl",
    "amount_paise": 100,
}


def taken(*values: bytes | None) -> list[bool]:
    found, left, _ = read(values, EARLIEST_TIME_MS, NOW)
    assert left == [row for row, payment in enumerate(found) if payment is None]
    return [payment is not None for payment in found]


def record(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


@pytest.mark.parametrize(
    "optional",
    [
        {},
        dict.fromkeys(set(Payment.__struct_fields__) - set(GOOD)),
        {"mcc": "5411", "rrn": "123456789012", "device_id": "Dev-1", "payer_bank": "HDFC", "payee_bank": "SBIN"},
        {"mcc": 5411, "rrn": 123456789012, "latitude": 19.0760901, "longitude": -72.0, "remarks_hash": "ff"},
        {"latitude": 19.076090123456789, "longitude": 0},
        {
            "device_bound_at": "2025-01-01T00:00:00.123456+05:30",
            "sim_changed_at": 5,
            "event_time": "2025-01-01T00:00:00Z",
        },
        {"status": "SUCCESS", "flow": "P2P", "type": "COLLECT", "initiation": "MANDATE"},
        {"initiation": "NFC", "payer_app": "", "device_id": "", "mcc": ""},
        {"device_id": 'say "hi"', "payer_bank": "é", "payer_app": "a\x00b", "latitude": 1e-7},
        {"event_time": "2016-12-31T23:59:60Z", "device_bound_at": "yesterday"},
        {"extra": {"deep": [[[1, 2.5e-3, "x", None, True, False, {}]], []]}, "another": -0.0},
    ],
)
def test_ordinary_payments_take_the_fast_lane(optional: dict[str, Any]) -> None:
    """Read alone they would be right, too, but cost many times as much."""
    compact = json.dumps({**GOOD, **optional}, separators=(",", ":")).encode()
    pretty = json.dumps({**GOOD, **optional}, indent=2).encode()
    unescaped = json.dumps({**GOOD, **optional}, ensure_ascii=False).encode()
    assert taken(record(**optional), compact, pretty, unescaped) == [True] * 4


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"x" * 70_000,
        record(payer_vpa="é@okaxis"),
        record(payer_vpa="@okaxis"),
        record(payee_vpa="asha.rao@"),
        record(event_time=EARLIEST_TIME_MS - 1),
        record(event_time=NOW + 1),
        record(latitude=90.5),
        record(device_bound_at=1.5),
        record(payer_vpa="a@b@c"),
        record(transaction_id="a\tb"),
        record()[:-1] + b', "flow": 7, "flow": "P2P"}',
        record()[:-1] + b', "x": "\xff"}',
        record(x=json.loads("[" * 257 + "]" * 257)),
        record(x=" " * MAX_VALUE_BYTES),
    ],
)
def test_what_is_unusual_is_left_to_be_read_alone(value: bytes | None) -> None:
    assert taken(record(), value, record()) == [True, False, True]


def test_the_table_has_every_field_and_every_code() -> None:
    optional = [field.name for field in structs.fields(Payment) if not field.required]
    assert [field.name for field in PAYMENT_FIELDS] == optional
    assert FullPayment.__struct_fields__ == Payment.__struct_fields__
    hints = get_type_hints(Payment)
    for name, codes in CODES.items():
        words = get_args(get_args(hints[name])[0])
        assert list(words) == [code.name for code in codes if code != 0], "codes count in the order of the words"


def test_every_column_with_the_name_of_a_field_is_filled() -> None:
    assert {*NUMBERS} >= {*Payment.__struct_fields__} & {*(PAYMENT.names or ())}


def test_a_type_that_nobody_reads_is_refused() -> None:
    with pytest.raises(TypeError, match="add its kind there"):
        kind_of(dict[str, int] | None)


@pytest.mark.parametrize(("name", "limit", "cells"), [("latitude", 90.0, 65534), ("longitude", 180.0, 65535)])
def test_places_are_packed_all_at_once_as_one_is_packed(name: str, limit: float, cells: int) -> None:
    edges = (np.arange(0, cells, 31) + 0.5) * 2 * limit / cells - limit
    degrees = np.concatenate([edges, np.nextafter(edges, -1e3), np.nextafter(edges, 1e3), edges + 1e-4, [limit]])
    places = [{"latitude": 0.5, "longitude": 0.5, name: value} for value in [None, *degrees.tolist()]]
    decoded = decode_payments([record(**place) for place in places], NOW, Identities(bytes(16)))
    assert decoded.payments.place.dtype == np.uint32
    assert decoded.payments.place.tolist() == [pack_place(**place) for place in places]
