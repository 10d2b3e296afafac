"""RFC 3339 times as epoch milliseconds, by the letter of the RFC and cut, never rounded.

Own arithmetic, because `datetime` rounds a seventh digit, knows no leap second and no year 0, and takes forms that are
not RFC 3339.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

_MS_A_DAY = 86_400_000
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
