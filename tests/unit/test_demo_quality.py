"""Verdicts held against the switch's truth, and what was sent against what was made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.span import HISTORY_END_MS
from simulator.switch import Switch
from stream.wire import Alert, Reason
from upifraud.demo.alert_feed import Alerts
from upifraud.demo.errors import PlanError
from upifraud.demo.plan import Plan
from upifraud.demo.quality import Part, quality_of
from upifraud.demo.reading import Reading
from upifraud.demo.summary import Account
from upifraud.demo.traffic import Fraud, Truth

FRAUDS = {
    "f0": Fraud(0, "impersonation"),
    "f1": Fraud(10, "impersonation"),
    "f2": Fraud(20, "mule_fan_in"),
    "f3": Fraud(90, "mule_fan_in"),
}


def test_every_verdict_counts_with_the_stricter_ones() -> None:
    flagged = {"f0": "BLOCK", "f1": "REVIEW", "honest": "REVIEW", "also honest": "HOLD"}
    quality = quality_of(FRAUDS, flagged, judged=100)
    assert quality.precision == {"REVIEW": Part(2, 4), "HOLD": Part(1, 2), "BLOCK": Part(1, 1)}
    assert quality.recall == {"REVIEW": Part(2, 4), "HOLD": Part(1, 4), "BLOCK": Part(1, 4)}
    assert quality.typologies == {"impersonation": Part(2, 2), "mule_fan_in": Part(0, 2)}


def test_a_fraud_that_waits_for_its_verdict_is_not_missed_yet() -> None:
    quality = quality_of(FRAUDS, {"f0": "BLOCK"}, judged=20)
    assert quality.recall["REVIEW"] == Part(1, 2)


def test_an_alert_that_came_before_its_count_is_a_hit() -> None:
    """Alerts and metrics are read one after the other."""
    quality = quality_of(FRAUDS, {"f2": "HOLD"}, judged=0)
    assert quality.precision["HOLD"] == Part(1, 1)
    assert quality.recall["HOLD"] == Part(1, 1)


def test_nothing_of_nothing_is_no_share() -> None:
    quality = quality_of({}, {}, judged=0)
    assert quality.precision["BLOCK"].share is None
    assert quality.recall["REVIEW"].share is None
    assert quality.precision_at("BLOCK", 0.01, 7e-6) is None


def test_precision_falls_with_the_share_of_frauds() -> None:
    """90 of 100 frauds and 10 of 9,900 honest payments flagged; at one in a million 0.9e-6 to 1.0101e-3."""
    frauds = {f"f{number}": Fraud(number, "qr_phishing") for number in range(100)}
    flagged = {f"f{number}": "BLOCK" for number in range(90)} | {f"h{number}": "BLOCK" for number in range(10)}
    quality = quality_of(frauds, flagged, judged=10_000)
    assert quality.precision["BLOCK"].share == pytest.approx(0.9)
    assert quality.precision_at("BLOCK", 0.01, 0.01) == pytest.approx(0.9)
    expected = 0.9e-6 / (0.9e-6 + 10 / 9_900 * (1 - 1e-6))
    assert quality.precision_at("BLOCK", 0.01, 1e-6) == pytest.approx(expected)


# The truth as the switch tells it ---------------------------------------------------------------------------------


def test_truth_keeps_every_fraud_with_its_place_in_the_order() -> None:
    switch = Switch(Plan(payers=300, seed=3).parameters)
    truth = Truth()
    hours = list(switch.payments(HISTORY_END_MS, HISTORY_END_MS + 48 * 3_600_000))
    for hour in hours:
        truth.note(hour)
    typology = np.concatenate([hour.typology for hour in hours])
    assert truth.payments == len(typology)
    assert sorted(fraud.number for fraud in truth.frauds().values()) == np.flatnonzero(typology).tolist()
    assert truth.frauds()


def test_the_simulated_time_follows_the_count() -> None:
    switch = Switch(Plan(payers=300, seed=3).parameters)
    truth = Truth()
    assert truth.time_of(1) is None
    hours = list(switch.payments(HISTORY_END_MS, HISTORY_END_MS + 6 * 3_600_000))
    for hour in hours:
        truth.note(hour)
    assert truth.time_of(1) == hours[0].event_time[-1]
    assert truth.time_of(len(hours[0]) + 1) == hours[1].event_time[-1]
    assert truth.time_of(10**9) == hours[-1].event_time[-1]


# Alerts -----------------------------------------------------------------------------------------------------------


def alert(transaction_id: str, event_time: str = "2026-01-02T00:00:00.000Z", verdict: str = "HOLD") -> Alert:
    return Alert(
        alert_id=f"alert of {transaction_id}",
        transaction_id=transaction_id,
        event_time=event_time,
        decided_at=event_time,
        verdict=verdict,
        score=0.5,
        margin=0.0,
        base_value=-5.0,
        reasons=(Reason(feature="f", code="F", value=1.0, usual=None, contribution=5.0, text="It is unusual."),),
        payer_vpa="a@ybl",
        payee_vpa="b@ybl",
        amount_paise=100,
        feature_state="FULL",
        model_id="m",
        schema_hash="s",
    )


def test_an_alert_that_is_delivered_again_counts_once() -> None:
    alerts = Alerts()
    for one in (alert("x"), alert("y"), alert("x")):
        alerts.take(one)
    assert len(alerts) == 2
    assert [one.transaction_id for one in alerts.newest()] == ["y", "x"]


def test_alerts_of_the_warm_up_are_left_out() -> None:
    alerts = Alerts()
    alerts.take(alert("before", "2026-01-01T23:59:59.999Z"))
    alerts.take(alert("after", "2026-01-02T00:00:00.000Z", "BLOCK"))
    assert alerts.since(1_767_312_000_000) == {"after": "BLOCK"}


# The account ------------------------------------------------------------------------------------------------------

ACCOUNT = Account(
    reading=Reading(9.0, verdicts={"ALLOW": 96, "BLOCK": 4}, duplicates=2, dead_letters={"not-json": 1}),
    warm_up_rate=None,
    played=None,
    payments=(60, 40),
    duplicates=2,
    rejected={"not-json": 1},
    alerts=4,
    end_to_end=None,
    stages=(),
    live_verdicts={},
    most_behind=0,
    quality=None,
    completed=True,
    first_verdict=None,
    exit_code=0,
)


def test_an_account_agrees_if_everything_sent_was_judged_once() -> None:
    assert ACCOUNT.differences() == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"payments": (60, 41)}, "verdicts: expected 101, got 100"),
        ({"duplicates": 3}, "duplicates recognised: expected 3, got 2"),
        ({"alerts": 3}, "alerts: expected 4, got 3"),
        ({"rejected": {"not-json": 2}}, "dead letters for not-json: expected 2, got 1"),
        ({"rejected": {"not-json": 1, "bad-vpa": 1}}, "dead letters for bad-vpa: expected 1, got 0"),
        ({"rejected": {}}, "dead letters for not-json: expected 0, got 1"),
    ],
)
def test_an_account_tells_every_difference(change: dict[str, object], difference: str) -> None:
    assert replace(ACCOUNT, **change).differences() == [difference]


def test_an_account_of_an_interrupted_demo_tells_none() -> None:
    assert replace(ACCOUNT, payments=(60, 50), completed=False).differences() == []


# Plans ------------------------------------------------------------------------------------------------------------

DAY_MS = 86_400_000


def test_a_seed_shows_the_same_payments_on_every_day() -> None:
    plan = Plan()
    assert plan.live_from(HISTORY_END_MS + 300 * DAY_MS) == plan.live_from(HISTORY_END_MS + 999 * DAY_MS)
    assert plan.span(HISTORY_END_MS + 300 * DAY_MS).start == HISTORY_END_MS - 30 * DAY_MS


@pytest.mark.parametrize("seconds", [30, 3_600])
def test_no_payment_is_ahead_of_the_clock(seconds: int) -> None:
    plan = Plan(seconds=seconds, payers=1_000)
    now = HISTORY_END_MS + 5 * DAY_MS
    last = plan.live_from(now) + plan.payments / plan.parameters.payments_a_day * DAY_MS
    assert last < now


def test_a_demo_of_centuries_is_refused() -> None:
    with pytest.raises(PlanError, match="Use more payers"):
        Plan(seconds=86_400, rate=10_000, payers=100)
