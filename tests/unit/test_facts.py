"""Facts are the optional fields of a payment, under keys that are public and stay."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from features.history import history_vectors
from features.identity import Identities
from stream.decode import decode_payments
from stream.facts import FACTS, conceal, pack, unpack
from stream.schemas.examples import PAYMENT
from stream.wire import Payment
from tests.decode_oracle import HASHED, SHORT

NOW = 1_764_000_000_000
IDENTITIES = Identities(bytes(range(16)))
NO_FACTS = {"latitude", "longitude", "remarks_hash"}
REQUIRED = [field.name for field in msgspec.structs.fields(Payment) if field.required]


def record(**changed: Any) -> bytes:
    return msgspec.json.encode(msgspec.structs.asdict(PAYMENT) | {"transaction_id": "T1"} | changed)


def bare(**changed: Any) -> bytes:
    return msgspec.json.encode({name: getattr(PAYMENT, name) for name in REQUIRED} | changed)


def test_every_optional_field_is_a_fact_or_an_exception() -> None:
    optional = {field.name for field in msgspec.structs.fields(Payment)} - set(REQUIRED)
    assert {fact.name for fact in FACTS} == optional - NO_FACTS


def test_no_key_was_changed_or_used_again() -> None:
    """Rows that are stored have them."""
    assert [(fact.name, fact.short) for fact in FACTS][: len(SHORT)] == list(SHORT.items())
    assert {fact.name for fact in FACTS[: len(SHORT)] if fact.hashed} == HASHED
    assert len({fact.short for fact in FACTS}) == len(FACTS)
    assert all(1 <= len(fact.short) <= 2 for fact in FACTS)


def test_what_a_payment_says_is_packed_in_order_and_reads_back_by_name() -> None:
    said = record(original_transaction_id="T0", mandate_id="M1", sim_changed_at="2025-01-01T00:00:00Z")
    decoded = decode_payments([said], NOW, IDENTITIES)
    (facts,) = decoded.facts
    assert facts is not None
    assert list(json.loads(facts))[: len(SHORT)] == list(SHORT.values())
    assert b" " not in facts.replace(b"Android 15", b"")
    known = unpack(facts)
    assert (known["rrn"], known["mcc"], known["status"]) == ("532818274655", "5411", "SUCCESS")
    assert known["sim_changed_at"] == 1_735_689_600_000
    assert (known["on_call"], known["external_scores"]) == (False, [["NPCI", "TXNRISK", 12.0]])
    digits = f"{int(IDENTITIES.hash([b'919820012345'])[0]):016x}"
    assert known["payer_mobile"] == {"hash": digits, "last4": "2345"}
    assert decoded.rrn.tolist() == [532_818_274_655]


def test_no_account_mobile_or_device_stands_in_facts() -> None:
    (facts,) = decode_payments([record()], NOW, IDENTITIES).facts
    assert facts is not None
    for name in HASHED:
        assert str(getattr(PAYMENT, name)).removeprefix("+").encode() not in facts


def test_a_payment_that_says_nothing_has_no_facts() -> None:
    """Place and remarks are none."""
    decoded = decode_payments([bare(), bare(latitude=19.0, longitude=72.8, remarks_hash="ff")], NOW, IDENTITIES)
    assert decoded.facts == [None, None]
    assert decoded.rrn.tolist() == [-1, -1]
    assert unpack(None) == {}


@pytest.mark.parametrize(
    ("rrn", "number", "fact"),
    [
        ("000000000001", 1, "000000000001"),
        (12, 12, "12"),
        ("1234567890123", -1, "1234567890123"),
        ("12a", -1, "12a"),
        ("\u0661\u0662", -1, "\u0661\u0662"),
        ("9" * 65, -1, None),
    ],
)
def test_an_rrn_is_a_number_where_it_is_one_and_a_fact_unless_it_is_long(rrn: Any, number: int, fact: Any) -> None:
    decoded = decode_payments([bare(rrn=rrn), bare(rrn="7")], NOW, IDENTITIES)
    assert decoded.rrn.tolist() == [number, 7]
    assert unpack(decoded.facts[0]).get("rrn") == fact


@pytest.mark.parametrize(
    ("text", "shown"), [("12345678", "5678"), ("1234567", "567"), ("12", "2"), ("1", ""), ("123456789:abc", ":abc")]
)
def test_at_most_half_of_a_concealed_value_is_shown(text: str, shown: str) -> None:
    (concealed,) = conceal([text], IDENTITIES.hash([text.encode()]))
    assert unpack(pack({"payer_account": [concealed]}, 1)[0])["payer_account"]["last4"] == shown


def test_facts_of_a_later_version_are_left_out() -> None:
    assert unpack(b'{"r":"1","zz":{"deep":[1]},"a":"bhim"}') == {"rrn": "1", "payer_app": "bhim"}


def test_facts_change_nothing_of_the_vector() -> None:
    """Those of version 1.1, that is: the older fields have features."""
    later = list(Payment.__struct_fields__)[Payment.__struct_fields__.index("remarks_hash") + 1 :]
    values = [(record(event_time=NOW + n), record(event_time=NOW + n, **dict.fromkeys(later))) for n in range(3)]
    (full, _), (without, _) = (
        history_vectors(decode_payments(side, NOW, IDENTITIES).payments) for side in zip(*values, strict=True)
    )
    np.testing.assert_array_equal(full, without)
    assert np.isfinite(full).any()


def test_two_vpas_of_one_account_share_windows_where_parties_are_accounts() -> None:
    values = [
        bare(transaction_id="T1", payer_vpa="asha@okaxis", payer_account="501000"),
        bare(transaction_id="T2", payer_vpa="asha.rao@ybl", payer_account="501000"),
        bare(transaction_id="T3", payer_vpa="asha@okaxis"),
    ]
    by_account = Identities(bytes(range(16)), by_account=True)
    one, other = (decode_payments(values, NOW, identities) for identities in (IDENTITIES, by_account))
    account, vpa = IDENTITIES.hash([b"501000", b"asha@okaxis"]).tolist()
    assert other.payments.payer.tolist() == [account, account, vpa]
    assert len(set(one.payments.payer.tolist())) == 2
    assert one.payments.payer.tolist()[0] == vpa
    assert other.payments.payee.tolist() == one.payments.payee.tolist(), "no payee has an account here"
    assert other.fingerprint.tolist() == one.fingerprint.tolist(), "what a duplicate is stays"
    assert by_account.fingerprint() != IDENTITIES.fingerprint()


def test_the_fingerprint_of_logs_kept_by_vpa_is_what_it_was() -> None:
    assert IDENTITIES.fingerprint() == IDENTITIES.hash([b"upi-fraud-stream identity key"]).tobytes().hex().encode()
