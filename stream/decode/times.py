"""RFC 3339 times as epoch milliseconds, by the letter of the RFC and cut, never rounded.

Own arithmetic, because `datetime` rounds a seventh digit, knows no leap second and no year 0, and takes forms that are
not RFC 3339.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MS_A_DAY = 86_400_000
_UNUSUAL = -1
"""Stands for a time that is to be read alone."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})")
_OFFSET = re.compile(r"[Zz]|([+-])([0-9]{2}):([0-9]{2})")


def parse_rfc3339(text: str) -> int | None:
    """Return epoch milliseconds, negative before 1970; None where the text is no RFC 3339 time with an offset.

    A leap second (23:59:60 UTC at the end of a month) is the second after it, as in POSIX time.
    """
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    fraction, rest = _fraction(text[match.end() :])
    written = _OFFSET.fullmatch(rest)
    if written is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    sign, offset_hour, offset_minute = written.groups()
    if not (1 <= month <= 12 and 1 <= day <= _days_of(year, month) and hour <= 23 and minute <= 59 and second <= 60):
        return None
    offset = 0
    if sign is not None:
        if int(offset_hour) > 23 or int(offset_minute) > 59:
            return None
        offset = (int(offset_hour) * 60 + int(offset_minute)) * (-60_000 if sign == "-" else 60_000)
    whole = _epoch_day(year, month, day) * _MS_A_DAY + ((hour * 60 + minute) * 60 + second) * 1000 - offset
    if second == 60 and not _ends_a_month(whole):
        return None
    return whole + int(fraction.ljust(3, "0")[:3])


def parse_times(texts: Sequence[str]) -> list[int | None]:
    """Return of each text what `parse_rfc3339` does; the usual forms at once, by compiled code."""
    if not texts:
        return []
    written = [text.encode() for text in texts]
    lengths = np.fromiter(map(len, written), dtype=np.int64, count=len(written))
    _parse_usual(np.frombuffer(b"".join(written), dtype=np.uint8), lengths)
    times: list[int | None] = lengths.tolist()
    if _UNUSUAL in times:
        return [parse_rfc3339(text) if time == _UNUSUAL else time for text, time in zip(texts, times, strict=True)]
    return times


def _fraction(text: str) -> tuple[str, str]:
    """Return the digits of a fraction, and what follows; no digits without a fraction, or where there are none.

    A fraction may be as long as a record, so no expression looks for it: one pass is enough.
    """
    rest = text[1:].lstrip("0123456789") if text.startswith(".") else text
    digits = text[1 : len(text) - len(rest)]
    return (digits, rest) if digits else ("", text)


def _days_of(year: int, month: int) -> int:
    return monthrange(year or 400, month)[1]  # the calendar repeats every 400 years; `calendar` starts with year 1


def _epoch_day(year: int, month: int, day: int) -> int:
    if year == 0:
        return date(400, month, day).toordinal() - 146_097 - _EPOCH_DAY
    return date(year, month, day).toordinal() - _EPOCH_DAY


def _ends_a_month(epoch_ms: int) -> bool:
    """Whether this is midnight UTC of the first of a month: the only place for a leap second."""
    days, rest = divmod(epoch_ms, _MS_A_DAY)
    ordinal = days + _EPOCH_DAY
    return rest == 0 and 1 <= ordinal <= date.max.toordinal() and date.fromordinal(ordinal).day == 1


@njit()
def _two(arena: NDArray[np.uint8], at: int) -> int:
    """Return two digits as a number; more than any number of four digits if they are none."""
    tens, ones = arena[at] - 48, arena[at + 1] - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else 1_000_000


@njit()
def _epoch_ms(arena: NDArray[np.uint8], start: int, end: int) -> int:
    """Return the RFC 3339 time in arena[start:end], from 1970 on, in capitals, no leap second; or UNUSUAL."""
    if end - start < 20:
        return _UNUSUAL
    year = _two(arena, start) * 100 + _two(arena, start + 2)
    month, day = _two(arena, start + 5), _two(arena, start + 8)
    hour, minute, second = _two(arena, start + 11), _two(arena, start + 14), _two(arena, start + 17)
    if arena[start + 4] != 45 or arena[start + 7] != 45 or arena[start + 10] != 84:  # - - T
        return _UNUSUAL
    if arena[start + 13] != 58 or arena[start + 16] != 58:  # : :
        return _UNUSUAL
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days_of = 31 - (month == 4 or month == 6 or month == 9 or month == 11) - (month == 2) * (2 if leap else 3)
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= days_of):
        return _UNUSUAL
    if hour > 23 or minute > 59 or second > 59:
        return _UNUSUAL
    at = start + 19
    ms, unit = 0, 100
    if arena[at] == 46:  # .
        at += 1
        while at < end and 48 <= arena[at] <= 57:
            ms += (arena[at] - 48) * unit
            unit //= 10
            at += 1
        if at == start + 20:
            return _UNUSUAL
    ahead = 0
    if end - at == 6 and (arena[at] == 43 or arena[at] == 45) and arena[at + 3] == 58:  # +05:30
        if _two(arena, at + 1) > 23 or _two(arena, at + 4) > 59:
            return _UNUSUAL
        ahead = (_two(arena, at + 1) * 60 + _two(arena, at + 4)) * (1 if arena[at] == 43 else -1)
    elif end - at != 1 or arena[at] != 90:  # Z
        return _UNUSUAL
    # Days by the civil calendar with the year beginning in March, so that the leap day comes last (Hinnant 2013).
    years = year - (month <= 2)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = years * 365 + years // 4 - years // 100 + years // 400 + day_of_year - 719_468
    epoch_ms = ((days * 24 + hour) * 60 + minute - ahead) * 60_000 + second * 1000 + ms
    return epoch_ms if epoch_ms >= 0 else _UNUSUAL


@njit()
def _parse_usual(arena: NDArray[np.uint8], lengths: NDArray[np.int64]) -> None:
    """Put into the place of each text's length what `_epoch_ms` says of the text."""
    end = 0
    for row in range(len(lengths)):
        start, end = end, end + lengths[row]
        lengths[row] = _epoch_ms(arena, start, end)
