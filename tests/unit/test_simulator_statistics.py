"""The traffic has the proportions of UPI's: tickets, flows, rhythm, favourites; tolerances are of this one seed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulator import codes
from simulator.legs import UNGIVEN
from simulator.parameters import Parameters
from simulator.payments import Payments
from simulator.places import NOWHERE
from simulator.span import HISTORY_END_MS
from simulator.switch import Switch
from simulator.timeline import DAY_MS, IST_MS


@cache
def month() -> tuple[Switch, Payments]:
    """Thirty-one days of 4,000 payers: about 300,000 payments."""
    switch = Switch(Parameters(seed=1, payers=4_000))
    return switch, Payments.joined(list(switch.payments(HISTORY_END_MS - 31 * DAY_MS, HISTORY_END_MS)))


def rupees(payments: Payments, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    return payments.amount_paise[rows] / 100


@pytest.mark.slow
def test_the_mean_ticket_is_near_1243_rupees() -> None:
    _, payments = month()
    assert rupees(payments).mean() == pytest.approx(1_243, rel=0.06)


def test_payments_between_people_are_fewer_and_larger() -> None:
    _, payments = month()
    to_people, to_shops = payments.flow == codes.P2P, payments.flow == codes.P2M
    assert (to_people | to_shops).all()
    assert to_shops.mean() == pytest.approx(0.64, abs=0.03)
    assert rupees(payments, to_people).mean() == pytest.approx(2_450, rel=0.12)
    assert rupees(payments, to_shops).mean() == pytest.approx(580, rel=0.12)
    assert (rupees(payments, to_shops) <= 500).mean() == pytest.approx(0.83, abs=0.05)
    assert (rupees(payments, to_people) <= 500).mean() == pytest.approx(0.57, abs=0.05)


def test_the_population_pays_as_often_as_the_parameter_says() -> None:
    switch, payments = month()
    assert len(payments) / 31 == pytest.approx(switch.parameters.payments_a_day, rel=0.03)


def test_some_pay_many_times_as_often_as_others() -> None:
    _, payments = month()
    settled = payments.payer[payments.payer < 4_000]
    counts = np.sort(np.bincount(settled, minlength=4_000))
    assert counts[-40:].mean() > 5 * counts.mean()
    assert counts[: 4_000 // 4].mean() < 0.5 * counts.mean()


def test_there_is_a_day_and_a_night_and_a_weekend() -> None:
    _, payments = month()
    local = payments.event_time + IST_MS
    hours = np.bincount(local // 3_600_000 % 24, minlength=24)
    assert hours[19] > 20 * hours[3]
    assert 18 <= int(hours.argmax()) <= 20
    days, counts = np.unique(local // DAY_MS, return_counts=True)
    weekend = (days + 3) % 7 == 5
    assert counts[weekend].mean() > 1.03 * counts[~weekend].mean()


def test_merchants_have_a_heavy_tailed_share_of_the_traffic() -> None:
    switch, payments = month()
    people = len(switch.population.people)
    shops = payments.payee[(payments.payee >= people) & (payments.payee < people + len(switch.population.merchants))]
    counts = np.sort(np.bincount(shops - people))[::-1]
    assert counts[:10].sum() > 0.08 * counts.sum()
    assert counts[0] > 20 * np.median(counts)
    assert (counts > 0).sum() > 0.9 * len(switch.population.merchants)


def test_people_pay_the_same_ones_again_and_again_but_not_only() -> None:
    _, payments = month()
    pairs = np.unique(np.stack((payments.payer, payments.payee)), axis=1).shape[1]
    assert 0.2 < pairs / len(payments) < 0.6


def test_only_merchants_collect_and_initiation_goes_with_the_flow() -> None:
    _, payments = month()
    collects = payments.type == codes.COLLECT
    assert 0.005 < collects.mean() < 0.06
    assert (payments.flow[collects] == codes.P2M).all()
    for initiation, flow in ((codes.CONTACT, codes.P2P), (codes.ACCOUNT, codes.P2P), (codes.INTENT, codes.P2M)):
        rows = payments.initiation == initiation
        assert rows.any()
        assert (payments.flow[rows] == flow).all()
    assert (payments.initiation[collects] == codes.VPA).all()


def test_some_payments_are_declined_and_tried_again() -> None:
    _, payments = month()
    declined = payments.status == codes.DECLINED
    assert declined.mean() == pytest.approx(0.047, abs=0.01)
    assert {int(status) for status in payments.status} == {1, 2, 3, 4}


@pytest.mark.slow
def test_the_fraud_rate_is_the_one_that_was_set() -> None:
    for rate in (0.0, 0.02, 0.08):
        switch = Switch(Parameters(seed=4, payers=2_000, fraud_rate=rate))
        payments = Payments.joined(list(switch.payments(HISTORY_END_MS - 20 * DAY_MS, HISTORY_END_MS)))
        assert (payments.typology > 0).mean() == pytest.approx(rate, rel=0.2)


def test_optional_fields_are_sometimes_absent_and_mostly_there() -> None:
    _, payments = month()
    absent = {
        "rrn": (payments.rrn < 0).mean(),
        "device": (payments.device == 0).mean(),
        "device_bound_at": (payments.device_bound_at == UNGIVEN).mean(),
        "sim_changed_at": (payments.sim_changed_at == UNGIVEN).mean(),
        "mcc": (payments.mcc < 0).mean(),
        "latitude": (payments.latitude == NOWHERE).mean(),
        "app": (payments.app == 0).mean(),
        "payer_bank": (payments.payer_bank == 0).mean(),
        "remarks": (payments.remarks == 0).mean(),
    }
    assert all(0.01 < share < 0.85 for share in absent.values()), absent
    known = payments.device_bound_at != UNGIVEN
    assert (payments.device_bound_at[known] <= payments.event_time[known]).all()


def test_people_are_where_they_live_but_for_journeys() -> None:
    switch, payments = month()
    placed = payments.latitude != NOWHERE
    home = switch.population.people.latitude[payments.payer[placed]]
    far = np.abs(payments.latitude[placed] - home) > 3_000
    assert 0.002 < far.mean() < 0.06
