"""Decoding is total, exact and local: any bytes give a payment or a reason, the same as read alone, in any company."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.identity import Identities
from stream.decode import Decoded, decode_outcomes, decode_payments
from stream.decode.rejection import Rejected, Rejection
from stream.wire import EARLIEST_TIME_MS, Outcome, Payment
from tests.decode_oracle import PlainPayment, plain_payment

NOW = 1_764_000_000_000
IDENTITIES = Identities(bytes(range(16)))

TIMES = [
    NOW,
    0,
    -1,
    NOW // 1000,
    EARLIEST_TIME_MS,
    EARLIEST_TIME_MS - 1,
    "2014-12-31T23:59:59.999Z",
    "2015-01-01T05:30:00+05:30",
    NOW + 3_600_001,
    10**18,
    10**30,
    "2025-11-24T16:00:00Z",
    "2025-11-24T21:30:00.1239+05:30",
    "2024-02-29T23:59:59.9-00:01",
    "2025-02-29T00:00:00Z",
    "1970-01-01T00:00:00+00:01",
    "2025-11-24T16:00:00",
    "2016-12-31T23:59:60Z",
    "9999-12-31T23:59:59.999Z",
]
VPAS = [
    "asha@okaxis",
    "ASHA@OkAxis",
    "a@b",
    "@ab",
    "a@",
    "@okaxis",
    "asha.rao@",
    "as\u200bha@okaxis",
    "\u202easha@okaxis",
    "a@b@c",
    "a b@c",
    "é@x",
    "a\x7f@b",
    "x" * 254 + "@",
    "x" * 255 + "@",
]
TEXTS = ["", " ", "x", "HDFC", "a\x00b", "é", "\ud83d", 'say "hi"', "back\\slash", "x" * 70]
NUMBERS = [
    0,
    1,
    -1,
    100.0,
    1e2,
    1e-7,
    10**10,
    10**10 + 1,
    10**17,
    10**18,
    10**19,
    2**64,
    1e300,
    0.1 + 0.2,
    90,
    90.0,
    -180.0,
]
ODD = [None, True, False, [], {}, [1, {"a": []}], {"transaction_id": 1}]
COORDINATES = st.one_of(
    st.sampled_from([0, 0.0, -0.0, 19.076, 90, -90, 90.0000001, 72.87774600000001, -180, 179.99999999999997]),
    st.floats(-200, 200, allow_nan=False),
    st.decimals(-180, 180, places=4).map(float),
    # On the edge between two cells of a packed place, and one step of a double beside it.
    st.builds(
        lambda cell, toward: np.nextafter((cell + 0.5) * 180 / 65534 - 90, toward).item(),
        st.integers(0, 65533),
        st.sampled_from([-100.0, 0.0, 100.0]),
    ),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "transaction_id": st.sampled_from(["T1", "x" * 64, "x" * 65, *TEXTS]),
    "event_time": st.one_of(
        st.sampled_from(TIMES), st.integers(1_300_000_000_000, NOW), st.datetimes().map(lambda t: t.isoformat() + "Z")
    ),
    "payer_vpa": st.sampled_from(VPAS),
    "payee_vpa": st.sampled_from(VPAS),
    "amount_paise": st.one_of(st.integers(1, 10**10), st.sampled_from(NUMBERS)),
    "rrn": st.sampled_from([*TEXTS, *NUMBERS]),
    "flow": st.sampled_from(["P2P", "P2M", "p2p", "P2", "P2PP", *TEXTS]),
    "type": st.sampled_from(["PAY", "COLLECT", "COLLECTS", *TEXTS]),
    "initiation": st.sampled_from(["QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE", "NFC"]),
    "status": st.sampled_from(["INITIATED", "SUCCESS", "DECLINED", "REVERSED", "PENDING"]),
    "mcc": st.sampled_from(["5411", "0000", "541", "54l1", "ab12", "12ab", 5411, 9999, 10_000, 2**32 + 5, *NUMBERS]),
    "device_id": st.sampled_from(["d1", "D1", *TEXTS]),
    "device_bound_at": st.sampled_from(TIMES),
    "sim_changed_at": st.sampled_from(TIMES),
    "payer_bank": st.sampled_from(["HDFC", "SBIN", *TEXTS]),
    "payee_bank": st.sampled_from(["HDFC", "HDFd", "HDF", *TEXTS]),
    "latitude": COORDINATES,
    "longitude": COORDINATES,
    "payer_app": st.sampled_from(TEXTS),
    "remarks_hash": st.sampled_from(TEXTS),
    **dict.fromkeys(
        (
            "payer_account",
            "payee_account",
            "account_type",
            "ref_category",
            "auth_type",
            "response_code",
            "original_transaction_id",
            "mandate_id",
            "merchant_id",
            "device_type",
            "device_os",
            "ip",
            "payer_segment",
        ),
        st.sampled_from(["SAVINGS", "x" * 64, "x" * 65, *TEXTS]),
    ),
    **dict.fromkeys(
        ("payer_mobile", "payee_mobile"),
        st.sampled_from(
            ["9820012345", "+919820012345", "1" * 15, "1" * 16, "+" + "1" * 16, "98200 12345", "\uff19" * 10]
        ),
    ),
    **dict.fromkeys(
        ("payer_ifsc", "payee_ifsc"), st.sampled_from(["UTIB0000373", "UTIB000037", "UTIB00003733", *TEXTS])
    ),
    **dict.fromkeys(("payer_type", "payee_type"), st.sampled_from(["PERSON", "ENTITY", "person"])),
    **dict.fromkeys(("initiation_mode", "purpose"), st.sampled_from(["00", "é1", "0", "000", *TEXTS])),
    **dict.fromkeys(("on_call", "screen_shared"), st.sampled_from([True, False, "true", 1])),
    "payee_added_at": st.sampled_from(TIMES),
    "external_scores": st.lists(
        st.fixed_dictionaries(
            {
                "provider": st.sampled_from(["NPCI", *TEXTS]),
                "type": st.sampled_from(["TXNRISK", 5]),
                "value": st.sampled_from([0, 100, 50.5, 101, -1, "5", True, 1e400]),
            },
            optional={"more": st.none()},
        )
        | st.just({"provider": "NPCI", "type": "TXNRISK", "value": 7})
        | st.sampled_from(ODD),
        max_size=9,
    ),
}
for _field in Payment.__struct_fields__:
    VALUES.setdefault(_field, st.sampled_from([*TEXTS, *NUMBERS, *TIMES, True]))
GOOD = {"transaction_id": "T1", "event_time": NOW, "payer_vpa": "a@b", "payee_vpa": "c@d", "amount_paise": 1}


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A payment in which most fields are good, in any order, with any spacing and escaping."""
    members: dict[str, Any] = dict(GOOD)
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=8)):
        members[name] = draw(st.one_of(VALUES[name], VALUES[name], st.sampled_from(ODD)))
    for name in draw(st.lists(st.sampled_from(["x", "payer", "Transaction_id", "", "payer_vpb", "é"]), max_size=2)):
        members[name] = draw(st.sampled_from([*ODD, *TEXTS, *NUMBERS]))
    order = draw(st.permutations(sorted(members)))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]))
    return json.dumps(
        {name: members[name] for name in order}, separators=separators, ensure_ascii=draw(st.booleans())
    ).encode("utf-8", "surrogatepass")


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A record with a few bytes cut out, put in, or repeated."""
    record = bytearray(draw(records()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(record)))
        cut = draw(st.integers(0, 3))
        new = draw(
            st.one_of(
                st.binary(max_size=2),
                st.sampled_from(
                    [b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"0", b"e9", b".", b"-", b"null", b"\x7f"]
                ),
                st.sampled_from([b'"amount_paise":5,', b'"x":[[{}]],', rb"\u00e9", rb"\ud800", b"@", b" "]),
            )
        )
        record[at : at + cut] = new
    return bytes(record)


VALUE = st.one_of(st.none(), st.binary(max_size=40), records(), records(), spoiled(), spoiled())


def fingerprint(*words: int) -> int:
    """Hash what makes two payments the same, in Python's own numbers: the finalizer of splitmix64 after each word."""
    mixed, mask = 0, 2**64 - 1
    for word in words:
        mixed = (mixed + 0x9E3779B97F4A7C15 & mask) ^ word
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
        mixed ^= mixed >> 31
    return mixed - 2**64 if mixed >> 63 else mixed


def assert_as_alone(decoded: Decoded, values: list[bytes | None]) -> None:
    """Read every value alone, by the oracle, and compare."""
    rows: list[int] = []
    payments: list[PlainPayment] = []
    rejections: list[Rejection] = []
    for row, value in enumerate(values):
        try:
            payments.append(plain_payment(value, NOW, EARLIEST_TIME_MS, IDENTITIES))
            rows.append(row)
        except Rejected as rejected:
            rejections.append(rejected.at(row))
    assert decoded.rows.tolist() == rows
    assert decoded.rejections == rejections
    assert decoded.unusable_optional == Counter(name for payment in payments for name in payment.unusable)
    assert decoded.rrn.tolist() == [payment.rrn for payment in payments]
    for name in ("transaction_id", "payer_vpa", "payee_vpa", "facts"):
        assert getattr(decoded, name) == [getattr(payment, name) for payment in payments], name
    assert decoded.ids128.tolist() == IDENTITIES.hash128(decoded.transaction_id).tolist()
    for row, payment in enumerate(payments):
        np.testing.assert_array_equal(decoded.payments.rows[[row]], payment.columns.rows)
        columns = payment.columns
        assert decoded.fingerprint[row] == fingerprint(
            *(int(column[0]) for column in (columns.event_time, columns.amount_paise, columns.payer, columns.payee))
        )


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(VALUE, max_size=6))
def test_a_micro_batch_is_read_as_each_of_its_records_alone(values: list[bytes | None]) -> None:
    decoded = decode_payments(values, NOW, IDENTITIES)
    assert_as_alone(decoded, values)
    assert sorted([*decoded.rows.tolist(), *(rejection.index for rejection in decoded.rejections)]) == [
        *range(len(values))
    ]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(VALUE, max_size=12), st.integers(0, 12))
def test_where_a_micro_batch_is_split_changes_nothing(values: list[bytes | None], at: int) -> None:
    whole = decode_payments(values, NOW, IDENTITIES)
    first = decode_payments(values[:at], NOW, IDENTITIES)
    second = decode_payments(values[at:], NOW, IDENTITIES)
    offset = min(at, len(values))
    assert whole.transaction_id == first.transaction_id + second.transaction_id
    assert whole.rows.tolist() == [*first.rows.tolist(), *(second.rows + offset).tolist()]
    assert whole.fingerprint.tolist() == first.fingerprint.tolist() + second.fingerprint.tolist()
    assert [(r.index, r.reason, r.detail) for r in whole.rejections] == [
        *((r.index, r.reason, r.detail) for r in first.rejections),
        *((r.index + offset, r.reason, r.detail) for r in second.rejections),
    ]
    assert Counter(whole.unusable_optional) == Counter(first.unusable_optional) + Counter(second.unusable_optional)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(VALUE, st.binary(max_size=200)), max_size=6))
def test_any_bytes_are_an_outcome_or_a_rejection(values: list[bytes | None]) -> None:
    decoded = decode_outcomes(values)
    indexes = [*(row.index for row in decoded.rows), *(rejection.index for rejection in decoded.rejections)]
    assert sorted(indexes) == [*range(len(values))]


def test_the_strategies_know_no_other_fields() -> None:
    assert set(VALUES) == set(Payment.__struct_fields__)
    assert "outcome" in Outcome.__struct_fields__
