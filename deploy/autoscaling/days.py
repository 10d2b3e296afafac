"""Loads to try settings on: a day of UPI, a salary day with two surges, and an evening with an outage."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.timeline import CHRONOTYPES, HOURS

DAY: Final = 86_400
HOUR: Final = 3_600
PAYMENTS_A_DAY: Final = 650e6
"""NPCI's 20 billion of August 2025, a day."""
SALARY_DAY: Final = 1.21
"""A Saturday in the first week of the month: WEEKDAYS and `busyness` of simulator.timeline, 1.10 each."""
OUTAGE: Final = (float(HOUR), float(HOUR + 600))
"""Of an evening: from 20:00 for ten minutes."""

_SHARES = np.array(CHRONOTYPES) @ HOURS


def usual(seconds: float) -> float:
    """Return payments/s at a time of the day, by the curve that the simulated population pays by."""
    middles = (np.arange(-1, 25) + 0.5) * HOUR
    shares = np.concatenate([_SHARES[-1:], _SHARES, _SHARES[:1]])
    return float(np.interp(seconds % DAY, middles, shares) / HOUR * PAYMENTS_A_DAY)


def salary(seconds: float) -> float:
    """Return payments/s of a salary day: salaries come in at 10:00, and a sale begins at 20:00."""
    return SALARY_DAY * usual(seconds) * _surge(seconds, 10 * HOUR, 2.0) * _surge(seconds, 20 * HOUR, 1.8)


def _surge(seconds: float, at: float, most: float) -> float:
    """Return the factor of a surge: up within two minutes, twenty minutes high, and half an hour down."""
    return float(np.interp(seconds - at, [0, 120, 1320, 3120], [1, most, most, 1]))


def evening(seconds: float) -> float:
    """Return payments/s of a usual day from 19:00 on."""
    return usual(19 * HOUR + seconds)
