"""Ordinary life: one hour of payments that are part of no story, all drawn at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulator import codes
from simulator.amounts import between_people, in_shops
from simulator.legs import Legs
from simulator.parties import newcomers
from simulator.places import centre
from simulator.population import shops_for
from simulator.randomness import exp, generator, hashed, key_for
from simulator.reference import CITIES
from simulator.timeline import HOUR_MS, HOURS, busyness, cell_start, spending

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.population import Population

SESSIONS: Final = 0.09
"""Share of payments that begin a round of errands."""
ERRANDS: Final = 1.7
"""Mean number of further payments in such a round."""
DECLINES: Final = 0.045
RETRIES: Final = 0.5
"""Share of declined payments that are tried again within minutes."""
MULTIPLE: Final = (1 + SESSIONS * ERRANDS) * (1 + DECLINES * RETRIES)
"""Payments that come of one, errands and retries included."""

_LOG_MEDIAN_P2P: Final = 10.54
"""Logarithm of the median payment between people, in paise: Rs 378."""
_P2P_SPREAD: Final = 1.55
_REGULAR: Final = 0.72
"""Share of payments to merchants that go to a favourite."""
_KNOWN: Final = 0.86
"""Share of payments to people that go to a contact."""


class OrdinaryLife:
    """Draws the ordinary payments of any hour; the same population, rate and hour give the same payments."""

    def __init__(self, population: Population, payments_a_day: float) -> None:
        self._population = population
        self._a_day = payments_a_day / MULTIPLE

    def hour(self, cell: int) -> Legs:
        """Return one hour's legs, not sorted by time."""
        day, hour = divmod(cell, 24)
        rng = generator(self._population.key, 41, cell)
        payer, offset = self._payers(rng, busyness(day), hour)
        people = self._population.people
        count = len(payer)
        place, away = self._places(payer, day)

        to_shop = rng.random(count) < people.merchant_share[payer]
        regular = rng.random(count) < np.where(to_shop, _REGULAR, _KNOWN)
        which = self._population.favourite.draw(rng.random(count))
        normal = rng.standard_normal(count)
        luck = rng.random(count)
        payee = np.empty(count, dtype=np.int64)
        paise = np.empty(count, dtype=np.float64)

        shops, persons = np.flatnonzero(to_shop), np.flatnonzero(~to_shop)
        city = np.where(away[shops] >= 0, away[shops], people.city[payer[shops]])
        shop = shops_for(self._population.merchants, city, rng)
        shop = np.where(regular[shops], people.favourites[payer[shops], which[shops]], shop)
        payee[shops] = shop + len(people)
        merchants = self._population.merchants
        paise[shops] = (
            merchants.log_paise[shop] + merchants.spread[shop] * normal[shops] + 0.5 * people.level[payer[shops]]
        )

        payee[persons] = self._person_paid(payer[persons], which[persons], regular[persons], day, hour, rng)
        relation = people.relation[payer[persons], which[persons]].astype(np.float64)
        stranger = rng.standard_normal(len(persons))
        paise[persons] = (
            _LOG_MEDIAN_P2P
            + _P2P_SPREAD * normal[persons]
            + people.level[payer[persons]]
            + np.where(regular[persons], relation, stranger)
        )
        paise = exp(np.minimum(paise, 20.0)) * spending(day)
        online = np.zeros(count, dtype=np.bool_)
        online[shops] = merchants.online[shop]
        amount = np.where(to_shop, in_shops(paise, luck, online), between_people(paise, luck))

        kind = _kinds(to_shop, online, regular, rng)
        start = cell_start(cell)
        legs = Legs.usual(
            event_time=start + (offset * HOUR_MS).astype(np.int64),
            payer=payer,
            payee=payee,
            amount_paise=amount,
            kind=kind,
            place=place,
        )
        return _with_retries(legs, start, rng)

    def _payers(
        self, rng: np.random.Generator, busy: float, hour: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Draw who pays in this hour, errands included, and when, as shares of the hour."""
        drawn = []
        for curve, (members, lottery, share) in zip(HOURS, self._population.rise, strict=True):
            count = int(rng.poisson(self._a_day * share * busy * float(curve[hour])))
            drawn.append(members[lottery.draw(rng.random(count))])
        payer = np.concatenate(drawn)
        offset = rng.random(len(payer))
        further = np.where(rng.random(len(payer)) < SESSIONS, rng.poisson(ERRANDS, len(payer)), 0)
        first = np.repeat(np.arange(len(payer)), further)
        gap = rng.random(len(first)) * 0.35  # within 21 minutes of the first; past the hour's end, from its beginning
        return np.concatenate((payer, payer[first])), np.concatenate((offset, (offset[first] + gap) % 1.0))

    def _places(
        self, payer: NDArray[np.int64], day: int
    ) -> tuple[tuple[NDArray[np.int32], NDArray[np.int32]], NDArray[np.int64]]:
        """Return where each payer is, and the city of those who travel (-1: at home)."""
        people = self._population.people
        trip = hashed(key_for(self._population.key, 42, day // 4), payer)  # four days at a time
        travels = (trip % np.uint64(1000)) < np.uint64(30)
        there = (trip >> np.uint64(32)) % np.uint64(min(len(CITIES), int(people.city.max()) + 1))
        away = np.where(travels, there.astype(np.int64), -1)
        latitude, longitude = people.latitude[payer].copy(), people.longitude[payer].copy()
        latitude[travels], longitude[travels] = centre(away[travels])
        return (latitude, longitude), away

    def _person_paid(  # the columns of one draw
        self,
        payer: NDArray[np.int64],
        which: NDArray[np.int64],
        known: NDArray[np.bool_],
        day: int,
        hour: int,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Draw a contact, else somebody from the same city, else somebody who has just opened an account."""
        people = self._population.people
        count = len(payer)
        luck, near = rng.random(count), rng.random(count)
        new = newcomers(day, hour, np.arange(count, dtype=np.int64))
        stranger = self._population.neighbours.draw(people.city[payer], near)
        stranger = np.where(stranger == payer, people.contacts[payer, 0], stranger)
        sleeper = len(people) - 1 - (near * people.sleepers).astype(np.int64)
        found = np.where(luck < 0.62, stranger, new)
        # Now and then somebody sends a little to an account that hardly moves, so that it is known but dormant.
        found = np.where(luck > 0.996, sleeper, found)
        return np.where(known, people.contacts[payer, which], found)


def _kinds(
    to_shop: NDArray[np.bool_], online: NDArray[np.bool_], known: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw flow, type, initiation and status, such as go together."""
    count = len(to_shop)
    luck = rng.random(count)
    # Only merchants may ask for money: collect between people ended in October 2025.
    collect = online & (rng.random(count) < 0.12)
    initiation = np.select(
        [collect, online, to_shop, known],
        [
            np.full(count, codes.VPA),
            np.where(luck < 0.78, codes.INTENT, np.where(luck < 0.88, codes.MANDATE, codes.VPA)),
            np.where(luck < 0.93, codes.QR, codes.VPA),
            np.where(luck < 0.72, codes.CONTACT, np.where(luck < 0.84, codes.QR, codes.VPA)),
        ],
        np.where(
            luck < 0.40, codes.QR, np.where(luck < 0.72, codes.CONTACT, np.where(luck < 0.9, codes.VPA, codes.ACCOUNT))
        ),
    )
    fate = rng.random(count)
    status = np.full(count, codes.SUCCESS)
    status[fate < DECLINES] = codes.DECLINED
    status[fate > 0.985] = codes.INITIATED
    status[fate > 0.997] = codes.REVERSED
    return (
        np.where(to_shop, codes.P2M, codes.P2P).astype(np.uint8),
        np.where(collect, codes.COLLECT, codes.PAY).astype(np.uint8),
        initiation.astype(np.uint8),
        status.astype(np.uint8),
    )


def _with_retries(legs: Legs, start: int, rng: np.random.Generator) -> Legs:
    """Add the second tries of declined payments, within the hour."""
    declined = np.flatnonzero((legs.status == codes.DECLINED) & (rng.random(len(legs)) < RETRIES))
    again = legs.take(declined)
    later = again.event_time + rng.integers(12_000, 150_000, len(declined))
    again.event_time[:] = np.minimum(later, start + HOUR_MS - 1)
    again.status[:] = np.where(rng.random(len(declined)) < 0.8, codes.SUCCESS, codes.DECLINED)
    return legs.join(again)
