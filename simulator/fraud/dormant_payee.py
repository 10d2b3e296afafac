"""A dormant payee wakes: an account that hardly moved for months takes in large sums within hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS, fate

if TYPE_CHECKING:
    from simulator.story import Cast


def tell(cast: Cast) -> list[Leg]:
    """Return what several victims pay to one such account on one day."""
    dice = cast.dice
    payee = cast.sleeper()
    typical = dice.around(5_500, 0.8)
    at = cast.moment(9, 18)
    legs = []
    for _ in range(dice.whole(4, 12)):
        legs.append(
            Leg(
                event_time=at,
                payer=cast.active(),
                payee=payee,
                amount_paise=rounded(dice.around(typical, 0.7), 500),
                initiation=dice.pick((codes.VPA, codes.QR, codes.CONTACT)),
                status=fate(dice, 0.05),
            )
        )
        at += int(dice.around(22 * MINUTE_MS, 0.7)) + MINUTE_MS
    return legs
