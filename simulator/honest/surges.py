"""Bursts: a flash sale, a family emergency at night, a new phone that is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator import codes
from simulator.amounts import MOST_TO_A_PERSON, RUPEE, rounded
from simulator.legs import Leg
from simulator.story import MINUTE_MS
from simulator.timeline import DAY_MS, HOUR_MS, day_start

if TYPE_CHECKING:
    from simulator.story import Cast


def flash_sale(cast: Cast) -> list[Leg]:
    """Return what a shop sells online within two hours: many payers, few prices, some of them twice."""
    dice = cast.dice
    shop = len(cast.people) + int(dice.pick(cast.merchants.online_index))
    prices = [rounded(dice.around(900, 0.8), 100) - RUPEE for _ in range(4)]
    start = cast.moment(10, 21)
    legs = []
    for _ in range(dice.whole(60, 240)):
        buyer = cast.active()
        at = start + int(dice.roll() * dice.roll() * 2 * HOUR_MS)  # most of it soon after it opens
        for _ in range(2 if dice.chance(0.1) else 1):
            how = codes.INTENT if dice.chance(0.9) else codes.VPA
            legs.append(Leg(at, buyer, shop, max(dice.pick(prices), RUPEE), flow=codes.P2M, initiation=how))
            at += int(dice.between(20, 200) * 1_000)
    return legs


def emergency(cast: Cast) -> list[Leg]:
    """Return growing sums to family or to a hospital, at any hour."""
    dice = cast.dice
    payer = cast.active()
    family = cast.contact(payer)
    hospital = cast.shop(8062)
    at = cast.moment(0, 24)
    sum_ = dice.around(4_000, 0.8) * max(cast.means(payer), 0.5)
    legs = []
    for _ in range(dice.whole(2, 5)):
        to_shop = dice.chance(0.4)
        legs.append(
            Leg(
                event_time=at,
                payer=payer,
                payee=hospital if to_shop else family,
                amount_paise=rounded(sum_, 500),
                flow=codes.P2M if to_shop else codes.P2P,
                initiation=codes.QR if to_shop else codes.CONTACT,
            )
        )
        sum_ = min(sum_ * dice.between(0.8, 2.2), MOST_TO_A_PERSON / RUPEE)
        at += int(dice.around(50 * MINUTE_MS, 1.0)) + MINUTE_MS
    return legs


def new_phones(cast: Cast) -> list[Leg]:
    """Return what people pay soon after they set up a new phone today: a little to try it, then what had to wait."""
    people, dice = cast.people, cast.dice
    begin = day_start(cast.day)
    phone = (begin + DAY_MS - 1 - people.device_offset) // people.device_period
    bound_at = phone * people.device_period + people.device_offset
    legs = []
    for owner in np.flatnonzero((bound_at >= begin) & (people.activity > 0)).tolist():
        if people.device_owner[owner] != owner or not dice.chance(0.6):
            continue
        at = int(bound_at[owner]) + int(dice.between(2, 50) * MINUTE_MS)
        if dice.chance(0.5):
            legs.append(Leg(at, owner, cast.contact(owner), dice.pick((1, 1, 5, 10)) * RUPEE))
            at += int(dice.between(2, 30) * MINUTE_MS)
        for _ in range(dice.whole(1, 3)):
            payee = cast.contact(owner) if dice.chance(0.7) else cast.newcomer()
            legs.append(Leg(at, owner, payee, rounded(dice.around(2_600, 1.2) * cast.means(owner), 100)))
            at += int(dice.around(25 * MINUTE_MS, 1.0))
    return legs
