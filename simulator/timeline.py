"""Simulated time in cells of one hour of Indian Standard Time, and how busy each hour of each day is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
IST_MS: Final = 19_800_000
"""UTC+05:30, which has no daylight saving time."""

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: VPAs opened on a day carry its number, and earlier days would run into those of the population."""
LATEST_MS: Final = 2_524_608_000_000
"""2050-01-01, for the same reason."""

_EARLY: Final = (3, 1, 1, 1, 2, 8, 22, 45, 60, 66, 70, 70, 68, 62, 58, 58, 62, 72, 80, 80, 66, 42, 20, 8)
_USUAL: Final = (8, 4, 2, 1, 1, 3, 10, 25, 45, 58, 66, 70, 74, 72, 64, 62, 66, 76, 90, 100, 98, 80, 48, 22)
_LATE: Final = (40, 26, 14, 7, 3, 2, 3, 8, 18, 32, 46, 56, 66, 70, 64, 60, 62, 70, 82, 94, 104, 110, 96, 70)
HOURS: Final = np.array([np.array(curve) / sum(curve) for curve in (_EARLY, _USUAL, _LATE)])
"""Share of a day's payments in each hour, for people who rise early, for most, and for night owls."""

CHRONOTYPES: Final = (0.25, 0.55, 0.20)
"""Share of people in each row of HOURS."""

WEEKDAYS: Final = (0.97, 0.95, 0.96, 0.97, 1.03, 1.10, 1.02)
"""How busy Monday to Sunday are against the mean."""


def cell_of(epoch_ms: int) -> int:
    """Return the hour of IST a time falls in, counted from 1970-01-01T00:00+05:30."""
    return (epoch_ms + IST_MS) // HOUR_MS


def cell_start(cell: int) -> int:
    """Return the first millisecond of a cell, as epoch milliseconds."""
    return cell * HOUR_MS - IST_MS


def day_start(day: int) -> int:
    """Return the first millisecond of a local day, as epoch milliseconds."""
    return cell_start(24 * day)


def day_of_month(day: int) -> int:
    """Return 1 to 31."""
    return int(datetime.fromtimestamp(day * 86_400, UTC).day)


def month_of(day: int) -> int:
    """Return the month a local day is in, counted from 1970-01."""
    date = datetime.fromtimestamp(day * 86_400, UTC)
    return (date.year - 1970) * 12 + date.month - 1


def busyness(day: int) -> float:
    """Return how many payments this day has against the mean day: weekends, and the days after salaries come in."""
    weekday = WEEKDAYS[(day + 3) % 7]  # 1970-01-01 was a Thursday
    return weekday * (1.10 if day_of_month(day) <= 7 else 0.97)


def spending(day: int) -> float:
    """Return how large this day's amounts are against the mean day's."""
    return 1.12 if day_of_month(day) <= 7 else 0.965
