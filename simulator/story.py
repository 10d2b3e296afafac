"""Stories: payments that belong together, told one by one, for frauds and for what honestly resembles them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator import codes
from simulator.parties import FRESH_PERSON, FRESH_SHOP, story_account
from simulator.randomness import exp_one, mix_one
from simulator.timeline import DAY_MS, HOUR_MS, day_start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.legs import Leg
    from simulator.population import Population
    from simulator.randomness import Dice

MINUTE_MS: Final = 60_000
HONEST_ACCOUNTS: Final = 30_000
"""Of the accounts opened in stories on one day, those below this number belong to honest people."""

FRAUD_DAYS: Final = 12
HONEST_DAYS: Final = 4
"""No story goes on for longer: whoever asks for an hour has stories told from so many days before."""


class Cast:
    """Finds the people for the stories that begin on one day and last at most `days`."""

    def __init__(self, population: Population, dice: Dice, day: int, days: int, opened: int = 0) -> None:
        self.population = population
        self.people = population.people
        self.merchants = population.merchants
        self.dice = dice
        self.day = day
        self._end = day_start(day + days)
        self._opened = opened  # accounts of the day that somebody else has already given out

    def moment(self, first_hour: float, last_hour: float) -> int:
        """Return a time of this day between two hours of IST."""
        return day_start(self.day) + int(self.dice.between(first_hour, last_hour) * HOUR_MS)

    def awake(self, at: int) -> int:
        """Return the time, put off to the next morning if it falls into the night or beyond the horizon."""
        since_midnight = (at - day_start(self.day)) % DAY_MS
        if since_midnight < 7 * HOUR_MS:
            at += 7 * HOUR_MS - since_midnight + int(self.dice.between(0, 3 * HOUR_MS))
        return min(at, self._end - 1)

    def active(self) -> int:
        """Return somebody, the likelier the more often they pay."""
        return self.population.payers.draw_one(self.dice.roll())

    def anyone(self) -> int:
        """Return somebody who uses their account, however seldom."""
        return self.dice.whole(0, len(self.people) - self.people.sleepers - 1)

    def sleeper(self) -> int:
        """Return somebody who hardly uses their account."""
        return len(self.people) - 1 - self.dice.whole(0, self.people.sleepers - 1)

    def contact(self, person: int) -> int:
        """Return somebody this person pays again and again."""
        return int(self.people.contacts[person, self.population.favourite.draw_one(self.dice.roll())])

    def acquaintances(self, person: int, count: int) -> list[int]:
        """Return people around this person, without them, each once, at most `count`."""
        circle = [int(c) for c in self.people.contacts[person]]
        circle += [int(c) for contact in circle for c in self.people.contacts[contact]]
        distinct = [other for other in dict.fromkeys(circle) if other != person]
        start = self.dice.whole(0, max(0, len(distinct) - count))
        return distinct[start : start + count]

    def newcomer(self) -> int:
        """Return a person who has just opened an account."""
        return FRESH_PERSON + self._open()

    def new_shop(self) -> int:
        """Return a merchant account that has just been opened."""
        return FRESH_SHOP + self._open()

    def mule(self) -> int:
        """Return an account that passes money on: new, or recruited, or one of the few that a ring uses this week."""
        luck = self.dice.roll()
        if luck < 0.45:  # shares of the three kinds, named above
            return self.newcomer()
        if luck < 0.85:
            return self.anyone()
        return FRESH_PERSON + story_account(self.day // 7 * 7, 60_000 + self.dice.whole(0, self._ring_size()))

    def shop(self, mcc: int) -> int:
        """Return a merchant of a category, as a party."""
        return len(self.people) + int(self.dice.pick(self.merchants.of_mcc(mcc)))

    def means(self, person: int) -> float:
        """Return how large this person's payments are against the median person's."""
        return exp_one(float(self.people.level[person]))

    def strange_device(self) -> int:
        """Return a device that nobody has used before."""
        return mix_one((self.day << 40) ^ (self.dice.whole(0, (1 << 40) - 1) << 8)) | 1

    def _open(self) -> int:
        self._opened += 1
        return story_account(self.day, self._opened)

    def _ring_size(self) -> int:
        return max(2, len(self.people) // 2_000)


def as_reported(legs: Iterable[Leg], reports: dict[int, int]) -> list[Leg]:
    """Return the legs with the time at which each payer's complaint is filed, if it is."""
    return [leg._replace(reported_at=reports[leg.payer]) if leg.payer in reports else leg for leg in legs]


def fate(dice: Dice, declined: float) -> int:
    """Draw how a payment of a story ends."""
    return codes.DECLINED if dice.chance(declined) else codes.SUCCESS
