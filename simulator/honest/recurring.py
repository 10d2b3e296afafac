"""What falls due every month: rent to a landlord, and bills and instalments by mandate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulator import codes
from simulator.amounts import RUPEE, rounded
from simulator.legs import Leg
from simulator.randomness import exp_one, hashed, key_for, mix_one
from simulator.timeline import HOUR_MS, day_of_month, day_start, month_of

if TYPE_CHECKING:
    from simulator.population import Population
    from simulator.story import Cast

_TENANTS: Final = 150
"""People in a thousand who pay rent by UPI."""
_SUBSCRIBERS: Final = 400
"""People in a thousand who have each of the two mandates that one can have."""
_BILLERS: Final = (4900, 4814, 7322, 6300, 6211)
_STAY_MONTHS: Final = 22


def rents(cast: Cast) -> list[Leg]:
    """Return the rents that are due on this day: the first to a landlord is a large sum to somebody new."""
    people = cast.people
    key = key_for(cast.population.key, 61)
    return [
        Leg(
            event_time=day_start(cast.day) + 8 * HOUR_MS + bits % (12 * HOUR_MS),
            payer=tenant,
            payee=_landlord(cast.population, key, tenant, month_of(cast.day)),
            amount_paise=rounded(_spread(bits, 8_500, 0.45) * cast.means(tenant) ** 0.5, 500),
            initiation=(codes.CONTACT, codes.VPA, codes.ACCOUNT)[bits % 3],
            lookalike=codes.RENT,
        )
        for tenant, bits in _due(cast, key, _TENANTS, 10)
        if tenant < len(people) - people.sleepers
    ]


def bills(cast: Cast) -> list[Leg]:
    """Return the mandates that are carried out on this day."""
    legs = []
    for slot in range(2):
        key = key_for(cast.population.key, 62, slot)
        for payer, bits in _due(cast, key, _SUBSCRIBERS, 28):
            shops = cast.merchants.of_mcc(_BILLERS[bits % len(_BILLERS)])
            shop = int(shops[(bits >> 20) % len(shops)])
            typical = exp_one(float(cast.merchants.log_paise[shop])) / RUPEE
            legs.append(
                Leg(
                    event_time=day_start(cast.day) + 6 * HOUR_MS + bits % (5 * HOUR_MS),
                    payer=payer,
                    payee=len(cast.people) + shop,
                    amount_paise=rounded(_spread(bits, typical, 0.5), 1),
                    flow=codes.P2M,
                    initiation=codes.MANDATE,
                    lookalike=codes.BILL,
                )
            )
    return legs


def _due(cast: Cast, key: int, in_a_thousand: int, days: int) -> list[tuple[int, int]]:
    """Return the people for whom something falls due today, with 64 random bits of theirs that never change."""
    everybody = np.arange(len(cast.people), dtype=np.int64)
    bits = hashed(key, everybody)
    has = bits % np.uint64(1_000) < np.uint64(in_a_thousand)
    today = (bits >> np.uint64(24)) % np.uint64(days) == np.uint64(day_of_month(cast.day) - 1)
    due = np.flatnonzero(has & today & (cast.people.activity > 0))
    return list(zip(due.tolist(), [mix_one(word) for word in bits[due].tolist()], strict=True))


def _landlord(population: Population, key: int, tenant: int, month: int) -> int:
    """Return somebody who stays the landlord for some years."""
    bits = mix_one(key ^ mix_one(tenant * 1_024 + (month + tenant) // _STAY_MONTHS))
    settled = len(population.people) - population.people.sleepers
    landlord = bits % settled
    return landlord if landlord != tenant else (landlord + 1) % settled


def _spread(bits: int, median: float, spread: float) -> float:
    """Return an amount around the median that the bits fix: a sum of three uniforms is close to normal."""
    parts = ((bits >> 8) & 0xFFFF, (bits >> 24) & 0xFFFF, (bits >> 40) & 0xFFFF)
    z = (sum(parts) / 0xFFFF - 1.5) * 2
    return median * exp_one(spread * z)
