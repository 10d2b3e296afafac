"""Payee accounts are used again over days, reports come late or never, and without them all is as it was before."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulator import codes
from simulator.fraud import reused_payee
from simulator.fraud.campaigns import Fraudsters, Reusers
from simulator.legs import UNGIVEN, Leg
from simulator.outcomes import outcomes_of
from simulator.parameters import Parameters
from simulator.payments import Payments
from simulator.population import settle
from simulator.span import HISTORY_END_MS
from simulator.switch import Switch
from simulator.timeline import DAY_MS, day_start

POPULATION = settle(Parameters(seed=6, payers=3_000))
DAY = 20_400
DAYS_TOLD = 400


@cache
def accounts() -> dict[int, list[Leg]]:
    """Return the payments to each account whose use began on one of many days, by day and payee."""
    teller = Reusers(POPULATION, 99, 30.0)
    told: dict[int, list[Leg]] = {}
    for day in range(DAY, DAY + DAYS_TOLD):
        for leg in teller.day(day):
            told.setdefault(day << 48 | leg.payee, []).append(leg)
    return told


def everything() -> list[Leg]:
    return [leg for legs in accounts().values() for leg in legs]


def test_an_account_is_used_by_several_campaigns_over_three_to_fourteen_days() -> None:
    spans, campaigns = [], []
    for legs in accounts().values():
        times = [leg.event_time for leg in legs]
        spans.append((max(times) - min(times)) / DAY_MS)
        campaigns.append(len({leg.campaign for leg in legs}))
        assert len({leg.payer for leg in legs}) >= 2, "victims of different campaigns are different people"
    assert min(spans) > 1.3, "from the evening of the first day to the morning of the third"
    assert 10 < max(spans) < 14.6
    assert min(campaigns) >= 3
    assert np.mean(campaigns) == pytest.approx(5.0, abs=0.3)


def test_payments_are_as_many_as_the_rate_is_computed_with() -> None:
    assert len(everything()) / DAYS_TOLD == pytest.approx(30.0, rel=0.05)
    assert np.mean([len(legs) for legs in accounts().values()]) == pytest.approx(reused_payee.LEGS, rel=0.05)


def test_accounts_begin_on_their_day_and_end_within_the_horizon() -> None:
    for key, legs in accounts().items():
        day = key >> 48
        for leg in legs:
            assert day_start(day) <= leg.event_time < day_start(day + reused_payee.DAYS)
            assert 1_000 <= leg.amount_paise <= 10_000_000
            assert leg.typology == codes.REUSED_PAYEE


def test_reports_come_after_one_to_five_days_and_some_never() -> None:
    legs = everything()
    delays = np.array([(leg.reported_at - leg.event_time) / DAY_MS for leg in legs if leg.reported_at != UNGIVEN])
    assert delays.min() >= 1
    assert delays.max() <= 5
    assert delays.mean() == pytest.approx(3.0, abs=0.1)
    assert len(delays) / len(legs) == pytest.approx(reused_payee.REPORTED, abs=0.02)


def test_most_payments_come_before_the_first_report_or_after_it() -> None:
    """Both must be there: frauds that reports can tell of, and frauds that come before anybody knows."""
    after = []
    for legs in accounts().values():
        first = min((leg.reported_at for leg in legs if leg.reported_at != UNGIVEN), default=2**62)
        after += [leg.event_time > first for leg in legs]
    assert 0.35 < np.mean(after) < 0.75


def test_accounts_are_of_people_newcomers_and_shops() -> None:
    people, shops = len(POPULATION.people), len(POPULATION.merchants)
    payees = np.array([key & ((1 << 48) - 1) for key in accounts()])
    assert np.mean(payees < people) == pytest.approx(0.55, abs=0.05)
    assert np.mean(payees >= 1 << 40) == pytest.approx(0.25, abs=0.05)
    assert np.mean((payees >= people) & (payees < people + shops)) == pytest.approx(0.20, abs=0.05)


def test_campaigns_of_reused_payees_have_numbers_of_their_own() -> None:
    numbers = {leg.campaign for leg in everything()}
    others = {leg.campaign for day in range(DAY, DAY + 30) for leg in Fraudsters(POPULATION, 99, 300.0).day(day)}
    assert not numbers & others


def made(**parameters: float) -> Payments:
    switch = Switch(Parameters(seed=8, payers=2_000, fraud_rate=0.01, **parameters))  # type: ignore[arg-type]
    return Payments.joined(list(switch.payments(HISTORY_END_MS - 20 * DAY_MS, HISTORY_END_MS)))


def payments_as_made(payments: Payments, rows: np.ndarray) -> set[tuple[int, ...]]:
    columns = ("event_time", "payer", "payee", "amount_paise", "typology", "campaign", "reported_at")
    return set(zip(*(getattr(payments, column)[rows].tolist() for column in columns), strict=True))


def test_honest_payments_stay_and_campaigns_of_other_frauds_stay_or_are_left_out() -> None:
    before, now = made(reused_payees=0.0), made()
    assert not (before.typology == codes.REUSED_PAYEE).any()
    assert payments_as_made(before, before.typology == codes.HONEST) == payments_as_made(
        now, now.typology == codes.HONEST
    )
    others = (now.typology != codes.HONEST) & (now.typology != codes.REUSED_PAYEE)
    kept, all_of_them = payments_as_made(now, others), payments_as_made(before, before.typology != codes.HONEST)
    assert kept < all_of_them
    assert len(kept) / len(all_of_them) == pytest.approx(0.85, abs=0.05)
    left_out = all_of_them - kept
    assert not {one[5] for one in kept} & {one[5] for one in left_out}, "a campaign goes whole or stays whole"
    assert (now.typology > 0).mean() == pytest.approx((before.typology > 0).mean(), rel=0.15)


def test_the_share_of_reused_payees_is_the_one_that_was_set() -> None:
    for share in (0.15, 1.0):
        payments = made(reused_payees=share)
        frauds = payments.typology[payments.typology > 0]
        assert (frauds == codes.REUSED_PAYEE).mean() == pytest.approx(share, abs=0.05)


def test_their_outcomes_name_the_typology() -> None:
    payments = made(reused_payees=1.0)
    outcomes = outcomes_of(payments, 1, 0.0)
    named = outcomes.typology[outcomes.outcome == codes.FRAUD]
    assert set(named.tolist()) == {0, codes.REUSED_PAYEE}
    assert codes.TYPOLOGIES[codes.REUSED_PAYEE] == "reused_payee"
