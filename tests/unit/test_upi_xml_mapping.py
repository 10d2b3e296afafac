"""Every name of UPI's messages that we read becomes the field it should, and what is not certain is unknown."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from upifraud.upi_xml import values
from upifraud.upi_xml.element import Message
from upifraud.upi_xml.mapping import Mapped, answered, mapped
from upifraud.upi_xml.reader import read

TXN = 'id="T1" ts="2026-01-25T10:30:00+05:30" type="PAY"'
PAYEE = '<Payee addr="b@upi"><Amount value="10.00"/></Payee>'


def request(txn: str = TXN, payer: str = "", payees: str = PAYEE, in_txn: str = "", attributes: str = "") -> str:
    return (
        f'<ReqPay><Head ts="2026-01-25T10:30:09+05:30"/><Txn {txn}>{in_txn}</Txn>'
        f'<Payer addr="a@upi" {attributes}>{payer}</Payer><Payees>{payees}</Payees></ReqPay>'
    )


def read_one(text: str, unknown: Counter[str] | None = None) -> Mapped:
    (one,) = read(io.BytesIO(text.encode()))
    assert isinstance(one, Message)
    return mapped(one.root, Counter() if unknown is None else unknown)


def payment(text: str) -> dict[str, object]:
    (one,) = read_one(text).payments
    return one


@pytest.mark.parametrize(
    ("rupees", "paise"),
    [
        ("1243.00", 124300), ("1243", 124300), ("0.01", 1), ("50.5", 5050), ("000010.10", 1010),
        ("1152921504.99", 115292150499), ("0.29", 29), ("4.35", 435),
        ("1.005", None), ("1.000", None), ("1,243.00", None), ("-1", None), ("+1", None), ("1e3", None), ("", None),
        ("1.", None), (".5", None), ("NaN", None), ("\N{DEVANAGARI DIGIT ONE}", None), ("9" * 13, None),
    ],
)  # fmt: skip
def test_rupees_are_paise_to_the_last_one_or_refused(rupees, paise):
    assert values.paise(rupees) == paise


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("19.04,72.87", (19.04, 72.87)), ("19.04:72.87", (19.04, 72.87)), ("-33.9, 18.4", (-33.9, 18.4)),
        ("0,0", None), ("0.0:0.00", None), ("0,72.87", (0.0, 72.87)),
        ("91,0", None), ("19,181", None), ("19.04", None), ("19.04,72.87,5", None), ("N19,E72", None), ("nan,1", None),
    ],
)  # fmt: skip
def test_a_geocode_is_a_place_where_it_says_one(text, place):
    assert values.place(text) == place


@pytest.mark.parametrize(
    ("read_value", "text", "value"),
    [
        (values.rrn, "602517014630", "602517014630"), (values.rrn, "60251701463", None),
        (values.mobile, "917700900123", "917700900123"), (values.mobile, "+917700900123", "917700900123"),
        (values.mobile, "9505XXXX98", None), (values.mobile, "12345", None),
        (values.account, "193701507010", "193701507010"), (values.account, "XXXXXX7010", None),
        (values.account, "******7010", None), (values.account, "AX1937", "AX1937"), (values.account, "9" * 60, None),
        (values.ifsc, "icic0001937", "ICIC0001937"), (values.ifsc, "ICIC001937", None),
        (values.score, "00030", 30), (values.score, "100", 100), (values.score, "00995", None),
        (values.score, "LOW", None), (values.score, "12.5", 12.5), (values.mcc, "4121", "4121"),
        (values.mcc, "41", None),
    ],
)  # fmt: skip
def test_optional_values_are_read_or_unknown(read_value, text, value):
    assert read_value(text) == value


def test_several_payees_become_payments_of_their_own():
    made = read_one(request(payees=PAYEE + '<Payee addr="c@upi"><Amount value="0.50"/></Payee>'))
    assert [(one["transaction_id"], one["payee_vpa"], one["amount_paise"]) for one in made.payments] == [
        ("T1#1", "b@upi", 1000),
        ("T1#2", "c@upi", 50),
    ]
    assert not made.refusals


def test_one_of_several_payees_is_refused_alone():
    made = read_one(request(payees=PAYEE + '<Payee addr="c@upi"/>' + PAYEE.replace("10.00", "1.000")))
    assert [one["transaction_id"] for one in made.payments] == ["T1#1"]
    assert made.refusals == [
        ("missing-field", "payee 2: Amount value: expected rupees"),
        ("wrong-type", "payee 3: Amount value: expected rupees with at most two decimals"),
    ]


def test_a_single_payee_without_an_amount_gets_that_of_the_payer():
    made = request(payees='<Payee addr="b@upi"/>', payer='<Amount value="7.00" curr="INR"/>')
    assert payment(made)["amount_paise"] == 700


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (request(txn='ts="2026-01-25T10:30:00+05:30"'), "missing-field"),
        (request(payees=""), "missing-field"),
        (request(payees='<Payee addr="b@upi"/>'), "missing-field"),
        (request(payees=PAYEE.replace("10.00", "10.005")), "wrong-type"),
        (request(payees=PAYEE.replace("/></", ' curr="USD"/></')), "out-of-range"),
    ],
)
def test_what_a_payment_must_have_is_refused_without_it(text, reason):
    made = read_one(text)
    assert not made.payments
    assert [refused for refused, _ in made.refusals] == [reason]


def test_the_time_is_the_transactions_and_only_a_request_has_another():
    assert payment(request())["event_time"] == "2026-01-25T10:30:00+05:30"
    assert payment(request(txn='id="T1"'))["event_time"] == "2026-01-25T10:30:09+05:30"


@pytest.mark.parametrize(("kind", "type_"), [("PAY", "PAY"), ("collect", "COLLECT"), ("DEBIT", None), ("REFUND", None)])
def test_the_type_is_that_of_the_payment(kind, type_):
    assert payment(request(txn=TXN.replace("PAY", kind))).get("type") == type_


def test_messages_that_are_no_payments_are_passed_over():
    assert read_one(request(txn=TXN.replace("PAY", "REVERSAL"))).passed == "ReqPay REVERSAL"


def test_a_refund_names_what_it_gives_back():
    assert payment(request(txn=f'{TXN} orgTxnId="T0"'))["original_transaction_id"] == "T0"


@pytest.mark.parametrize(
    ("mode", "initiation"), [("01", "QR"), ("04", "INTENT"), ("11", "MANDATE"), ("00", None), ("12", None)]
)
def test_the_mode_is_kept_and_named_where_we_have_a_name(mode, initiation):
    made = payment(request(txn=f'{TXN} initiationMode="{mode}"'))
    assert (made["initiation_mode"], made.get("initiation")) == (mode, initiation)


def test_a_person_has_no_merchant_category():
    person = payment(request(payees=PAYEE.replace("addr", 'type="PERSON" code="0000" addr')))
    shop = payment(request(payees=PAYEE.replace("addr", 'type="ENTITY" code="5411" addr')))
    assert (person["flow"], person.get("mcc")) == ("P2P", None)
    assert (shop["flow"], shop["mcc"]) == ("P2M", "5411")


def test_an_account_is_unknown_without_ac_unless_the_identity_is_one():
    assert "payer_account" not in payment(request())
    identity = '<Info><Identity type="{}" id="058010100083492"/></Info>'
    assert payment(request(payer=identity.format("ACCOUNT")))["payer_account"] == "058010100083492"
    assert "payer_account" not in payment(request(payer=identity.format("PAN")))


@pytest.mark.parametrize(
    ("branch", "number", "account"),
    [
        ("HDFC0000123", "50100123456789", "HDFC:50100123456789"),
        ("hdfc0000999", "50100123456789", "HDFC:50100123456789"),
        ("UTIB0000123", "50100123456789", "UTIB:50100123456789"),
        ("", "50100123456789", "50100123456789"),
        ("HDFC0000123", "XXXXXX6789", None),
        ("HDFC0000123", "9" * 59, f"HDFC:{'9' * 59}"),
    ],
)
def test_the_same_number_of_two_banks_is_two_accounts_and_of_two_branches_one(branch, number, account):
    ac = f'<Ac><Detail name="ACNUM" value="{number}"/><Detail name="IFSC" value="{branch}"/></Ac>'
    made = payment(request(payer=ac, payees=PAYEE.replace("></Payee>", f">{ac}</Payee>")))
    assert (made.get("payer_account"), made.get("payee_account")) == (account, account)
    assert len(account or "") <= 64, "the most that a payment may have"


def test_what_cannot_be_read_is_counted_by_field_and_costs_nothing():
    unknown: Counter[str] = Counter()
    bad = (
        '<Device><Tag name="GEOCODE" value="here"/><Tag name="MOBILE" value="95XX"/></Device>'
        '<Ac><Detail name="ACNUM" value="XXXX1"/><Detail name="IFSC" value="?"/></Ac>'
    )
    scores = '<RiskScores><Score provider="p" type="T" value="995"/></RiskScores>'
    text = request(f'{TXN} custRef="1"', bad, PAYEE.replace("addr", 'code="x" addr'), scores)
    assert read_one(text, unknown).payments[0].keys() == {
        "transaction_id", "payer_vpa", "payee_vpa", "amount_paise", "event_time", "type",
    }  # fmt: skip
    assert unknown == dict.fromkeys(
        ("rrn", "latitude, longitude", "payer_mobile", "payer_account", "payer_ifsc", "mcc", "external_scores"), 1
    )


def test_no_more_than_eight_scores_are_kept():
    unknown: Counter[str] = Counter()
    scores = "".join(f'<Score provider="p{n}" type="TXNRISK" value="{n}"/>' for n in range(10))
    kept = read_one(request(in_txn=f"<RiskScores>{scores}</RiskScores>"), unknown).payments[0]["external_scores"]
    assert [one["value"] for one in kept] == list(range(8))
    assert unknown == {"external_scores": 2}


def test_equal_remarks_have_equal_hashes_and_no_remarks_have_none():
    first, second, third = (
        payment(request(txn=f'{TXN} note="{note}"')).get("remarks_hash") for note in ("Rent  May", "rent may", " ")
    )
    assert first == second != "Rent  May"
    assert third is None


RESPONSE = (
    '<RespPay><Txn {txn}/><Resp {resp}><Ref type="PAYER" addr="a@upi"/>'
    '<Ref type="PAYEE" addr="b@upi" settAmount="10.00"/></Resp></RespPay>'
)


@pytest.mark.parametrize(
    ("resp", "status", "code"),
    [
        ('result="SUCCESS" errCode=""', "SUCCESS", "00"),
        ('result="FAILURE" errCode="U30"', "DECLINED", "U30"),
        ('result="DEEMED" errCode="RB"', None, "RB"),
        ('result="PARTIAL"', None, None),
    ],
)
def test_a_response_says_status_and_code_and_is_a_payment_where_it_is_whole(resp, status, code):
    made = read_one(RESPONSE.format(txn=TXN, resp=resp))
    (one,) = made.payments
    assert made.response is not None
    said = answered(one, made.response)
    assert (said.get("status"), said.get("response_code")) == (status, code)
    assert (said["payer_vpa"], said["payee_vpa"], said["amount_paise"]) == ("a@upi", "b@upi", 1000)


def test_a_response_without_parties_needs_its_request():
    made = read_one(f'<RespPay><Txn {TXN}/><Resp result="SUCCESS"/></RespPay>')
    assert [reason for reason, _ in made.refusals] == ["missing-field"]
