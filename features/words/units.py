"""Values as a case worker reads them: rupees in lakh and crore grouping, counts, durations, shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
MONTH, YEAR = 30 * DAY, 365 * DAY

_SPANS = ((YEAR, "year"), (MONTH, "month"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))


def grouped(number: int) -> str:
    """Return a whole number in Indian grouping: 1,25,000."""
    sign, digits = ("-" if number < 0 else ""), str(abs(number))
    head, tail = digits[:-3], digits[-3:]
    parts = [tail]
    while head:
        parts.insert(0, head[-2:])
        head = head[:-2]
    return sign + ",".join(parts)


def rupees(paise: float) -> str:
    """Return an amount in rupees: whole ones from 100 up, with paise below where there are any."""
    whole = round(paise)
    if abs(whole) < 10_000 and whole % 100:
        return f"Rs {whole / 100:.2f}"
    return f"Rs {grouped(round(paise / 100))}"


def decimal(number: float) -> str:
    """Return a number to three figures or so, no more than it is worth saying."""
    if abs(number) >= 10 or number == round(number):
        return grouped(round(number))
    return f"{number:.1f}" if abs(number) >= 1 else f"{number:.2g}"


def count(noun: str) -> Callable[[float], str]:
    """Return a formatter of counts of something, rates below one in twenty included."""

    def form(number: float) -> str:
        if number < 0.05:
            return f"almost no {noun}s"
        text = decimal(number if number >= 1 else round(number, 1))
        return f"{text} {noun}" if text == "1" else f"{text} {noun}s"

    return form


def duration(seconds: float) -> str:
    """Return a duration in its largest unit: "3 hours"."""
    for length, name in _SPANS:
        if seconds >= length:
            number = seconds / length
            text = f"{number:.1f}" if number < 10 and round(number, 1) != round(number) else str(round(number))
            return f"{text} {name}" if text == "1" else f"{text} {name}s"
    whole = round(seconds)
    return f"{whole} second" if whole == 1 else f"{whole} seconds"


def times(ratio: float) -> str:
    """Return a ratio: "12 times"."""
    return f"{decimal(ratio)} times"


def percent(share: float) -> str:
    """Return a share: "12 %"."""
    return f"{decimal(100 * share)} %"


def speed(kmh: float) -> str:
    """Return a speed: "2,400 km/h"."""
    return f"{grouped(round(kmh))} km/h"


def hour(number: float) -> str:
    """Return an hour of the day: "03:00"."""
    return f"{round(number):02d}:00"
