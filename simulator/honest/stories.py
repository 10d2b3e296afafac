"""Which honest stories begin on a day, and how many of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from simulator import codes
from simulator.honest.gatherings import split_bill, trader, wedding
from simulator.honest.recurring import bills, rents
from simulator.honest.strangers import large_first, test_first
from simulator.honest.surges import emergency, flash_sale, new_phones
from simulator.randomness import Dice, generator
from simulator.story import HONEST_DAYS, Cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.legs import Leg
    from simulator.population import Population

STORY_SHARE: Final = 0.024
"""Share of all payments that are part of an honest story."""


class Kind(NamedTuple):
    """A kind of story, and how many of it begin for each payment that is made."""

    lookalike: int
    tell: Callable[[Cast], list[Leg]]
    rate: float


STORIES: Final = (
    Kind(codes.WEDDING, wedding, 0.5 / 50_000),
    Kind(codes.SPLIT_BILL, split_bill, 16 / 50_000),
    Kind(codes.FLASH_SALE, flash_sale, 0.5 / 50_000),
    Kind(codes.LARGE_FIRST, large_first, 95 / 50_000),
    Kind(codes.TEST_FIRST, test_first, 14 / 50_000),
    Kind(codes.EMERGENCY, emergency, 7 / 50_000),
    Kind(codes.TRADER, trader, 22 / 50_000),
)

CALENDAR: Final = (
    (codes.RENT, rents),
    (codes.BILL, bills),
    (codes.NEW_PHONE, new_phones),
)
"""Stories that are due on a certain day, whoever they befall."""


class HonestStories:
    """Tells the stories that begin on any day; the same population and rate give the same ones."""

    days = HONEST_DAYS

    def __init__(self, population: Population, payments_a_day: float) -> None:
        self._population = population
        self._a_day = payments_a_day

    def day(self, day: int) -> list[Leg]:
        """Return all payments of the stories that begin on this day."""
        cast = Cast(self._population, Dice(generator(self._population.key, 52, day)), day, self.days)
        legs: list[Leg] = []
        for code, tell in CALENDAR:
            legs += _marked(tell(cast), code)
        for kind in STORIES:
            for _ in range(cast.dice.arrivals(self._a_day * kind.rate)):
                legs += _marked(kind.tell(cast), kind.lookalike)
        return legs


def _marked(legs: list[Leg], lookalike: int) -> list[Leg]:
    """Return the legs with the name of their story, without those in which somebody would pay themselves."""
    return [leg._replace(lookalike=lookalike) for leg in legs if leg.payer != leg.payee]
