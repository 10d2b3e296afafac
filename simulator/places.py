"""Places as whole ten-thousandths of a degree (11 m), so that they are written the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.reference import CITIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNITS: Final = 10_000
"""Units in a degree."""

NOWHERE: Final = -(2**31)
"""Stands for a place that is not given."""

_CITY_LATITUDE: Final = np.array([round(city.latitude * UNITS) for city in CITIES], dtype=np.int64)
_CITY_LONGITUDE: Final = np.array([round(city.longitude * UNITS) for city in CITIES], dtype=np.int64)
_SUBURBS: Final = 450
"""How far from its centre people of a city live: 0.045 degrees, 5 km."""


def scatter(rng: np.random.Generator, city: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a latitude and a longitude within each city."""
    north = np.rint(_SUBURBS * rng.standard_normal(len(city))).astype(np.int64)
    east = np.rint(_SUBURBS * rng.standard_normal(len(city))).astype(np.int64)
    return (_CITY_LATITUDE[city] + north).astype(np.int32), (_CITY_LONGITUDE[city] + east).astype(np.int32)


def centre(city: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the latitude and the longitude of each city's centre."""
    return _CITY_LATITUDE[city].astype(np.int32), _CITY_LONGITUDE[city].astype(np.int32)


def centre_of(city: int) -> tuple[int, int]:
    """Return the latitude and the longitude of one city's centre."""
    return int(_CITY_LATITUDE[city]), int(_CITY_LONGITUDE[city])
