"""Campaigns: how many of each typology begin on a day, and when the victims report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from simulator import codes
from simulator.fraud import (
    device_takeover,
    dormant_payee,
    impersonation,
    merchant_collusion,
    mule_fan_in,
    qr_phishing,
    reused_payee,
    screen_share,
    test_then_large,
)
from simulator.randomness import Dice, generator
from simulator.story import FRAUD_DAYS, HONEST_ACCOUNTS, Cast, as_reported
from simulator.timeline import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.legs import Leg
    from simulator.population import Population

_CAMPAIGNS_A_DAY: Final = 100_000
_REUSERS_FROM: Final = 50_000
"""Of the numbers that campaigns and opened accounts of a day have, those from here on belong to reused payees."""
_LATEST_REPORT_MS: Final = 28 * DAY_MS


class Typology(NamedTuple):
    """A kind of fraud: its share of all fraudulent payments, and how it comes to light."""

    code: int
    tell: Callable[[Cast], list[Leg]]
    share: float
    legs: float
    """Mean number of payments of a campaign."""
    reported: float
    """Share of victims who ever report it."""
    delay_hours: float
    """Median time from a victim's last payment to the report."""


TYPOLOGIES: Final = (
    Typology(codes.IMPERSONATION, impersonation.tell, 0.27, 5.05, 0.85, 20.0),
    Typology(codes.MULE_FAN_IN, mule_fan_in.tell, 0.18, 11.9, 0.75, 40.0),
    Typology(codes.DEVICE_TAKEOVER, device_takeover.tell, 0.10, 4.9, 0.95, 7.0),
    Typology(codes.QR_PHISHING, qr_phishing.tell, 0.12, 10.5, 0.60, 30.0),
    Typology(codes.TEST_THEN_LARGE, test_then_large.tell, 0.06, 2.4, 0.85, 14.0),
    Typology(codes.SCREEN_SHARE, screen_share.tell, 0.11, 5.0, 0.90, 5.0),
    Typology(codes.DORMANT_PAYEE, dormant_payee.tell, 0.09, 8.0, 0.75, 48.0),
    Typology(codes.MERCHANT_COLLUSION, merchant_collusion.tell, 0.07, 15.0, 0.45, 150.0),
)


class Fraudsters:
    """Tells the campaigns that begin on any day; the same key, population and rate give the same ones.

    A share of them is left out, each as it is: what else there is stays as it was without that share.
    """

    days = FRAUD_DAYS

    def __init__(self, population: Population, key: int, fraudulent_a_day: float, left_out: float = 0.0) -> None:
        self._population = population
        self._key = key
        self._a_day = fraudulent_a_day
        self._left_out = left_out

    def day(self, day: int) -> list[Leg]:
        """Return all payments of the campaigns that begin on this day, with their labels and reports."""
        legs: list[Leg] = []
        number = 0
        cast = Cast(self._population, Dice(generator(self._key, 51, day)), day, self.days, opened=HONEST_ACCOUNTS)
        absent = Dice(generator(self._key, 55, day))
        for typology in TYPOLOGIES:
            for _ in range(cast.dice.arrivals(self._a_day * typology.share / typology.legs)):
                number += 1
                told = [leg for leg in typology.tell(cast) if leg.payer != leg.payee]
                labelled = [
                    leg._replace(typology=typology.code, campaign=day * _CAMPAIGNS_A_DAY + number) for leg in told
                ]
                reported = as_reported(labelled, _reports(cast.dice, typology, labelled))
                if not absent.chance(self._left_out):
                    legs += reported
        return legs


class Reusers:
    """Tells the campaigns of the payee accounts whose use begins on any day, `fraudulent_a_day` payments on average."""

    days = reused_payee.DAYS

    def __init__(self, population: Population, key: int, fraudulent_a_day: float) -> None:
        self._population = population
        self._key = key
        self._a_day = fraudulent_a_day

    def day(self, day: int) -> list[Leg]:
        """Return all payments to the accounts whose use begins on this day, with their labels and reports."""
        legs: list[Leg] = []
        number = day * _CAMPAIGNS_A_DAY + _REUSERS_FROM
        cast = Cast(self._population, Dice(generator(self._key, 54, day)), day, self.days, opened=_REUSERS_FROM)
        for _ in range(cast.dice.arrivals(self._a_day / reused_payee.LEGS)):
            for told in reused_payee.tell(cast):
                number += 1
                labelled = [
                    leg._replace(typology=codes.REUSED_PAYEE, campaign=number) for leg in told if leg.payer != leg.payee
                ]
                legs += reused_payee.reports(cast, labelled)
        return legs


def _reports(dice: Dice, typology: Typology, legs: list[Leg]) -> dict[int, int]:
    """Draw who reports, and when: hours to weeks after the last payment they know of, some never."""
    reports = {}
    for payer in dict.fromkeys(leg.payer for leg in legs):
        if dice.chance(typology.reported):
            last = max(leg.event_time for leg in legs if leg.payer == payer)
            delay = dice.around(typology.delay_hours * HOUR_MS, 1.0)
            reports[payer] = last + min(int(delay) + HOUR_MS // 4, _LATEST_REPORT_MS)
    return reports
