"""Frauds are shaped as their names claim, and no single column tells them from honest payments."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulator import codes
from simulator.fraud import (
    device_takeover,
    dormant_payee,
    impersonation,
    merchant_collusion,
    mule_fan_in,
    qr_phishing,
    screen_share,
    test_then_large,
)
from simulator.fraud.campaigns import TYPOLOGIES
from simulator.honest.stories import HonestStories
from simulator.legs import UNGIVEN, USUAL, Leg
from simulator.parameters import Parameters
from simulator.parties import FRESH_PERSON
from simulator.payments import Payments
from simulator.population import settle
from simulator.randomness import Dice, generator
from simulator.span import HISTORY_END_MS
from simulator.story import FRAUD_DAYS, HONEST_ACCOUNTS, HONEST_DAYS, Cast
from simulator.switch import Switch
from simulator.timeline import DAY_MS, HOUR_MS, day_start

POPULATION = settle(Parameters(seed=6, payers=3_000))
HOUR = HOUR_MS
DAY = 20_400


def campaigns(tell: object, count: int = 60) -> list[list[Leg]]:
    """Tell so many campaigns of one typology, each beginning on another day."""
    told = []
    for number in range(count):
        cast = Cast(POPULATION, Dice(generator(99, number)), DAY + number, FRAUD_DAYS, opened=HONEST_ACCOUNTS)
        told.append(tell(cast))  # type: ignore[operator]
    return told


def known_to(person: int) -> set[int]:
    return set(POPULATION.people.contacts[person].tolist())


@cache
def fortnights() -> Payments:
    switch = Switch(Parameters(seed=8, payers=5_000, fraud_rate=0.006))
    return Payments.joined(list(switch.payments(HISTORY_END_MS - 28 * DAY_MS, HISTORY_END_MS)))


@pytest.mark.parametrize("typology", TYPOLOGIES, ids=lambda typology: codes.TYPOLOGIES[typology.code])
def test_campaigns_have_the_number_of_payments_that_the_rate_is_computed_with(typology: object) -> None:
    told = campaigns(typology.tell, 300)  # type: ignore[attr-defined]
    assert np.mean([len(legs) for legs in told]) == pytest.approx(typology.legs, rel=0.15)  # type: ignore[attr-defined]


@pytest.mark.parametrize("typology", TYPOLOGIES, ids=lambda typology: codes.TYPOLOGIES[typology.code])
def test_campaigns_begin_on_their_day_and_end_within_the_horizon(typology: object) -> None:
    for number, legs in enumerate(campaigns(typology.tell)):  # type: ignore[attr-defined]
        times = [leg.event_time for leg in legs]
        assert min(times) >= day_start(DAY + number)
        assert max(times) < day_start(DAY + number + FRAUD_DAYS)
        assert all(100 <= leg.amount_paise <= 20_000_000 for leg in legs)


def test_honest_stories_end_within_theirs() -> None:
    stories = HonestStories(POPULATION, 400_000.0)
    for day in range(DAY, DAY + 6):
        times = [leg.event_time for leg in stories.day(day)]
        assert len(times) > 1_000
        assert day_start(day) <= min(times)
        assert max(times) < day_start(day + HONEST_DAYS)


def test_impersonation_escalates_to_people_never_paid_before() -> None:
    growing = 0
    for legs in campaigns(impersonation.tell):
        assert len({leg.payer for leg in legs}) == 1
        amounts = [leg.amount_paise for leg in legs]
        growing += amounts == sorted(amounts) and amounts[-1] >= 2 * amounts[0]
        assert not {leg.payee for leg in legs} & known_to(legs[0].payer)
        assert all(leg.flow == codes.P2P and leg.type == codes.PAY for leg in legs)
        assert all(leg.device == USUAL and leg.sim_changed_at == USUAL for leg in legs), "the victim's own device"
    assert growing > 50


def test_a_mule_takes_in_from_many_and_passes_on_within_the_hour() -> None:
    for legs in campaigns(mule_fan_in.tell):
        (mule,) = {leg.payee for leg in legs} & {leg.payer for leg in legs}
        taken = [leg for leg in legs if leg.payee == mule]
        passed = [leg for leg in legs if leg.payer == mule]
        assert len({leg.payer for leg in taken}) >= 3
        received = sum(leg.amount_paise for leg in taken if leg.status == codes.SUCCESS)
        assert 0.7 * received < sum(leg.amount_paise for leg in passed) < 1.1 * received
        for leg in passed:
            before = [one.event_time for one in taken if one.event_time <= leg.event_time]
            assert any(leg.event_time - at <= HOUR for at in before)


def test_victims_pay_a_mule_that_has_just_paid_out_and_honest_people_are_paid_who_pay_too() -> None:
    """What a payee did as a payer tells frauds only if both kinds of payee pay."""
    after = 0
    for legs in campaigns(mule_fan_in.tell):
        (mule,) = {leg.payee for leg in legs} & {leg.payer for leg in legs}
        passed = [leg.event_time for leg in legs if leg.payer == mule]
        after += sum(any(0 < leg.event_time - at <= HOUR for at in passed) for leg in legs if leg.payee == mule)
    assert after > 60, "one a campaign and more"
    payments = fortnights()
    honest = payments.typology == codes.HONEST
    pay_too = np.isin(payments.payee[honest], payments.payer)
    assert 0.2 < pay_too.mean() < 0.5


def test_a_takeover_follows_a_sim_change_on_a_device_just_bound() -> None:
    for legs in campaigns(device_takeover.tell):
        assert len({leg.device for leg in legs}) == 1
        assert legs[0].device != USUAL
        for leg in legs:
            assert leg.sim_changed_at < leg.device_bound_at < leg.event_time
            assert leg.event_time - leg.device_bound_at < 4 * HOUR
            assert leg.event_time - leg.sim_changed_at < DAY_MS


def test_a_false_qr_code_collects_from_many() -> None:
    for legs in campaigns(qr_phishing.tell):
        assert len({leg.payee for leg in legs}) == 1
        assert all(leg.initiation == codes.QR for leg in legs)
        assert len({leg.payer for leg in legs}) >= 4


def test_a_small_test_comes_before_the_large_payment_to_the_same_payee() -> None:
    for legs in campaigns(test_then_large.tell):
        assert len({(leg.payer, leg.payee) for leg in legs}) == 1
        assert legs[0].amount_paise <= 1_000
        assert all(leg.amount_paise >= 50_000 for leg in legs[1:])
        assert legs[-1].event_time - legs[0].event_time <= HOUR


def test_screen_share_is_a_burst_from_the_victims_own_device() -> None:
    for legs in campaigns(screen_share.tell):
        assert len({leg.payer for leg in legs}) == 1
        assert 3 <= len(legs) <= 7
        assert legs[-1].event_time - legs[0].event_time < 2 * HOUR
        assert all(leg.device == USUAL for leg in legs)


def test_a_dormant_payee_hardly_moves_before_it_wakes() -> None:
    payments = fortnights()
    woken = payments.typology == codes.DORMANT_PAYEE
    assert woken.any()
    for payee in np.unique(payments.payee[woken]):
        first = payments.event_time[woken & (payments.payee == payee)].min()
        before = (payments.payee == payee) & (payments.event_time < first) & ~woken
        assert before.sum() < 8
        assert not ((payments.payer == payee) & ~woken).any()
    for legs in campaigns(dormant_payee.tell):
        assert len({leg.payee for leg in legs}) == 1
        assert len({leg.payer for leg in legs}) >= 3


def test_collusion_repeats_payers_at_a_real_shop() -> None:
    people = len(POPULATION.people)
    for legs in campaigns(merchant_collusion.tell):
        (shop,) = {leg.payee for leg in legs}
        assert people <= shop < people + len(POPULATION.merchants)
        assert len({leg.payer for leg in legs}) <= 6
        assert len(legs) >= 8


def test_every_typology_and_every_look_alike_occurs_and_is_labelled() -> None:
    payments = fortnights()
    assert set(payments.typology.tolist()) == set(range(len(codes.TYPOLOGIES)))
    assert set(payments.lookalike.tolist()) == set(range(len(codes.LOOKALIKES)))
    fraud = payments.typology > 0
    assert (payments.lookalike[fraud] == 0).all()
    assert ((payments.campaign > 0) == fraud).all()
    assert (payments.reported_at[~fraud] == UNGIVEN).all()
    reported = payments.reported_at != UNGIVEN
    assert (payments.reported_at[reported] > payments.event_time[reported]).all()


def test_most_of_the_loss_is_authorised_push_payment() -> None:
    payments = fortnights()
    loss = np.bincount(payments.typology, weights=payments.amount_paise / 100)[1:]
    assert loss[codes.IMPERSONATION - 1] > 0.4 * loss.sum()
    assert loss[codes.IMPERSONATION - 1] == loss.max()


def test_honest_people_open_no_account_that_a_fraud_uses() -> None:
    payments = fortnights()
    fresh = payments.payee >= FRESH_PERSON
    fraud = payments.typology > 0
    assert (fresh & ~fraud).sum() > (fresh & fraud).sum(), "a new payee alone says nothing"
    assert not set(payments.payee[fresh & fraud].tolist()) & set(payments.payee[fresh & ~fraud].tolist())


def columns() -> dict[str, np.ndarray]:
    payments = fortnights()
    known = payments.device_bound_at != UNGIVEN
    age = np.where(known, payments.event_time - payments.device_bound_at, 10 * 365 * DAY_MS)
    sim = payments.sim_changed_at != UNGIVEN
    sim_age = np.where(sim, payments.event_time - payments.sim_changed_at, 10 * 365 * DAY_MS)
    return {
        "amount": payments.amount_paise.astype(float),
        "small amount": -payments.amount_paise.astype(float),
        "new device": -age.astype(float),
        "new SIM": -sim_age.astype(float),
        "new payee": (payments.payee >= FRESH_PERSON).astype(float),
        "night": -np.abs((payments.event_time + 19_800_000) / HOUR_MS % 24 - 2.0),
    }


@pytest.mark.parametrize("name", list(columns()))
def test_no_threshold_on_one_column_separates_frauds(name: str) -> None:
    """Whatever the threshold, what it catches is mostly honest or it misses most frauds: F1 stays low."""
    values = columns()[name]
    fraud = (fortnights().typology > 0)[np.argsort(-values, kind="stable")]
    caught = np.cumsum(fraud)
    precision, recall = caught / np.arange(1, len(fraud) + 1), caught / fraud.sum()
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert best < 0.35


def test_every_typology_overlaps_with_honest_amounts() -> None:
    payments = fortnights()
    honest = payments.amount_paise[payments.typology == 0]
    for typology in range(1, len(codes.TYPOLOGIES)):
        median = np.median(payments.amount_paise[payments.typology == typology])
        assert (honest >= median).sum() > 5 * (payments.typology == typology).sum()
