"""Mule fan-in with pass-through: many victims pay one account, which sends the money on within the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import codes
from simulator.amounts import RUPEE, rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS, fate

if TYPE_CHECKING:
    from simulator.story import Cast

_HOLDS_FOR = 45


def tell(cast: Cast) -> list[Leg]:
    """Return the victims' payments and what the mule passes on of each batch of them, less its cut."""
    dice = cast.dice
    mule = cast.anyone()  # it pays as well, so it is somebody with a device and habits of their own
    layers = [cast.mule() for _ in range(dice.whole(1, 3))]
    at = cast.moment(9, 21)
    typical = dice.around(2_200, 0.8)
    legs: list[Leg] = []
    held, since = 0, 0
    for _ in range(dice.whole(4, 12)):
        victim = cast.active()
        if victim == mule:
            continue
        amount = rounded(dice.around(typical, 0.5), 100)
        status = fate(dice, 0.04)
        legs.append(
            Leg(
                event_time=at,
                payer=victim,
                payee=mule,
                amount_paise=amount,
                initiation=dice.pick((codes.VPA, codes.QR, codes.CONTACT)),
                status=status,
            )
        )
        if status == codes.SUCCESS:
            since = since if held else at
            held += amount
        at += int(dice.around(9 * MINUTE_MS, 0.8)) + MINUTE_MS // 2
        if held and (at - since > (_HOLDS_FOR - 15) * MINUTE_MS or dice.chance(0.2)):
            legs += _passed_on(cast, mule, layers, held, legs[-1].event_time, since)
            held = 0
    if held:
        legs += _passed_on(cast, mule, layers, held, legs[-1].event_time, since)
    return legs


def _passed_on(cast: Cast, mule: int, layers: list[int], held: int, after: int, since: int) -> list[Leg]:
    """Return the payments that take the money away, no later than an hour after its first part came."""
    dice = cast.dice
    latest = max(since + (_HOLDS_FOR + 13) * MINUTE_MS, after + 2)
    left = int(held * dice.between(0.88, 0.98))
    legs = []
    at = after
    parts = 1 if left < 20_000 * RUPEE else dice.whole(1, 3)
    for part in range(parts):
        amount = rounded(left / (parts - part) / RUPEE, 50)
        left -= amount
        at = min(at + int(dice.between(1, 9) * MINUTE_MS), latest)
        payee = dice.pick(layers)
        if payee == mule:
            payee = cast.newcomer()
        legs.append(
            Leg(
                event_time=at,
                payer=mule,
                payee=payee,
                amount_paise=amount,
                initiation=dice.pick((codes.VPA, codes.ACCOUNT)),
                status=codes.SUCCESS,
            )
        )
    return legs
