"""People and merchants with their habits: who pays whom, how often, how much, from which device and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.lotteries import GroupLottery, Lottery
from simulator.merchants import Merchants, open_shops
from simulator.places import scatter
from simulator.randomness import exp, generator
from simulator.reference import APPS, BANK_WEIGHTS, CITIES
from simulator.timeline import CHRONOTYPES, DAY_MS, HOUR_MS, IST_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.parameters import Parameters

FAVOURITES: Final = 8
"""How many merchants, and how many people, somebody pays again and again."""

FAVOURITE_WEIGHTS: Final = (0.30, 0.20, 0.14, 0.11, 0.09, 0.07, 0.05, 0.04)
_ACTIVITY_SPREAD: Final = 0.9
_MOST_ACTIVE: Final = 14.0
"""No one pays more often than this times the mean."""
_LEVEL_SPREAD: Final = 0.6
_RELATION_SPREAD: Final = 1.0
_SHARED_DEVICES: Final = 0.06
"""Share of people who pay from the device of somebody they live with."""


@dataclass(frozen=True, slots=True)
class People:
    """Everything about people that does not change, one element each. Times and periods are milliseconds."""

    city: NDArray[np.int64]
    latitude: NDArray[np.int32]
    longitude: NDArray[np.int32]
    bank: NDArray[np.uint8]
    app: NDArray[np.uint8]
    activity: NDArray[np.float64]
    """How often somebody pays, against the mean; 0 for sleepers."""
    merchant_share: NDArray[np.float64]
    """Share of somebody's payments that go to merchants."""
    level: NDArray[np.float64]
    """How large somebody's payments are: logarithm against the median person."""
    favourites: NDArray[np.int32]
    """FAVOURITES merchants each."""
    contacts: NDArray[np.int32]
    """FAVOURITES people each."""
    relation: NDArray[np.float32]
    """How large payments to each contact are: logarithm against the usual."""
    device_owner: NDArray[np.int64]
    device_period: NDArray[np.int64]
    device_offset: NDArray[np.int64]
    sim_period: NDArray[np.int64]
    sim_offset: NDArray[np.int64]
    popularity: NDArray[np.float64]
    """How often somebody is paid, against the median person."""
    sleepers: int
    """How many people, from the end, hardly use their accounts."""

    def __len__(self) -> int:
        return len(self.city)


@dataclass(frozen=True, slots=True)
class Population:
    """Who there is; a party is a person's index, or `len(people)` plus a merchant's, or a fresh one's (`parties`)."""

    key: int
    people: People
    merchants: Merchants
    payers: Lottery
    """Draws payers by how often they pay."""
    rise: tuple[tuple[NDArray[np.int64], Lottery, float], ...]
    """For each chronotype: its people, a lottery among them, and their share of all payments."""
    neighbours: GroupLottery
    """Draws people of a city by popularity."""
    favourite: Lottery
    """Draws which of the favourites is paid."""
    traders: tuple[int, ...]
    """Those who are paid so often that they must be selling something."""


def settle(parameters: Parameters) -> Population:
    """Make the population of these parameters; the same ones give the same population."""
    key = parameters.population_key
    # Small populations live in few cities, so that there are merchants and neighbours in each.
    city_weights = np.array([city.weight for city in CITIES[: max(1, min(len(CITIES), parameters.payers // 200))]])
    merchants = open_shops(key, parameters.merchants, city_weights)
    people, neighbours = _people(key, parameters.payers, city_weights, merchants)
    rng = generator(key, 3)
    chronotype = Lottery(np.array(CHRONOTYPES)).draw(rng.random(parameters.payers))
    chronotype[: len(CHRONOTYPES)] = np.arange(len(CHRONOTYPES))
    rise = []
    total = float(people.activity.sum())
    for kind in range(len(CHRONOTYPES)):
        members = np.flatnonzero(chronotype == kind).astype(np.int64)
        share = round(float(people.activity[members].sum()) / total, 9)
        rise.append((members, Lottery(people.activity[members]), share))
    return Population(
        key=key,
        people=people,
        merchants=merchants,
        payers=Lottery(people.activity),
        rise=tuple(rise),
        neighbours=neighbours,
        favourite=Lottery(np.array(FAVOURITE_WEIGHTS)),
        traders=tuple(np.argsort(-people.popularity, kind="stable")[: max(1, parameters.payers // 80)].tolist()),
    )


def _people(
    key: int, count: int, city_weights: NDArray[np.float64], merchants: Merchants
) -> tuple[People, GroupLottery]:
    rng = generator(key, 1)
    cities = len(city_weights)
    sleepers = max(2, count // 100)
    city = Lottery(city_weights).draw(rng.random(count))
    city[:cities] = np.arange(cities)
    latitude, longitude = scatter(rng, city)
    app = Lottery(np.array([app.weight for app in APPS])).draw(rng.random(count)).astype(np.uint8)
    bank = Lottery(np.array(BANK_WEIGHTS, dtype=np.float64)).draw(rng.random(count)).astype(np.uint8)
    activity = np.minimum(exp(_ACTIVITY_SPREAD * rng.standard_normal(count) - _ACTIVITY_SPREAD**2 / 2), _MOST_ACTIVE)
    activity[count - sleepers :] = 0.0

    device_owner = np.arange(count, dtype=np.int64)
    share = rng.random(count) < _SHARED_DEVICES
    share[: cities + 1] = False
    device_owner[share] -= 1  # with the neighbour before; a chain of three is a family with one phone
    device_owner = device_owner[device_owner]
    for place in (city, latitude, longitude):
        place[share] = place[device_owner[share]]
    device_period = rng.integers(240, 1_500, count) * DAY_MS
    device_offset = rng.integers(0, 1_500, count) * DAY_MS + _shop_hours(rng, count)
    sim_period = rng.integers(400, 3_000, count) * DAY_MS
    sim_offset = rng.integers(0, 3_000, count) * DAY_MS + _shop_hours(rng, count)
    together = rng.random(count) < 0.25  # a new SIM comes with the new phone, hours before it is set up
    sim_period[together] = device_period[together]
    sim_offset[together] = device_offset[together] - rng.integers(HOUR_MS // 4, 40 * HOUR_MS, int(together.sum()))

    popularity = exp(1.1 * rng.standard_normal(count))
    popularity[count - sleepers :] = 0.0
    neighbours = GroupLottery(city, popularity, cities)
    far = rng.random((count, FAVOURITES)) < 0.25
    towns = np.where(far, Lottery(city_weights).draw(rng.random(count * FAVOURITES)).reshape(far.shape), city[:, None])
    contacts = neighbours.draw(towns, rng.random(towns.shape))
    mine = contacts == np.arange(count)[:, None]
    contacts[mine] = (contacts[mine] + 1) % (count - sleepers)

    favourites = shops_for(merchants, np.repeat(city, FAVOURITES), rng).reshape(count, FAVOURITES)
    people = People(
        city=city,
        latitude=latitude,
        longitude=longitude,
        bank=bank,
        app=app,
        activity=activity,
        merchant_share=np.clip(0.655 + 0.16 * rng.standard_normal(count), 0.15, 0.97),
        level=_LEVEL_SPREAD * rng.standard_normal(count),
        favourites=favourites.astype(np.int32),
        contacts=contacts.astype(np.int32),
        relation=(_RELATION_SPREAD * rng.standard_normal((count, FAVOURITES))).astype(np.float32),
        device_owner=device_owner,
        device_period=device_period,
        device_offset=device_offset,
        sim_period=sim_period,
        sim_offset=sim_offset,
        popularity=popularity,
        sleepers=sleepers,
    )
    return people, neighbours


def shops_for(merchants: Merchants, city: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a merchant for somebody in each city: one nearby, or one that sells online."""
    online = rng.random(len(city)) < merchants.online_share
    shops = merchants.nearby.draw(city, rng.random(len(city)))
    anywhere = merchants.online_index[merchants.anywhere.draw(rng.random(len(city)))]
    return np.where(online, anywhere, shops)


def _shop_hours(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw times of day between 10:00 and 21:00 IST, as milliseconds past midnight UTC."""
    return rng.integers(10 * HOUR_MS, 21 * HOUR_MS, count) - IST_MS
