"""Merchants: what they sell, where, to how many, and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.lotteries import GroupLottery, Lottery
from simulator.places import scatter
from simulator.randomness import exp, generator
from simulator.reference import BANK_WEIGHTS, CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MEAN_PAISE: Final = 50_000
"""Mean of a usual payment to a merchant. NPCI: 64 % of payments and 29 % of the value, hence about Rs 563 overall."""

_POPULARITY: Final = 1.1
_FLATTENED: Final = 12.0
"""Zipf-Mandelbrot: the share of rank k falls as 1 / (k + 12)^1.1, so that the first has 1 to 2 % of the traffic."""

_OWN_LEVEL: Final = 0.35
"""How far merchants of a category differ: standard deviation of the logarithm of their median ticket."""


@dataclass(frozen=True, slots=True)
class Merchants:
    """Everything about merchants that does not change, one element each; index 0 is the most popular."""

    category: NDArray[np.int64]
    mcc: NDArray[np.int16]
    online: NDArray[np.bool_]
    city: NDArray[np.int64]
    """-1 for those that sell online."""
    latitude: NDArray[np.int32]
    longitude: NDArray[np.int32]
    bank: NDArray[np.uint8]
    log_paise: NDArray[np.float64]
    """Logarithm of the median ticket."""
    spread: NDArray[np.float64]
    weight: NDArray[np.float64]
    online_share: float
    """Share of the traffic that goes to those that sell online."""
    anywhere: Lottery
    """Draws among those that sell online, as positions in `online_index`."""
    online_index: NDArray[np.int64]
    nearby: GroupLottery
    """Draws among those in a city."""
    by_mcc: Mapping[int, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.mcc)

    def of_mcc(self, mcc: int) -> NDArray[np.int64]:
        """Return the merchants of a category; all of them if it has none."""
        return self.by_mcc[mcc]


def open_shops(key: int, count: int, city_weights: NDArray[np.float64]) -> Merchants:
    """Make `count` merchants; the same key, count and cities give the same merchants."""
    rng = generator(key, 2)
    cities = len(city_weights)
    category = Lottery(np.array([c.weight for c in CATEGORIES])).draw(rng.random(count))
    online_of = np.array([c.online for c in CATEGORIES])
    online = rng.random(count) < online_of[category]
    city = Lottery(city_weights).draw(rng.random(count))
    # Whatever the draws, somebody sells online, and somebody sells in every city.
    online[0] = True
    online[1 : cities + 1] = False
    city[1 : cities + 1] = np.arange(cities)
    city[online] = -1
    latitude, longitude = scatter(rng, np.maximum(city, 0))

    weight = (np.arange(count) + 1.0 + _FLATTENED) ** -_POPULARITY
    weight = np.rint(weight / weight[0] * 2.0**24)  # whole numbers, so that the last bit of the power does not matter
    spread = np.array([c.spread for c in CATEGORIES])[category]
    log_rupees = np.array([c.median for c in CATEGORIES])
    level = exp(_OWN_LEVEL * rng.standard_normal(count)) * log_rupees[category]
    online_share = round(float(weight[online].sum() / weight.sum()), 6)

    share = np.where(online, online_share * weight / weight[online].sum(), 0.0)
    in_city = np.bincount(city[~online], weights=weight[~online], minlength=cities)
    city_share = city_weights / city_weights.sum()
    local = ~online
    share[local] = (1 - online_share) * city_share[city[local]] * weight[local] / in_city[city[local]]
    mean = float((share * level * exp(spread * spread / 2)).sum())
    log_paise = np.round(np.log(level * (MEAN_PAISE / mean)), 9)  # rounded, as logarithms differ in the last bit

    online_index = np.flatnonzero(online).astype(np.int64)
    return Merchants(
        category=category,
        mcc=np.array([c.mcc for c in CATEGORIES], dtype=np.int16)[category],
        online=online,
        city=city,
        latitude=latitude,
        longitude=longitude,
        bank=Lottery(np.array(BANK_WEIGHTS, dtype=np.float64)).draw(rng.random(count)).astype(np.uint8),
        log_paise=log_paise,
        spread=spread,
        weight=weight,
        online_share=online_share,
        anywhere=Lottery(weight[online_index]),
        online_index=online_index,
        nearby=GroupLottery(city, weight, cities),
        by_mcc={c.mcc: _of_category(category, number) for number, c in enumerate(CATEGORIES)},
    )


def _of_category(category: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    found = np.flatnonzero(category == number)
    return found if len(found) else np.arange(len(category), dtype=np.int64)
