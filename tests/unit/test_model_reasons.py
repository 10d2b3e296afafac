"""Reasons: strongest first, true of the vector, and stable; one explained verdict is kept as a golden file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from features.schema import FEATURE_NAMES
from features.wording import PLAIN_WORDS, wording
from features.words.units import DAY
from features.words.windowed import parse_window
from model.reasons import Explainer, Reason

GOLDEN = Path(__file__).parent / "golden" / "model_reasons.json"

MULE = {
    # A young account that got Rs 98,000 and sends it on by night, from a device that others use, to a payee whom
    # many strangers paid today.
    "amount_paise": 9_500_000,
    "is_night": 1,
    "payer_count_5m": 6,
    "payer_sum_24h": 22_000_000,
    "payer_sum_30d": 31_000_000,
    "payer_count_30d": 20,
    "payer_distinct_payee_1h": 5,
    "payer_seconds_since_first": 20 * DAY,
    "payer_seconds_since_last": 14 * DAY,
    "payer_amount_ratio_mean_30d": 7.6,
    "payer_amount_z_30d": 5.25,
    "payer_payee_count_30d": 1,
    "payer_inbound_sum_1h": 9_800_000,
    "payer_pass_through_ratio_1h": 0.97,
    "payer_speed_kmh": 2_412.3,
    "payee_count_1h": 31,
    "payee_count_30d": 40,
    "payee_distinct_payer_24h": 37,
    "payee_seconds_since_first": 2 * DAY,
    "payee_fraud_rate_30d": 0.125,
    "device_distinct_payer_24h": 4,
    "device_seconds_since_first": 5_400,
    "payer_new_device": 1,
    "sim_age_seconds": 10_800,
}
MISSING = ("payer_payee_seconds_since_last", "device_age_seconds")


@dataclass(frozen=True)
class Known:
    """What an explainer needs of an artifact."""

    feature_names: tuple[str, ...]
    usual: tuple[float | None, ...]


USUAL = dict.fromkeys(MULE, 1.0) | {
    "amount_paise": 34_000.0,
    "payer_seconds_since_last": 5 * 3_600.0,
    "payee_seconds_since_first": 400 * DAY,
    "device_seconds_since_first": 300 * DAY,
    "sim_age_seconds": 700 * DAY,
    "is_night": 0.0,
    "payer_new_device": 0.0,
    "payee_fraud_rate_30d": 0.0,
    "payer_inbound_sum_1h": 0.0,
    "payer_amount_ratio_mean_30d": 0.6,
    "payer_amount_z_30d": -0.3,
    "payer_speed_kmh": 4.0,
    "payee_distinct_payer_24h": 3.0,
}


def explain(values: dict[str, float], shares: dict[str, float], limit: int | None = None) -> tuple[Reason, ...]:
    """Explain a vector of the features in `shares` and those in `values`; a feature without a value is missing."""
    names = (*shares, *(name for name in values if name not in shares))
    explainer = Explainer(Known(names, tuple(USUAL.get(name) for name in names)))
    vector = np.array([values.get(name, np.nan) for name in names], dtype=np.float32)
    return explainer.reasons(vector, np.array([shares.get(name, 0.0) for name in names]), limit)


def one(name: str, value: float, **beside: float) -> Reason:
    """Explain one feature alone."""
    return explain({name: value, **beside}, {name: 1.0}, limit=1)[0]


def test_an_explained_verdict_is_as_it_was() -> None:
    """Golden file: codes and texts are read by programs and people; change them on purpose."""
    shares = {name: 2.0 - 0.07 * index for index, name in enumerate((*MULE, *MISSING))}
    reasons = [asdict(reason) for reason in explain(MULE, shares)]
    for reason in reasons:
        reason["usual"] = None if reason["usual"] is None else round(reason["usual"], 6)
        reason["contribution"] = round(reason["contribution"], 6)
    assert reasons == json.loads(GOLDEN.read_text()), f"if this is meant, write {json.dumps(reasons)} to {GOLDEN}"


def test_strongest_first_and_only_what_speaks_for_fraud() -> None:
    shares = {"is_night": -1.0, "amount_paise": 0.5, "payer_count_5m": 2.0, "payer_new_device": 0.5, "is_p2m": 0.0}
    values = dict.fromkeys(shares, 1.0)
    limited = explain(values, shares, limit=4)
    assert [reason.feature for reason in limited] == ["payer_count_5m", "amount_paise", "payer_new_device"]
    every = explain(values, shares)
    assert [reason.contribution for reason in every] == [2.0, 0.5, 0.5, 0.0, -1.0]
    assert every[:3] == limited


def test_every_feature_of_the_program_has_words_for_every_value() -> None:
    """No placeholder is left, and each text is one sentence."""
    names = tuple(FEATURE_NAMES)
    explainer = Explainer(Known(names, (1.5,) * len(names)))
    for value in (np.nan, 0.0, 1.0, 2.0, 3e9):
        for reason in explainer.reasons(np.full(len(names), value, np.float32), np.ones(len(names))):
            assert reason.text.endswith("."), reason
            assert "{" not in reason.text, reason
            assert "nan" not in reason.text.lower(), reason
            assert reason.code.replace("_", "").isalpha() or reason.feature not in PLAIN_WORDS, reason
            assert reason.code == reason.code.upper()
            assert (reason.value is None) == bool(np.isnan(value))


def test_every_feature_of_the_program_is_known_by_name() -> None:
    """A new feature without words falls back to its name; that should be seen here."""
    assert [name for name in FEATURE_NAMES if name not in PLAIN_WORDS and parse_window(name) is None] == []


def test_the_payers_own_usual_amount_leaves_this_payment_out() -> None:
    reason = one("amount_paise", 9_500_000, payer_amount_ratio_mean_30d=7.6, payer_mean_30d=1e9)
    assert reason.usual == pytest.approx(1_250_000, rel=1e-6)
    assert reason.text == "The amount is Rs 95,000; usual for this payer is Rs 12,500."
    assert reason.code == "AMOUNT_ABOVE_USUAL"


def test_a_payers_usual_count_is_scaled_to_the_window() -> None:
    reason = one("payer_count_24h", 12, payer_count_30d=60, payer_seconds_since_first=400 * DAY)
    assert reason.usual == pytest.approx(2.0)
    assert reason.text == "The payer made 12 payments within 24 hours; usual for this payer is 2 payments."


def test_a_young_payers_usual_count_is_scaled_to_his_age() -> None:
    assert one("payer_count_24h", 12, payer_count_30d=60, payer_seconds_since_first=10 * DAY).usual == pytest.approx(6)


def test_somebody_younger_than_the_window_has_no_usual_of_his_own() -> None:
    reason = one("payer_count_5m", 6, payer_count_30d=6, payer_seconds_since_first=200)
    assert reason.usual == 1.0
    assert reason.text == "The payer made 6 payments within 5 minutes; usual for genuine payments is 1 payment."


def test_where_nothing_is_known_to_be_usual_the_sentence_ends() -> None:
    reason = one("payer_count_7d", 6)
    assert reason.usual is None
    assert reason.text == "The payer made 6 payments within 7 days."


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("payer_payee_seconds_since_last", np.nan, "NEW_PAYEE"),
        ("payer_payee_seconds_since_last", 9.0, "KNOWN_PAYEE"),
        ("payer_payee_count_30d", 1.0, "NEW_PAYEE"),
        ("payer_payee_count_30d", 2.0, "KNOWN_PAYEE"),
        ("payee_distinct_payer_24h", 37.0, "PAYEE_FAN_IN"),
        ("payer_pass_through_ratio_1h", 0.97, "PASS_THROUGH"),
        ("payer_seconds_since_last", 1e8, "DORMANT"),
        ("payer_seconds_since_last", 2.0, "RAPID_PAYMENTS"),
        ("payer_seconds_since_last", np.nan, "FIRST_PAYMENT"),
        ("device_distinct_payer_24h", 4.0, "DEVICE_SHARED"),
        ("device_distinct_payer_24h", 1.0, "DEVICE_NOT_SHARED"),
        ("is_night", 1.0, "NIGHT"),
        ("is_night", 0.0, "DAYTIME"),
        ("payer_speed_kmh", 2400.0, "IMPOSSIBLE_TRAVEL"),
        ("payer_speed_kmh", 60.0, "TRAVEL"),
        ("payee_fraud_rate_30d", 0.01, "KNOWN_FRAUD_PAYEE"),
        ("payee_fraud_rate_30d", 0.0, "NO_KNOWN_FRAUD_PAYEE"),
        ("payee_fraud_rate_30d", np.nan, "PAYEE_FRAUD_UNKNOWN"),
        ("payee_fraud_count_24h", 2.0, "KNOWN_FRAUD_PAYEE"),
        ("payee_report_fraud_share_7d", 0.0, "NO_KNOWN_FRAUD_PAYEE"),
        ("payee_report_fraud_share_7d", np.nan, "NO_REPORT_PAYEE"),
        ("payee_fraud_streak", 3.0, "FRAUD_STREAK_PAYEE"),
        ("payee_fraud_streak", 0.0, "NO_FRAUD_STREAK_PAYEE"),
        ("payee_seconds_since_fraud_report", np.nan, "NO_KNOWN_FRAUD_PAYEE"),
        ("payer_max_ratio_24h", 40.0, "HIGH_LARGEST_AMOUNT"),
        ("payer_mean_ratio_7d", 0.5, "LOW_MEAN_AMOUNT"),
        ("payer_mean_ratio_7d", np.nan, "NO_HISTORY"),
        ("payer_new_payee_24h", 5.0, "MANY_NEW_PAYEES"),
        ("amount_roundness", 7.0, "ROUND_AMOUNT"),
        ("amount_roundness", -1.0, "UNEVEN_AMOUNT"),
        ("payer_payee_count_1h", 2.0, "REPEATED_PAYMENT"),
        ("payer_payee_amount_ratio", np.nan, "NEW_PAYEE"),
        ("payee_income_share_7d", 0.9, "MAIN_PAYER_OF_PAYEE"),
        ("sim_age_seconds", 60.0, "RECENT_SIM_CHANGE"),
        ("payer_count_5m", 6.0, "MANY_PAYMENTS_SHORT_TIME"),
        ("payer_count_5m", 1.0, "FEW_PAYMENTS"),
        ("payer_count_7d", 60.0, "MANY_PAYMENTS"),
        ("payer_distinct_payee_1h", 5.0, "MANY_PAYEES_SHORT_TIME"),
    ],
)
def test_codes_follow_the_value(name: str, value: float, code: str) -> None:
    assert one(name, value).code == code


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("payee_fraud_count_7d", 3.0, "Payments to this payee that were confirmed as fraud within 7 days: 3."),
        ("payee_report_fraud_share_24h", 0.75,
         "Of what was reported on payments to this payee within 24 hours, 75 % is fraud."),
        ("payee_fraud_streak", 2.0, "Frauds reported in a row on payments to this payee: 2."),
        ("payer_mean_ratio_7d", 9.0, "The payer's mean within 7 days is 9 times the payer's mean of 30 days."),
        ("amount_roundness", 4.0, "The amount is a multiple of Rs 500."),
        ("amount_roundness", 0.0, "The amount is no multiple of Rs 10."),
        ("payer_payee_count_24h", 3.0, "The payer made 3 payments to this payee within 24 hours, this one included."),
        ("payee_income_share_7d", 1.0, "100 % of what the payee received within 7 days is from this payer."),
    ],
)  # fmt: skip
def test_sentences_say_what_was_found(name: str, value: float, text: str) -> None:
    assert one(name, value).text == text


def test_a_feature_of_somebody_elses_model_is_named_as_it_is() -> None:
    reason = one("mcc risk/v2", 0.314159)
    assert reason == Reason("mcc risk/v2", "MCC_RISK_V2", pytest.approx(0.314159), None, 1.0, "mcc risk/v2 is 0.31.")
    assert wording("merchant_sum_3d").high.code == "MERCHANT_SUM_HIGH"
    assert one("merchant_sum_3d", 100_000.0).text == "The merchant paid Rs 1,000 within 3 days."
