"""Who there is: VPAs, devices, merchants."""

from __future__ import annotations

import re

import numpy as np

from simulator.devices import device_at, sim_at
from simulator.parameters import Parameters
from simulator.parties import FRESH_PERSON, FRESH_SHOP, Directory, newcomers, story_account
from simulator.population import settle
from simulator.timeline import DAY_MS

POPULATION = settle(Parameters(seed=3, payers=6_000))
NOW = 1_767_205_800_000


def test_every_party_has_a_vpa_of_its_own() -> None:
    directory = Directory(POPULATION)
    settled = np.arange(len(POPULATION.people) + len(POPULATION.merchants), dtype=np.int64)
    day = NOW // DAY_MS
    stories = np.array([story_account(day + d, n) for d in range(3) for n in range(2_000)], dtype=np.int64)
    fresh = np.concatenate([newcomers(day, hour, np.arange(500, dtype=np.int64)) for hour in range(24)])
    parties = np.concatenate((settled, FRESH_PERSON + stories, FRESH_SHOP + stories, fresh))
    vpas = directory.vpas(parties)
    assert len(set(vpas)) == len(vpas) == len(parties)


def test_vpas_look_like_vpas() -> None:
    directory = Directory(POPULATION)
    parties = np.append(
        np.arange(2_000, dtype=np.int64), [FRESH_PERSON + 77, FRESH_SHOP + 77, len(POPULATION.people) + 3]
    )
    for vpa in directory.vpas(parties):
        assert re.fullmatch(rb"[a-z0-9.\-]{3,60}@[a-z]{3,12}", vpa)


def test_every_bank_of_an_account_is_known() -> None:
    directory = Directory(POPULATION)
    banks = directory.banks(np.array([0, 5, len(POPULATION.people), FRESH_PERSON + 5, FRESH_SHOP + 9], dtype=np.int64))
    assert (banks > 0).all()


def test_some_people_share_a_device_and_most_do_not() -> None:
    people = np.arange(len(POPULATION.people), dtype=np.int64)
    device, _ = device_at(POPULATION, people, np.full(len(people), NOW))
    _, owners = np.unique(device, return_counts=True)
    assert 0.03 < (owners > 1).mean() < 0.10
    assert owners.max() <= 8


def test_who_shares_a_device_lives_together() -> None:
    owner = POPULATION.people.device_owner
    guests = np.flatnonzero(owner != np.arange(len(owner)))
    assert len(guests)
    assert (POPULATION.people.city[guests] == POPULATION.people.city[owner[guests]]).mean() > 0.98


def test_a_device_is_bound_before_it_is_used_and_changes_at_that_moment() -> None:
    people = np.arange(len(POPULATION.people), dtype=np.int64)
    device, bound_at = device_at(POPULATION, people, np.full(len(people), NOW))
    assert (bound_at <= NOW).all()
    same, bound_again = device_at(POPULATION, people, bound_at)
    other, _ = device_at(POPULATION, people, bound_at - 1)
    assert (same == device).all()
    assert (bound_again == bound_at).all()
    assert (other != device).all()


def test_sims_change_now_and_then() -> None:
    people = np.arange(len(POPULATION.people), dtype=np.int64)
    changed_at = sim_at(POPULATION, people, np.full(len(people), NOW))
    assert (changed_at <= NOW).all()
    assert 0.005 < (changed_at > NOW - 30 * DAY_MS).mean() < 0.10


def test_merchants_are_in_every_city_and_online() -> None:
    merchants = POPULATION.merchants
    cities = int(POPULATION.people.city.max()) + 1
    assert set(merchants.city.tolist()) >= set(range(cities))
    assert 0.1 < merchants.online_share < 0.6
    assert (merchants.city[merchants.online] == -1).all()


def test_the_smallest_population_can_be_settled() -> None:
    smallest = settle(Parameters(seed=0, payers=50))
    assert len(smallest.people) == 50
    assert len(smallest.merchants) == 40
