"""QR phishing: a code that was put over a shop's own, or sent "to receive money", collects from whoever scans it."""

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
    """Return the payments to one false code over a day or two, in amounts people pay in shops or sell things for."""
    dice = cast.dice
    shop = dice.chance(0.6)
    payee = cast.new_shop() if shop or dice.chance(0.3) else cast.mule()
    typical = dice.around(260 if shop else 2_600, 0.6)
    legs = []
    at = cast.moment(9, 15)
    for _ in range(dice.whole(5, 16)):
        legs.append(
            Leg(
                event_time=at,
                payer=cast.active(),
                payee=payee,
                amount_paise=rounded(dice.around(typical, 0.7), 10),
                flow=codes.P2M if shop else codes.P2P,
                initiation=codes.QR,
                status=fate(dice, 0.04),
            )
        )
        at = cast.awake(at + int(dice.around(1.6 * HOUR_MS, 0.9)))
    return legs
