"""Large sums to somebody new, for good reasons: fees, deposits, second-hand goods, with or without a first test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import RUPEE, rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS
from simulator.timeline import HOUR_MS

if TYPE_CHECKING:
    from simulator.story import Cast

_FEES = ((8211, 19_000, 0.8), (8062, 16_000, 0.9), (4722, 11_000, 0.8), (5732, 17_000, 0.7), (5944, 22_000, 0.8))


def large_first(cast: Cast) -> list[Leg]:
    """Return a large first payment: school or hospital fees, a journey, a phone, or something second-hand."""
    dice = cast.dice
    payer = cast.active()
    at = cast.moment(9, 21)
    if dice.chance(0.45):
        mcc, median, spread = dice.pick(_FEES)
        how = dice.pick((codes.QR, codes.INTENT))
        return [
            Leg(at, payer, cast.shop(mcc), rounded(dice.around(median, spread), 10), flow=codes.P2M, initiation=how)
        ]
    payee = cast.newcomer() if dice.chance(0.6) else cast.anyone()
    how = dice.pick((codes.VPA, codes.QR, codes.CONTACT, codes.ACCOUNT))
    price = dice.around(8_500, 0.9) * max(cast.means(payer), 0.5)
    parts = dice.pick(((1.0,), (1.0,), (0.1, 0.9), (0.25, 0.75), (0.2, 0.3, 0.5)))
    legs = []
    for part in parts:
        legs.append(Leg(at, payer, payee, rounded(price * part, 100), initiation=how))
        at = cast.awake(at + int(dice.around(2 * HOUR_MS, 1.2)))
    return legs


def test_first(cast: Cast) -> list[Leg]:
    """Return one rupee to somebody new and, once it has arrived, the deposit or the month's rent."""
    dice = cast.dice
    payer = cast.active()
    payee = cast.newcomer() if dice.chance(0.6) else cast.anyone()
    how = dice.pick((codes.VPA, codes.ACCOUNT, codes.CONTACT))
    at = cast.moment(9, 22)
    legs = [Leg(at, payer, payee, dice.pick((1, 1, 1, 2, 5, 10)) * RUPEE, initiation=how)]
    at += int(dice.between(2, 40) * MINUTE_MS)
    legs.append(Leg(at, payer, payee, rounded(dice.around(13_000, 0.8), 500), initiation=how))
    return legs
