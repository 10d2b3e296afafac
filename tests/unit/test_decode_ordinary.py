"""The compiled way reads what programs write, and knows where it must not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from features.columns import pack_place
from stream.decode.codes import CODES
from stream.decode.ordinary import fill
from stream.decode.ordinary_kernel import FIELDS
from stream.decode.scan import names_table
from stream.decode.table import PaymentTable
from stream.wire import EARLIEST_TIME_MS, Payment

NOW = 1_764_000_000_000
GOOD = {
    "transaction_id": "T1",
    "event_time": NOW,
    "payer_vpa": "Asha@okaxis",
    "payee_vpa": "shop@ybl",
    "amount_paise": 100,
}


def filled(*values: bytes | None) -> list[bool]:
    table = PaymentTable(len(values))
    fill(table, values, EARLIEST_TIME_MS, NOW)
    return table.filled.tolist()


def record(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


@pytest.mark.parametrize(
    "optional",
    [
        {},
        dict.fromkeys(set(FIELDS) - set(GOOD)),
        {"mcc": "5411", "rrn": "123456789012", "device_id": "Dev-1", "payer_bank": "HDFC", "payee_bank": "SBIN"},
        {"mcc": 5411, "rrn": 123456789012, "latitude": 19.0760901, "longitude": -72.0, "remarks_hash": "ff"},
        {"latitude": 19.076090123456789, "longitude": 0},
        {
            "device_bound_at": "2025-01-01T00:00:00.123456+05:30",
            "sim_changed_at": 5,
            "event_time": "2025-01-01T00:00:00Z",
        },
        {"status": "SUCCESS", "flow": "P2P", "type": "COLLECT", "initiation": "MANDATE"},
        {"initiation": "NFC", "payer_app": "", "device_id": ""},
        {"extra": {"deep": [[[1, 2.5e-3, "x", None, True, False, {}]], []]}, "another": -0.0},
    ],
)
def test_ordinary_payments_take_the_compiled_way(optional: dict[str, Any]) -> None:
    """Read alone they would be right, too, but cost many times as much."""
    compact = json.dumps({**GOOD, **optional}, separators=(",", ":")).encode()
    pretty = json.dumps({**GOOD, **optional}, indent=2).encode()
    assert filled(record(**optional), compact, pretty) == [True] * 3


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
        record(device_id='say "hi"'),
        record(event_time=NOW + 1),
        record(event_time="2016-12-31T23:59:60Z"),
        record(latitude=1e-7),
        record(device_bound_at=1.5),
        record()[:-1] + b', "flow": "P2P", "flow": "P2P"}',
        record(x=json.loads("[" * 61 + "]" * 61)),
    ],
)
def test_what_is_unusual_is_left_to_be_read_alone(value: bytes | None) -> None:
    assert filled(record(), value, record()) == [True, False, True]


def test_the_compiled_way_knows_every_field_and_code() -> None:
    assert set(FIELDS) == set(Payment.__struct_fields__)
    for name, codes in CODES.items():
        assert name in FIELDS
        assert list(codes.values()) == list(range(1, len(codes) + 1))


def test_names_that_share_a_slot_are_refused() -> None:
    with pytest.raises(ValueError, match="shares slot"):
        names_table(["payer_vpa", "pay_r_vpa"])


@pytest.mark.parametrize(("name", "limit", "cells"), [("latitude", 90.0, 65534), ("longitude", 180.0, 65535)])
def test_a_place_next_to_the_edge_of_its_cell_is_packed_as_features_pack_it(
    name: str, limit: float, cells: int
) -> None:
    """Seventeen digits are read a few units in the last place off here, so such a decimal is left to be read alone."""
    edges = (np.arange(0, cells, 31) + 0.5) * 2 * limit / cells - limit
    degrees = np.concatenate([edges, np.nextafter(edges, -1e3), np.nextafter(edges, 1e3), edges + 1e-4]).tolist()
    places = [{"latitude": 0.5, "longitude": 0.5, name: value} for value in degrees]
    table = PaymentTable(len(places))
    fill(table, [record(**place) for place in places], EARLIEST_TIME_MS, NOW)
    expected = np.array([pack_place(**place) for place in places], dtype=np.uint32)
    assert table.filled[-len(edges) :].all()
    assert (table.place == expected)[table.filled].all()
