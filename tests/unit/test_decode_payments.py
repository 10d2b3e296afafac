"""What a well-formed payment becomes, and what counts as unknown."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any
from unicodedata import category

import msgspec
import numpy as np
import pytest

from features.columns import UNKNOWN_TIME, Flow, Initiation, PaymentType, Status, pack_kind, pack_place
from features.identity import Identities
from stream.decode import Decoded, decode_outcomes, decode_payments
from stream.decode.fields import PAYMENT_FIELDS
from stream.facts import unpack
from stream.wire import EARLIEST_TIME_MS, MAX_VALUE_BYTES, Payment, RejectionReason

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOW = 1_764_000_000_000
IDENTITIES = Identities(bytes(range(16)))
GOOD = {
    "transaction_id": "T1",
    "event_time": NOW,
    "payer_vpa": "asha@okaxis",
    "payee_vpa": "shop@ybl",
    "amount_paise": 100,
}


def record(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


def accepted(*values: bytes) -> Decoded:
    decoded = decode_payments(values, NOW, IDENTITIES)
    assert decoded.rejections == []
    assert decoded.rows.tolist() == list(range(len(values)))
    return decoded


def test_every_field_becomes_its_column() -> None:
    decoded = accepted(
        record(
            payer_vpa="Asha.Rao@OKAXIS",
            rrn="123456789012",
            flow="P2M",
            type="COLLECT",
            initiation="MANDATE",
            status="REVERSED",
            mcc="0742",
            device_id="Dev-1",
            device_bound_at="2025-01-01T00:00:00+05:30",
            sim_changed_at=5,
            payer_bank="HDFC",
            payee_bank="HDFC",
            latitude=19.076,
            longitude=-72.8777,
            payer_app="bhim",
            remarks_hash="00ff",
        )
    )
    payments = decoded.payments
    assert decoded.transaction_id == [b"T1"]
    assert decoded.payer_vpa == [b"asha.rao@okaxis"]
    assert decoded.payee_vpa == [b"shop@ybl"]
    assert payments.payment_id.tolist() == IDENTITIES.hash([b"T1"]).tolist()
    assert decoded.ids128.tolist() == IDENTITIES.hash128([b"T1"]).tolist()
    assert payments.payer.tolist() == IDENTITIES.hash([b"asha.rao@okaxis"]).tolist()
    assert payments.payee.tolist() == IDENTITIES.hash([b"shop@ybl"]).tolist()
    assert payments.device.tolist() == IDENTITIES.hash([b"Dev-1"]).tolist()
    assert payments.event_time.tolist() == [NOW]
    assert payments.amount_paise.tolist() == [100]
    kind = pack_kind(Status.REVERSED, Flow.P2M, PaymentType.COLLECT, Initiation.MANDATE)
    assert payments.kind.tolist() == [kind]
    assert payments.mcc.tolist() == [742]
    assert payments.place.tolist() == [pack_place(19.076, -72.8777)]
    assert payments.device_bound_at.tolist() == [1_735_669_800_000]
    assert payments.sim_changed_at.tolist() == [5]
    assert payments.same_bank.tolist() == [1]
    assert decoded.unusable_optional == {}


@pytest.mark.parametrize(
    "optional", [{}, dict.fromkeys(("rrn", "flow", "mcc", "device_id", "latitude", "payer_bank", "device_bound_at"))]
)
def test_a_missing_or_null_optional_field_is_unknown_and_not_counted(optional: dict[str, None]) -> None:
    decoded = accepted(record(**optional))
    payments = decoded.payments
    assert payments.device.tolist() == [0]
    assert payments.place.tolist() == [0]
    assert payments.kind.tolist() == [0]
    assert payments.mcc.tolist() == [-1]
    assert payments.device_bound_at.tolist() == [int(UNKNOWN_TIME)]
    assert payments.sim_changed_at.tolist() == [int(UNKNOWN_TIME)]
    assert payments.same_bank.tolist() == [-1]
    assert decoded.unusable_optional == {}


UNUSABLE = {
    "rrn": [True, 1.5, -1, 10**12, [], {}, "", "1\x002"],
    "flow": ["p2p", "P2X", "", 1, True, [], {}],
    "type": ["pay", "P2P", 0],
    "initiation": ["NFC", None, 5],
    "status": ["PENDING", "SUCCESS ", ["SUCCESS"]],
    "mcc": ["541", "54111", "\uff15\uff14\uff11\uff11", "abcd", "12ab", "ab12", "1 23", 10_000, -1, 54.0, True, "+541"],
    "device_id": ["", 7, True, {"id": 1}, "a\x00b", "a\ud800b"],
    "device_bound_at": ["yesterday", "2025-01-01", 1.5, True, -1, 253_402_300_800_000, "9999-12-31T23:59:59-00:01"],
    "sim_changed_at": ["", [], "1969-12-31T23:59:59Z"],
    "payer_bank": [1, "", []],
    "payee_bank": [False, {}],
    "latitude": [90.0001, -91, "19.07", True, [19], 10**400],
    "longitude": [180.5, -1e9, "72"],
    "payer_app": [1, ""],
    "remarks_hash": [{}, "\n"],
    "payer_account": [50100012345678, "", "x" * 65, True],
    "payee_account": [{"number": "1"}, "1\x002"],
    "payer_mobile": [919820012345, "98200 12345", "982001234", "1" * 16, "++9820012345", "+" + "1" * 16, ""],
    "payee_mobile": [[], "\uff19" * 10],
    "payer_ifsc": ["UTIB000037", "UTIB00003733", "", 7],
    "payee_ifsc": [None, "UTIB\n000373"],
    "payer_type": ["person", "", 1],
    "payee_type": ["MERCHANT", []],
    "account_type": [1, ""],
    "initiation_mode": ["1", "001", 1, ""],
    "purpose": [0, "0\x7f"],
    "ref_category": [{}],
    "auth_type": [["PIN"], "x" * 65],
    "response_code": [0, "\ud800"],
    "original_transaction_id": [1, ""],
    "mandate_id": [True],
    "merchant_id": [5],
    "device_type": [{}],
    "device_os": [15],
    "ip": [3_405_803_783],
    "on_call": ["true", 1, 0, "", []],
    "screen_shared": ["false", {}],
    "payee_added_at": ["yesterday", -1, 1.5],
    "payer_segment": [["SENIOR"]],
    "external_scores": [
        {"provider": "NPCI", "type": "TXNRISK", "value": 5},
        [{"provider": "NPCI", "type": "TXNRISK"}],
        [{"provider": "NPCI", "type": "TXNRISK", "value": 100.5}],
        [{"provider": "NPCI", "type": "TXNRISK", "value": "5"}],
        [{"provider": "", "type": "TXNRISK", "value": 5}],
        [{"provider": "NPCI", "type": "T\nX", "value": 5}],
        [{"provider": "NPCI", "type": "TXNRISK", "value": 5}] * 9,
        [5],
        "NPCI",
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNUSABLE.items() for value in values])
def test_an_unusable_optional_field_is_unknown_and_counted_and_costs_no_verdict(name: str, value: Any) -> None:
    decoded = accepted(record(**{name: value, "payer_app": "bhim"} if name != "payer_app" else {name: value}))
    bare = accepted(record())
    assert decoded.unusable_optional == ({} if value is None else {name: 1})
    for column in ("device", "place", "kind", "mcc", "device_bound_at", "sim_changed_at", "same_bank"):
        assert getattr(decoded.payments, column).tolist() == getattr(bare.payments, column).tolist()
    assert unpack(decoded.facts[0]) == ({"payer_app": "bhim"} if name != "payer_app" else {})


def test_without_facts_all_else_is_the_same() -> None:
    scores = [{"provider": "a", "type": "b", "value": 1}]
    values = [record(device_id="Dev-1"), record(payer_app="bhim", device_id="Dev-2", external_scores=scores), b"x"]
    whole, bare = decode_payments(values, NOW, IDENTITIES), decode_payments(values, NOW, IDENTITIES, facts=False)
    assert None not in whole.facts
    assert bare.payments.device.all()
    assert bare.facts == [None, None]
    for name in Decoded.__struct_fields__:
        if name not in {"facts", "payments"}:
            assert np.array_equal(getattr(bare, name), getattr(whole, name)), name
    assert bare.payments.rows.tobytes() == whole.payments.rows.tobytes()


def test_the_table_of_unusable_values_has_every_type_of_optional_field() -> None:
    optional = [field.name for field in msgspec.structs.fields(Payment) if not field.required]
    kinds = {field.name: repr(field.kind.json) for field in PAYMENT_FIELDS}
    assert {kinds[name] for name in optional} == {kinds[name] for name in UNUSABLE}


def test_a_control_character_that_json_allows_makes_text_unusable() -> None:
    """DEL may stand in a JSON string as it is."""
    decoded = accepted(record(device_id="d#1").replace(b"#", b"\x7f"))
    assert decoded.payments.device.tolist() == [0]
    assert decoded.unusable_optional == {"device_id": 1}


def test_unusable_fields_are_counted_over_the_micro_batch_but_not_for_rejected_records() -> None:
    values = [record(flow="X"), record(flow="Y", mcc="?"), record(flow="Z", amount_paise=0), record(flow="P2P")]
    assert decode_payments(values, NOW, IDENTITIES).unusable_optional == {"flow": 2, "mcc": 1}


@pytest.mark.parametrize(
    "extra",
    [
        b"1",
        b"-0.5e-7",
        b"1e999",
        b"true",
        b"null",
        b'"\\u20b9 \\ud83d\\ude00"',
        b'"\\ud83d"',
        b'{"a":[{},[],"]"]}',
        b"[[1],[2]]",
    ],
)
def test_extra_fields_are_ignored_whatever_json_they_hold(extra: bytes) -> None:
    text = record()
    for value in (b'{"extra":' + extra + b"," + text[1:], text[:-1] + b',"a":' + extra + b"}"):
        assert accepted(value).payments.amount_paise.tolist() == [100]


@pytest.mark.parametrize(
    "vpa",
    [
        "a@b",
        "a" * 253 + "@b",
        "josé@okaxis",
        "राम@okaxis",
        "a.b-c_d+e@x",
        '"\\/@x',
        "é" * 253 + "@b",
    ],
)
def test_a_vpa_has_3_to_255_characters_and_one_at(vpa: str) -> None:
    for text in (record(payer_vpa=vpa), json.dumps({**GOOD, "payer_vpa": vpa}, ensure_ascii=False).encode()):
        assert accepted(text).payer_vpa == [vpa.encode()]


@pytest.mark.parametrize(
    ("vpa", "lower"),
    [("ASHA@OKAXIS", "asha@okaxis"), ("JOSÉ@x", "josé@x"), ("İ@x", "i̇@x"), ("ẞ@x", "ß@x"), ("\u212a@x", "k@x")],
)
def test_vpas_are_compared_in_lower_case(vpa: str, lower: str) -> None:
    """Unicode's own lower case: a dotted capital I becomes two characters, the Kelvin sign a k."""
    decoded = accepted(record(payee_vpa=vpa), record(payee_vpa=lower))
    assert decoded.payee_vpa == [lower.encode()] * 2
    assert len(set(decoded.payments.payee.tolist())) == 1


def test_a_transaction_id_is_taken_as_it_is() -> None:
    ids = ["T", "t", " ", "x" * 64, "é" * 64, "a b", "राम", '"\\/']
    decoded = accepted(*(record(transaction_id=id_) for id_ in ids))
    assert decoded.transaction_id == [id_.encode() for id_ in ids]
    assert len(set(decoded.payments.payment_id.tolist())) == len(ids)


@pytest.mark.parametrize(
    ("time", "epoch_ms"),
    [
        (EARLIEST_TIME_MS, EARLIEST_TIME_MS),
        (NOW + 3_600_000, NOW + 3_600_000),
        ("2015-01-01T00:00:00Z", EARLIEST_TIME_MS),
        ("2015-01-01T05:30:00+05:30", EARLIEST_TIME_MS),
        ("2014-12-31T23:59:59-00:01", EARLIEST_TIME_MS + 59_000),
        ("2025-11-24T16:00:00.123Z", 1_764_000_000_123),
        ("2025-11-24t16:00:00.1z", 1_764_000_000_100),
        ("2025-11-24T16:00:00.1239999Z", 1_764_000_000_123),
        ("2025-11-24T16:00:00.000999999999999999Z", 1_764_000_000_000),
        ("2025-11-24T21:30:00+05:30", 1_764_000_000_000),
        ("2025-11-24T16:00:00-00:00", 1_764_000_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T05:29:60.5+05:30", 1_483_228_800_500),
    ],
)
def test_times_are_cut_to_milliseconds(time: int | str, epoch_ms: int) -> None:
    assert accepted(record(event_time=time)).payments.event_time.tolist() == [epoch_ms]


@pytest.mark.parametrize("time", [0, "1970-01-01T00:00:00Z", "1970-01-01T05:30:00+05:30", "2000-02-29T00:00:00Z"])
def test_the_earliest_time_can_be_lowered(time: int | str) -> None:
    """Old histories are replayed, too; and 2000 was a leap year."""
    decoded = decode_payments([record(event_time=time)], NOW, IDENTITIES, earliest_ms=0)
    assert decoded.rejections == []
    assert decoded.payments.event_time.tolist() == [951_782_400_000 if time == "2000-02-29T00:00:00Z" else 0]


def test_when_a_device_was_bound_may_be_long_ago() -> None:
    decoded = accepted(record(device_bound_at=0, sim_changed_at="1970-01-01T00:00:00.005Z"))
    assert (decoded.payments.device_bound_at.tolist(), decoded.payments.sim_changed_at.tolist()) == ([0], [5])
    assert decoded.unusable_optional == {}


@pytest.mark.parametrize(
    ("time", "hint"),
    [
        (NOW // 1000, "seconds"),
        (EARLIEST_TIME_MS // 1000, "seconds"),
        (20_416, "check its unit"),
        (EARLIEST_TIME_MS - 1, "check its unit"),
        ("1970-01-21T10:00:00Z", "seconds"),
    ],
)
def test_a_time_before_2015_is_out_of_range_and_the_detail_says_what_may_be_meant(time: int | str, hint: str) -> None:
    (rejection,) = decode_payments([record(event_time=time)], NOW, IDENTITIES).rejections
    assert rejection.reason == RejectionReason.OUT_OF_RANGE
    assert rejection.detail.startswith("event_time: expected a time from 2015-01-01T00:00:00.000Z on; ")
    assert hint in rejection.detail


@pytest.mark.parametrize("time", [NOW // 1000, "1970-01-21T10:00:00Z"])
def test_an_outcome_reported_before_2015_is_out_of_range(time: int | str) -> None:
    value = json.dumps({"transaction_id": "T1", "outcome": "FRAUD", "reported_at": time}).encode()
    (rejection,) = decode_outcomes([value]).rejections
    assert rejection.reason == RejectionReason.OUT_OF_RANGE
    assert "reported_at" in rejection.detail
    assert "seconds" in rejection.detail
    assert decode_outcomes([value], earliest_ms=0).rejections == []


def test_what_only_a_later_rule_refuses_is_a_payment_where_its_id_has_a_claim() -> None:
    """A worker of an older version judged it; its record comes again after a crash, or because somebody rewinds."""
    values = [
        record(transaction_id="new, early", event_time=5),
        record(transaction_id="old, early", event_time=5, flow="?"),
        record(transaction_id="ordinary"),
        record(transaction_id="old, bare", payer_vpa="@okaxis"),
        record(transaction_id="old, invisible", payee_vpa="sh\u200bop@ybl"),
        record(transaction_id="new, invisible", payee_vpa="sh\u200bop@ybl"),
        record(transaction_id="old, but never a payment", amount_paise=0),
    ]
    old = {IDENTITIES.hash128([text])[0].tobytes() for text in (b"old, early", b"old, bare", b"old, invisible")}
    asked: list[int] = []

    def claimed(ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        asked.append(len(ids))
        return np.array([one.tobytes() in old for one in ids])

    decoded = decode_payments(values, NOW, IDENTITIES, has_claim=claimed)
    assert decoded.transaction_id == [b"old, early", b"ordinary", b"old, bare", b"old, invisible"]
    assert decoded.rows.tolist() == [1, 2, 3, 4]
    assert decoded.payments.event_time.tolist() == [5, NOW, NOW, NOW]
    assert decoded.payee_vpa[-1] == "sh\u200bop@ybl".encode()
    assert decoded.unusable_optional == {"flow": 1}
    assert [(rejection.index, rejection.reason) for rejection in decoded.rejections] == [
        (0, RejectionReason.OUT_OF_RANGE),
        (5, RejectionReason.BAD_VPA),
        (6, RejectionReason.OUT_OF_RANGE),
    ]
    assert asked == [5], "claims are looked up once a micro-batch, and only for what is in doubt"
    decode_payments(values[2:3], NOW, IDENTITIES, has_claim=claimed)
    assert asked == [5]


def test_no_character_that_cannot_be_seen_is_in_a_vpa() -> None:
    """The list in `stream.wire` is the one Unicode has, as far as this Python knows it."""
    hidden = [chr(code) for code in range(sys.maxunicode + 1) if category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]
    assert len(hidden) > 200
    for at in ("{}asha@ybl", "as{}ha@ybl", "asha{}@ybl", "asha@y{}bl", "asha@ybl{}"):
        values = [record(payer_vpa=at.format(character)) for character in hidden]
        reasons = [rejection.reason for rejection in decode_payments(values, NOW, IDENTITIES).rejections]
        assert reasons == [RejectionReason.BAD_VPA] * len(hidden)


def test_a_value_of_64_kib_is_not_too_large() -> None:
    accepted(record() + b" " * (MAX_VALUE_BYTES - len(record())))


def test_of_a_repeated_name_the_last_value_stands() -> None:
    doubled = record()[:-1] + b', "amount_paise": 7, "flow": 3, "flow": "P2P"}'
    decoded = accepted(doubled)
    assert decoded.payments.amount_paise.tolist() == [7]
    assert decoded.unusable_optional == {}


def test_names_may_be_escaped_and_white_space_may_stand_anywhere() -> None:
    escaped = b' \r\n\t{ "amount\\u005fpaise" :\n1 ,' + json.dumps(
        {name: value for name, value in GOOD.items() if name != "amount_paise"}
    ).encode()[1:].replace(b":", b"\t:\r")
    assert accepted(escaped.replace(b"\r}", b"}") + b"\n").payments.amount_paise.tolist() == [1]


@pytest.mark.parametrize(
    ("banks", "same"),
    [(("HDFC", "HDFC"), 1), (("HDFC", "SBIN"), 0), (("HDFC", None), -1), ((None, None), -1), (("HDFC", 5), -1)],
)
def test_same_bank_is_known_only_where_both_are(banks: tuple[Any, Any], same: int) -> None:
    decoded = accepted(record(payer_bank=banks[0], payee_bank=banks[1]))
    assert decoded.payments.same_bank.tolist() == [same]


def test_a_place_needs_both_coordinates() -> None:
    values = [
        record(latitude=0, longitude=0),
        record(latitude=0),
        record(longitude=0.0),
        record(latitude=-90, longitude=180),
    ]
    place = accepted(*values).payments.place.tolist()
    assert place == [pack_place(0, 0), 0, 0, pack_place(-90, 180)]
    assert place[0] != 0


def test_fingerprints_tell_another_time_amount_or_party_and_nothing_else() -> None:
    same = [
        record(),
        record(transaction_id="other"),
        record(payer_vpa="ASHA@okaxis"),
        record(status="SUCCESS", device_id="d", remarks_hash="x"),
        record(event_time="2025-11-24T16:00:00.0001Z"),
    ]
    other = [
        record(event_time=NOW - 1),
        record(amount_paise=101),
        record(payer_vpa="b@okaxis"),
        record(payee_vpa="b@okaxis"),
        record(payer_vpa="shop@ybl", payee_vpa="asha@okaxis"),
        record(event_time=EARLIEST_TIME_MS, amount_paise=NOW % 10**10),
    ]
    fingerprints = accepted(*same, *other).fingerprint.tolist()
    assert len(set(fingerprints[: len(same)])) == 1
    assert len(set(fingerprints)) == 1 + len(other)


def test_fingerprints_do_not_change_between_versions() -> None:
    """They are stored for 3 days: a worker that computed them differently would take every replay for a conflict."""
    decoded = accepted(record())
    assert decoded.fingerprint.dtype == np.int64
    assert decoded.fingerprint.tolist() == [7_086_271_628_478_163_935]


def test_an_empty_micro_batch_is_empty() -> None:
    decoded = decode_payments([], NOW, IDENTITIES)
    assert len(decoded.payments) == 0
    assert decoded.ids128.shape == (0, 2)


def test_a_micro_batch_of_rejections_has_no_rows() -> None:
    decoded = decode_payments([None, b"x"], NOW, IDENTITIES)
    assert len(decoded.payments) == 0
    assert [rejection.index for rejection in decoded.rejections] == [0, 1]
