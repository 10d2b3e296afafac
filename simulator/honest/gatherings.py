"""Many pay one, who pays on: weddings, shared bills, and people who trade from their own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import RUPEE, rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS
from simulator.timeline import HOUR_MS

if TYPE_CHECKING:
    from simulator.story import Cast

_SHAGUN = (501, 501, 1_101, 1_101, 2_101, 2_500, 5_100, 5_100, 11_000, 21_000)


def wedding(cast: Cast) -> list[Leg]:
    """Return the guests' gifts to a family within two days, and what the family pays to those who serve."""
    dice = cast.dice
    host = cast.anyone()
    start = cast.moment(9, 14)
    legs = []
    for guest in cast.acquaintances(host, dice.whole(12, 40)):
        at = start + int(dice.between(0, 34) * HOUR_MS)
        legs.append(
            Leg(
                event_time=cast.awake(at),
                payer=guest,
                payee=host,
                amount_paise=dice.pick(_SHAGUN) * RUPEE,
                initiation=dice.pick((codes.CONTACT, codes.QR, codes.VPA)),
            )
        )
    for _ in range(dice.whole(2, 6)):
        to_shop = dice.chance(0.5)
        legs.append(
            Leg(
                event_time=cast.awake(start + int(dice.between(2, 40) * HOUR_MS)),
                payer=host,
                payee=cast.shop(dice.pick((5812, 5944, 7299, 5651))) if to_shop else cast.newcomer(),
                amount_paise=rounded(dice.around(14_000, 0.8), 500),
                flow=codes.P2M if to_shop else codes.P2P,
                initiation=codes.QR if to_shop else dice.pick((codes.CONTACT, codes.VPA)),
            )
        )
    return legs


def split_bill(cast: Cast) -> list[Leg]:
    """Return the shares that friends send to one of them, who pays the whole within the hour."""
    dice = cast.dice
    host = cast.active()
    friends = cast.acquaintances(host, dice.whole(3, 8))
    share = rounded(dice.around(420, 0.9), 10)
    at = cast.moment(12, 23)
    legs = []
    for friend in friends:
        at += int(dice.around(6 * MINUTE_MS, 0.9))
        legs.append(
            Leg(
                event_time=at,
                payer=friend,
                payee=host,
                amount_paise=share,
                initiation=dice.pick((codes.CONTACT, codes.CONTACT, codes.QR)),
            )
        )
    to_shop = dice.chance(0.7)
    legs.append(
        Leg(
            event_time=at + int(dice.between(1, 25) * MINUTE_MS),
            payer=host,
            payee=cast.shop(dice.pick((5812, 4722, 5814))) if to_shop else cast.newcomer(),
            amount_paise=share * (len(friends) + 1),
            flow=codes.P2M if to_shop else codes.P2P,
            initiation=codes.QR if to_shop else codes.CONTACT,
        )
    )
    return legs


def trader(cast: Cast) -> list[Leg]:
    """Return what somebody who sells from a personal account takes in over a few hours and pays to suppliers."""
    dice = cast.dice
    person = int(dice.pick(cast.population.traders))
    legs = []
    at = cast.moment(8, 16)
    taken = 0
    for _ in range(dice.whole(2, 9)):
        customer = cast.active()
        amount = rounded(dice.around(750, 1.1), 10)
        taken += amount
        legs.append(Leg(at, customer, person, amount, initiation=dice.pick((codes.QR, codes.QR, codes.CONTACT))))
        at += int(dice.around(14 * MINUTE_MS, 0.9))
    supplier = cast.contact(person) if dice.chance(0.8) else cast.newcomer()
    sent = rounded(max(taken * dice.between(0.6, 1.1) / RUPEE, 500), 100)
    legs.append(Leg(at + int(dice.between(1, 30) * MINUTE_MS), person, supplier, sent))
    return legs
