"""Device takeover after a SIM change: a stranger's phone, bound minutes ago, empties the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import rounded
from simulator.legs import Leg
from simulator.places import NOWHERE, centre_of
from simulator.story import MINUTE_MS, fate
from simulator.timeline import HOUR_MS

if TYPE_CHECKING:
    from simulator.story import Cast


def tell(cast: Cast) -> list[Leg]:
    """Return the payments that drain one account, or two from the same phone."""
    dice = cast.dice
    device = cast.strange_device()
    latitude, longitude = (NOWHERE, NOWHERE) if dice.chance(0.6) else centre_of(dice.whole(0, 29))
    payees = [cast.mule() for _ in range(dice.whole(1, 3))]
    at = cast.moment(22, 29) if dice.chance(0.6) else cast.moment(8, 22)
    legs = []
    for _ in range(2 if dice.chance(0.25) else 1):
        victim = cast.active()
        bound_at = at
        sim_changed_at = bound_at - int(dice.between(0.5, 14) * HOUR_MS)
        balance = dice.around(42_000, 0.9) * max(cast.means(victim), 0.5)
        at += int(dice.between(4, 50) * MINUTE_MS)
        for _ in range(dice.whole(2, 6)):
            if balance < 500:  # not worth another payment
                break
            part = balance * dice.between(0.3, 0.7)
            balance -= part
            legs.append(
                Leg(
                    event_time=at,
                    payer=victim,
                    payee=dice.pick(payees),
                    amount_paise=rounded(part, 100),
                    initiation=dice.pick((codes.VPA, codes.VPA, codes.ACCOUNT, codes.QR)),
                    status=fate(dice, 0.12),
                    device=device,
                    device_bound_at=bound_at,
                    sim_changed_at=sim_changed_at,
                    latitude=latitude,
                    longitude=longitude,
                )
            )
            at += int(dice.around(4 * MINUTE_MS, 0.8)) + 10_000
    return legs
