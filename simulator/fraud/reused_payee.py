"""A payee account used again: several campaigns lead their victims to one account, over days, while reports come late.

Victims complain after days, and some never do. So the account goes on for days after its first fraud, and for days
after its first report. What each victim does looks like any payment to a stranger; what tells is what was reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator import codes
from simulator.amounts import rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS, fate
from simulator.timeline import DAY_MS

if TYPE_CHECKING:
    from simulator.story import Cast

DAYS: Final = 15
"""No account is used for longer than 14 days; the last payment of an evening may wait for the next morning."""
LEGS: Final = 12.4
"""Mean number of payments to an account, of all campaigns together."""
REPORTED: Final = 0.65
"""Share of victims who ever report it."""
DELAY_DAYS: Final = (1.0, 5.0)
"""How long after the payment a report comes, evenly."""
SHORTEST_DAYS: Final = 3
LONGEST_DAYS: Final = 14


def tell(cast: Cast) -> list[list[Leg]]:
    """Return the campaigns that use one account, each the payments of a few victims within hours."""
    dice = cast.dice
    payee, shop = _account(cast)
    life = dice.whole(SHORTEST_DAYS, LONGEST_DAYS)
    between = [dice.whole(0, life - 1) for _ in range(dice.whole(1, 1 + life // 2))]
    campaigns = []
    for day in sorted((0, *between, life - 1)):
        typical = dice.around(420 if shop else 1_300, 0.7)
        at = cast.moment(9, 20) + day * DAY_MS
        how = (codes.QR,) if shop else (codes.VPA, codes.QR, codes.CONTACT, codes.CONTACT)
        legs = []
        for _ in range(dice.whole(1, 4)):
            at = cast.awake(at)
            legs.append(
                Leg(
                    event_time=at,
                    payer=cast.active(),
                    payee=payee,
                    amount_paise=rounded(dice.around(typical, 0.7), 10 if dice.chance(0.5) else 100),
                    flow=codes.P2M if shop else codes.P2P,
                    initiation=dice.pick(how),
                    status=fate(dice, 0.04),
                )
            )
            at += int(dice.around(45 * MINUTE_MS, 0.9)) + MINUTE_MS
        campaigns.append(legs)
    return campaigns


def reports(cast: Cast, legs: list[Leg]) -> list[Leg]:
    """Return the payments of a campaign with the time at which each is reported, if it is."""
    dice = cast.dice
    return [
        leg._replace(reported_at=leg.event_time + int(dice.between(*DELAY_DAYS) * DAY_MS))
        if dice.chance(REPORTED)
        else leg
        for leg in legs
    ]


def _account(cast: Cast) -> tuple[int, bool]:
    """Draw whose account is lent: somebody's with a life of its own, a new one, or a small shop's (True)."""
    luck = cast.dice.roll()
    if luck < 0.55:
        return cast.anyone(), False
    if luck < 0.80:
        return cast.newcomer(), False
    first = len(cast.people) + len(cast.merchants) // 3  # the largest shops have too much to lose
    return cast.dice.whole(first, len(cast.people) + len(cast.merchants) - 1), True
