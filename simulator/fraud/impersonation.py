"""Authorised push payment under impersonation: the victim pays, growing sums, to people never paid before.

"Digital arrest", a false bank officer, a false investment: the victim's own device and SIM, at hours at which people
pay, over an hour or over days, until the money is gone or somebody intervenes. Most of the money lost to fraud is lost
this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import MOST_TO_A_PERSON, RUPEE, rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS, fate
from simulator.timeline import HOUR_MS

if TYPE_CHECKING:
    from simulator.story import Cast


def tell(cast: Cast) -> list[Leg]:
    """Return one victim's payments, each larger than the one before until the limit of a payment is reached."""
    dice = cast.dice
    victim = cast.active()
    payees = [cast.mule() for _ in range(dice.whole(1, 4))]
    at = cast.moment(9, 20)
    hurried = dice.chance(0.55)
    sum_ = dice.around(3_500, 0.8) * max(cast.means(victim), 0.6)
    legs = []
    for _ in range(dice.whole(3, 8)):
        amount = rounded(sum_, 500 if sum_ > 5_000 else 100)
        legs.append(
            Leg(
                event_time=at,
                payer=victim,
                payee=dice.pick(payees),
                amount_paise=amount,
                initiation=dice.pick((codes.VPA, codes.VPA, codes.ACCOUNT, codes.QR, codes.CONTACT)),
                status=fate(dice, 0.05),
            )
        )
        if amount >= MOST_TO_A_PERSON and dice.chance(0.5):
            break
        sum_ = min(sum_ * dice.between(1.4, 2.8), MOST_TO_A_PERSON / RUPEE)
        pause = dice.around(12 * MINUTE_MS, 0.8) if hurried else dice.around(18 * HOUR_MS, 0.7)
        at = cast.awake(at + int(pause) + MINUTE_MS)
    return legs
