"""The 32 bytes of a record, golden and read back; places and kinds in 32 bits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.columns import pack_kind, pack_place
from features.measure.ingest import append_raw
from features.measure.logs import Logs, clear_slot
from features.measure.risk import pack_report
from features.record import pack_records
from features.store.layout import key
from tests.oracle import Payment, columns_of

payments = st.builds(
    Payment,
    payment_id=st.integers(0, 2**64 - 1),
    event_time=st.integers(0, 2**48 - 1),
    amount=st.integers(1, 10**10),
    payer=st.integers(1, 2**64 - 1),
    payee=st.integers(1, 2**64 - 1),
    device=st.integers(0, 2**64 - 1),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    flow=st.integers(0, 2),
    type=st.integers(0, 2),
    initiation=st.integers(0, 6),
)


def test_golden_bytes() -> None:
    """A change here is a change of the layout: count LAYOUT_VERSION up."""
    payment = Payment(0x1122334455667788, 0x0102030405, 0x0A0B0C0D, 1, 0x99AABBCCDDEEFF00, 0, 0.0, 0.0, 1, 2, 3)
    record = pack_records(columns_of([payment]), columns_of([payment]).payee)
    assert record.tobytes().hex() == "0504030201000d0c0b0a0000ffeeddcc88776655443322110080008002010203"
    assert pack_report(0x0102030405, 1, 0x1122334455667788).hex() == "05040302010001008877665544332211"
    assert key(b"p", bytes(8)) == b"p" + key(b"p", b"")[1:5] + b":" + bytes(8)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.lists(payments, min_size=1, max_size=20))
def test_what_is_packed_is_read(some: list[Payment]) -> None:
    columns = columns_of(some)
    raw = pack_records(columns, columns.payee).ravel()
    logs = Logs.make(records=len(some), slots=1, blocks=0, supers=0, panes=0)
    clear_slot(logs.slots, 0, 0)
    append_raw(logs, 0, 0, len(raw), raw.view("<u8"))
    assert logs.slots["last"][0].tobytes() == raw[-32:].tobytes()
    assert logs.event_time.tolist() == [p.event_time for p in some]
    assert logs.amount.tolist() == [p.amount for p in some]
    assert logs.counterparty.tolist() == [p.payee % 2**40 for p in some]
    assert logs.place.tolist() == [p.place for p in some]
    assert logs.slots["born"][0] == some[0].event_time
    assert logs.slots["clock"][0] == max(p.event_time for p in some)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_place_is_kept_to_some_hundred_metres(latitude: float, longitude: float) -> None:
    place = pack_place(latitude, longitude)
    assert 0 < place < 2**32
    assert abs((place // 65536 - 1) * 180 / 65534 - 90 - latitude) <= 0.0014
    assert abs(place % 65536 * 360 / 65535 - 180 - longitude) <= 0.0028


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (None, 0.0),
        (0.0, None),
        (90.1, 0.0),
        (0.0, -180.1),
        (float("nan"), 0.0),
        (0.0, float("nan")),
        (float("inf"), 0.0),
    ],
)
def test_no_place_is_unknown(latitude: float | None, longitude: float | None) -> None:
    assert pack_place(latitude, longitude) == 0


def test_a_kind_is_a_byte_an_enum() -> None:
    assert pack_kind(1, 2, 1, 6) == 0x06010201
