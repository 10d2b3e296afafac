"""Screen-share: with an app for remote support the fraudster sees the PIN and pays from the victim's own phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS, fate

if TYPE_CHECKING:
    from simulator.story import Cast

_UNDER_LIMITS = (4_999, 9_999, 19_999, 24_999, 49_999)


def tell(cast: Cast) -> list[Leg]:
    """Return payments that follow each other within minutes, often just under a round sum, while the call lasts."""
    dice = cast.dice
    victim = cast.active()
    payees = [cast.mule() for _ in range(dice.whole(1, 3))]
    at = cast.moment(10, 20)
    legs = []
    for _ in range(dice.whole(3, 7)):
        usual = dice.around(6_500, 0.9) * max(cast.means(victim), 0.4)
        under = [limit for limit in _UNDER_LIMITS if limit <= 2 * usual]
        amount = rounded(dice.pick(under), 1) if under and dice.chance(0.5) else rounded(usual, 100)
        legs.append(
            Leg(
                event_time=at,
                payer=victim,
                payee=dice.pick(payees),
                amount_paise=amount,
                initiation=dice.pick((codes.VPA, codes.CONTACT, codes.ACCOUNT)),
                status=fate(dice, 0.18),
            )
        )
        at += int(dice.around(3.5 * MINUTE_MS, 0.6)) + 15_000
    return legs
