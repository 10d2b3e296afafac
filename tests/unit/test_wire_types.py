"""The bytes that go out are the same for the same content, always."""

from __future__ import annotations

import json
import uuid

import msgspec
import pytest

from stream import wire
from stream.wire import Alert, DeadLetterHeaders, Reason, RejectionReason

ALERT = Alert(
    alert_id=wire.alert_id("T1"),
    transaction_id="T1",
    event_time=wire.utc_time(1_764_000_000_120),
    decided_at=wire.utc_time(1_764_000_001_000),
    verdict="HOLD",
    score=0.1,
    margin=-1.25,
    base_value=-4.0,
    reasons=(
        Reason(
            feature="payer_count_5m", code="R1", value=7.0, usual=None, contribution=2.75, text="Seven: viele Grüße"
        ),
        Reason(feature="amount_paise", code="R2", value=None, usual=1e-7, contribution=-0.0, text='"\\'),
    ),
    payer_vpa="asha@okaxis",
    payee_vpa="shop@ybl",
    amount_paise=10**10,
    feature_state="LATE",
    model_id="m1",
    schema_hash="0123abcd",
)
GOLDEN = (
    '{"alert_id":"%s","transaction_id":"T1","event_time":"2025-11-24T16:00:00.120Z",'
    '"decided_at":"2025-11-24T16:00:01.000Z","verdict":"HOLD","score":0.1,"margin":-1.25,"base_value":-4.0,"reasons":['
    '{"feature":"payer_count_5m","code":"R1","value":7.0,"usual":null,"contribution":2.75,"text":"Seven: viele Grüße"},'
    '{"feature":"amount_paise","code":"R2","value":null,"usual":1e-7,"contribution":-0.0,"text":"\\"\\\\"}],'
    '"payer_vpa":"asha@okaxis","payee_vpa":"shop@ybl","amount_paise":10000000000,"feature_state":"LATE",'
    '"model_id":"m1","schema_hash":"0123abcd"}'
)


def test_an_alert_has_the_same_bytes_in_every_version() -> None:
    """An alert sent again after an upgrade must be identical."""
    assert wire.encode_alert(ALERT).decode() == GOLDEN % ALERT.alert_id
    assert wire.decode_alert(wire.encode_alert(ALERT)) == ALERT


def test_an_alert_of_today_has_these_bytes() -> None:
    """What was stored by this version must be the same in the next."""
    today = msgspec.structs.replace(
        ALERT,
        policy_id=None,
        risk_score=83,
        hold_until=wire.utc_time(1_764_003_601_000),
        decision=wire.Decision(verdict="HOLD", model=wire.ModelDecision(verdict="HOLD", threshold=0.05)),
        reasons=(Reason(feature="amount_paise", code="R2", contribution=0.5),),
    )
    head, tail = GOLDEN.split("[{", maxsplit=1)[0], GOLDEN.split("}],")[1].removesuffix("}")
    assert wire.encode_alert(today).decode() == head % ALERT.alert_id + (
        '[{"feature":"amount_paise","code":"R2","contribution":0.5}],' + tail + ',"policy_id":null,"risk_score":83,'
        '"hold_until":"2025-11-24T17:00:01.000Z","decision":{"verdict":"HOLD",'
        '"model":{"verdict":"HOLD","threshold":0.05},"rules":[],"lists":[],"external":[]}}'
    )
    assert wire.decode_alert(wire.encode_alert(today)) == today


def test_a_resolution_has_these_bytes() -> None:
    ended = wire.Resolution(
        transaction_id="T1",
        event_time=wire.utc_time(1_764_000_000_120),
        action="REJECT",
        cause="EXPIRY",
        by=None,
        at=wire.utc_time(1_764_003_601_000),
        reason=None,
    )
    assert wire.encode_resolution(ended) == (
        b'{"transaction_id":"T1","event_time":"2025-11-24T16:00:00.120Z","action":"REJECT","cause":"EXPIRY",'
        b'"by":null,"at":"2025-11-24T17:00:01.000Z","reason":null}'
    )
    assert wire.decode_resolution(wire.encode_resolution(ended)) == ended


def test_alert_ids_are_pure_and_distinct() -> None:
    assert wire.alert_id("T1") == "f784a53d-98b2-5c3f-8a25-532cc46d3dbe"
    ids = {wire.alert_id(text) for text in ("T1", "t1", "T1 ", "é", "")}
    assert len(ids) == 5
    assert {uuid.UUID(text).version for text in ids} == {5}


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_764_000_000_007, "2025-11-24T16:00:00.007Z"),
        (wire.LAST_TIME_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_always_have_milliseconds(epoch_ms: int, text: str) -> None:
    assert wire.utc_time(epoch_ms) == text


def test_every_reason_of_the_contract_is_there() -> None:
    assert {*RejectionReason} == {
        "not-json", "not-an-object", "missing-field", "wrong-type", "out-of-range", "bad-vpa", "bad-time",
        "time-in-future", "conflicting-duplicate", "null-value", "too-large",
    }  # fmt: skip


def test_headers_are_named_as_in_the_contract() -> None:
    assert DeadLetterHeaders.__struct_encode_fields__ == (
        "reason", "detail", "source-topic", "source-partition", "source-offset", "value-omitted",
    )  # fmt: skip


def test_a_missing_value_is_null_and_never_zero() -> None:
    reason = json.loads(wire.encode_alert(ALERT))["reasons"][1]
    assert reason["value"] is None
