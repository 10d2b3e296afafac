"""A small test, then a large payment: one rupee shows that the account works, and the rest follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import RUPEE, rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS, fate

if TYPE_CHECKING:
    from simulator.story import Cast


def tell(cast: Cast) -> list[Leg]:
    """Return a payment of at most ten rupees to somebody new and, within the hour, one or two large ones to them."""
    dice = cast.dice
    victim = cast.active()
    payee = cast.mule()
    how = dice.pick((codes.VPA, codes.QR, codes.ACCOUNT))
    at = cast.moment(9, 23)
    legs = [Leg(at, victim, payee, dice.pick((1, 1, 2, 5, 10)) * RUPEE, initiation=how)]
    for _ in range(2 if dice.chance(0.4) else 1):
        at += int(dice.between(2, 28) * MINUTE_MS)
        large = rounded(dice.around(17_000, 0.7) * max(cast.means(victim), 0.5), 500)
        legs.append(Leg(at, victim, payee, large, initiation=how, status=fate(dice, 0.05)))
    return legs
