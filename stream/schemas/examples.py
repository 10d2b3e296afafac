"""One example of every message: it stands in the schemas and the documentation, and the tests send it through."""

from __future__ import annotations

from typing import Final

from stream.wire import (
    Alert,
    DeadLetterHeaders,
    Decision,
    ExternalScore,
    ModelDecision,
    Outcome,
    Payment,
    Reason,
    RejectionReason,
    Resolution,
    alert_id,
    utc_time,
)

PAYMENT: Final = Payment(
    transaction_id="AXB2f6d1c0e4b7a4d0f8b1e5c7a9d3f2b6e",
    event_time="2025-11-24T21:30:00.123+05:30",
    payer_vpa="asha.rao@okaxis",
    payee_vpa="krishna.stores@ybl",
    amount_paise=124_300,
    rrn="532818274655",
    flow="P2M",
    type="PAY",
    initiation="QR",
    status="SUCCESS",
    mcc="5411",
    device_id="9f1c2b7e55aa01d4",
    device_bound_at=1_735_669_800_000,
    sim_changed_at=None,
    payer_bank="UTIB",
    payee_bank="YESB",
    latitude=19.076,
    longitude=72.8777,
    payer_app="bhim",
    remarks_hash="5d41402abc4b2a76",
    payer_account="50100012345678",
    payee_account="002701559988",
    payer_mobile="+919820012345",
    payee_mobile="919811054321",
    payer_ifsc="UTIB0000373",
    payee_ifsc="YESB0000027",
    payer_type="PERSON",
    payee_type="ENTITY",
    account_type="SAVINGS",
    initiation_mode="01",
    purpose="00",
    ref_category="00",
    auth_type="PIN",
    response_code="00",
    original_transaction_id=None,
    mandate_id=None,
    merchant_id="KRISHNA0042",
    device_type="MOB",
    device_os="Android 15",
    ip="203.0.113.7",
    on_call=False,
    screen_shared=False,
    payee_added_at=1_763_900_000_000,
    payer_segment="SENIOR",
    external_scores=(ExternalScore(provider="NPCI", type="TXNRISK", value=12),),
)

OUTCOME: Final = Outcome(
    transaction_id=PAYMENT.transaction_id,
    outcome="FRAUD",
    reported_at="2025-11-26T10:12:00+05:30",
    typology="authorised-push-payment",
    source="case-system",
)

ALERT: Final = Alert(
    alert_id=alert_id(PAYMENT.transaction_id),
    transaction_id=PAYMENT.transaction_id,
    event_time=utc_time(1_764_000_000_123),
    decided_at=utc_time(1_764_000_000_142),
    verdict="HOLD",
    score=0.8731,
    margin=1.92,
    base_value=-6.41,
    reasons=(
        Reason(
            feature="payer_distinct_payee_1h",
            code="PAYER_FAN_OUT",
            value=7.0,
            usual=1.0,
            contribution=3.35,
            text="The payer paid 7 different payees within the hour; usual is 1.",
        ),
    ),
    payer_vpa="asha.rao@okaxis",
    payee_vpa="krishna.stores@ybl",
    amount_paise=124_300,
    feature_state="FULL",
    model_id="2025-11-20-a1b2c3",
    schema_hash="0123456789abcdef",
    policy_id=None,
    risk_score=83,
    hold_until=utc_time(1_764_003_600_142),
    decision=Decision(verdict="HOLD", model=ModelDecision(verdict="HOLD", threshold=0.62)),
)

RESOLUTION: Final = Resolution(
    transaction_id=PAYMENT.transaction_id,
    event_time=utc_time(1_764_000_000_123),
    action="RELEASE",
    cause="PERSON",
    by="asha.rao",
    at=utc_time(1_764_001_205_310),
    reason="Customer confirmed the payment by phone.",
)

DEAD_LETTER: Final = DeadLetterHeaders(
    reason=RejectionReason.BAD_VPA,
    detail="payer_vpa: expected 3 to 255 characters with exactly one @ and no white space",
    source_topic="transactions",
    source_partition="3",
    source_offset="1827364",
)
