"""Merchant collusion: a real shop and a few people turn credit or stolen money into cash by sales that never were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import rounded
from simulator.legs import Leg
from simulator.story import fate
from simulator.timeline import HOUR_MS

if TYPE_CHECKING:
    from simulator.story import Cast


def tell(cast: Cast) -> list[Leg]:
    """Return the false sales of a few days: the same payers again and again, in similar round sums."""
    dice = cast.dice
    shop = len(cast.people) + dice.whole(len(cast.merchants) // 3, len(cast.merchants) - 1)
    ring = [cast.anyone() for _ in range(dice.whole(3, 6))]
    typical = dice.around(2_800, 0.5)
    at = cast.moment(8, 22)
    legs = []
    for _ in range(dice.whole(8, 22)):
        legs.append(
            Leg(
                event_time=at,
                payer=dice.pick(ring),
                payee=shop,
                amount_paise=rounded(dice.around(typical, 0.25), 100),
                flow=codes.P2M,
                initiation=dice.pick((codes.QR, codes.QR, codes.INTENT, codes.VPA)),
                status=fate(dice, 0.05),
            )
        )
        at = cast.awake(at + int(dice.around(3.5 * HOUR_MS, 1.0)))
    return legs
