"""Times as files write them: which format, which unit, whether with a zone; and what no value decides."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from upifraud.proposal.sample import Column

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?")
_ISO_ZONE: Final = re.compile(_ISO.pattern + r" ?(Z|z|UTC|[+-][0-9]{2}:?[0-9]{2})")
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_INTEGER: Final = re.compile(r"[0-9]+(?:\.0+)?")
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[AaPp][Mm])?")
_DAYS: Final = re.compile(
    r"([0-9]{4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}"
    r"|[0-9]{1,2}[-/. ]?[A-Za-z]{3,9}[-/., ]{0,2}[0-9]{2,4}|[A-Za-z]{3,9} [0-9]{1,2},? [0-9]{4}|[0-9]{8})"
)

_DAY_AND_CLOCK: Final = re.compile(r"(.+?)(, | |T)([0-9]{1,2}:[0-9]{2}.*)")

_YEAR_FIRST: Final = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_DAY_FIRST: Final = tuple(f"%d{mark}%m{mark}{year}" for mark in "/-." for year in ("%Y", "%y"))
_MONTH_FIRST: Final = tuple(f"%m{mark}%d{mark}{year}" for mark in "/-." for year in ("%Y", "%y"))
_NAMED: Final = (
    *tuple(
        f"%d{mark}{month}{mark}{year}" for mark in ("-", " ", "/") for month in ("%b", "%B") for year in ("%Y", "%y")
    ),
    "%d%b%Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%B %d %Y",
)
DAYS: Final = _YEAR_FIRST + _DAY_FIRST + _MONTH_FIRST + _NAMED
CLOCKS: Final = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")

_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_MOST: Final = 0.95
"""Which share of the values must be in a format: single bad ones are refused, and do not make another format."""

_NAMED_MOST: Final = 0.4
"""The same where the column's name says that it holds times."""

_TRIED: Final = 20
"""So many texts show which formats are worth trying on all of them."""

MILLISECONDS: Final = 1_000
SCALES: Final = {1: 1_000, 1_000_000: 0.001, 1_000_000_000: 0.000001}
"""What makes milliseconds of times since 1970, by how many of these make a second."""

_UNITS: Final = {1: "seconds", 1_000: "milliseconds", 1_000_000: "microseconds", 1_000_000_000: "nanoseconds"}


class Form(Enum):
    """What kind of times a column holds."""

    ISO_ZONE = "times with an offset"
    ISO_LOCAL = "times without a zone"
    EPOCH = "time since 1970"
    STEP = "steps"
    FORMAT = "times in a format of their own"
    DAY = "days"
    CLOCK = "times of day"


@dataclass(frozen=True)
class Times:
    """What a column of times tells of itself."""

    form: Form
    formats: tuple[str, ...] = ()
    """strptime's; several where no value decides between them, the likelier first."""
    per_second: int = 1
    """Of EPOCH: how many make a second."""
    first: datetime | None = None
    last: datetime | None = None
    greatest: float = 0.0
    """Of STEP."""
    in_order: bool = False
    why: str = ""

    @property
    def has_zone(self) -> bool:
        """Whether each time is one moment."""
        return self.form in {Form.ISO_ZONE, Form.EPOCH}

    @property
    def span_ms(self) -> int:
        """Milliseconds between the first and the last time."""
        return 0 if self.first is None or self.last is None else (self.last - self.first) // timedelta(milliseconds=1)


def times_of(column: Column, *, named: bool) -> Times | None:
    """Return what the values tell; None where they are no times. named: the column's name speaks of time."""
    if column.empty:
        return None
    if column.typed(datetime):
        return _typed(column)
    if column.typed(date):
        return Times(Form.DAY, first=_at(min(column.texts)), last=_at(max(column.texts)), why="days, without a time")
    texts, most = column.texts, _NAMED_MOST if named else _MOST
    if _share(_INTEGER, texts) >= most:
        return _numbers(column, named=named)
    for form, pattern in ((Form.ISO_ZONE, _ISO_ZONE), (Form.ISO_LOCAL, _ISO)):
        if _share(pattern, texts) >= most and (moments := [made for made in map(_iso, texts) if made]):
            formats = _with_offset(texts, most) if form is Form.ISO_ZONE else ()
            return Times(
                form, formats, first=min(moments), last=max(moments), in_order=_rising(moments), why=form.value
            )
    if _share(_CLOCK, texts) >= most:
        clocks = _fitting(CLOCKS, texts, most)
        return Times(Form.CLOCK, tuple(clocks), why="times of day, without a day") if clocks else None
    return _formatted(texts, most)


def _with_offset(texts: Sequence[str], most: float) -> tuple[str, ...]:
    """Return the format of times with an offset that are not written as RFC 3339 has them; none where they are."""
    if _share(_RFC_3339, texts) >= most:
        return ()
    shapes = [
        f"%Y-%m-%d{mark}%H:%M{seconds}{gap}{offset}"
        for mark, seconds, gap, offset in product(" T", (":%S", ":%S.%f", ""), ("", " "), ("%z", "UTC"))
    ]
    return tuple(_fitting(shapes, texts, most)[:1])


def joined(days: Times, clocks: Times) -> tuple[str, ...]:
    """Return the formats of a day and a time of day in two columns, joined by a blank."""
    of_days = days.formats or ("%Y-%m-%d",)
    return tuple(f"{day} {clocks.formats[0]}" for day in of_days)


def _typed(column: Column) -> Times:
    moments = [value for value in column.there if isinstance(value, datetime)]
    aware = [value if value.tzinfo else value.replace(tzinfo=UTC) for value in moments]
    form = Form.ISO_ZONE if all(value.tzinfo for value in moments) else Form.ISO_LOCAL
    return Times(form, first=min(aware), last=max(aware), in_order=_rising(aware), why=f"the file's own {form.value}")


def _numbers(column: Column, *, named: bool) -> Times | None:
    values = [float(text) for text in column.texts if _INTEGER.fullmatch(text) and len(text) < 25]
    if not values:
        return None
    low, high = min(values), max(values)
    if low >= 10_000_101 and high <= 99_991_231 and named and (made := _formatted(column.texts, _NAMED_MOST)):
        return made
    for per_second, unit in _UNITS.items():
        # From 1990 to 2100; other whole numbers are not taken for times.
        if _EARLIEST.timestamp() * per_second <= low and high <= 4_102_444_800 * per_second:
            if not named and len(set(values)) < len(values) / 2:
                return None
            return Times(
                Form.EPOCH,
                per_second=per_second,
                first=datetime.fromtimestamp(low / per_second, UTC),
                last=datetime.fromtimestamp(high / per_second, UTC),
                in_order=_rising(values),
                why=f"{unit} since 1970",
            )
    if named and high < 10**8:
        return Times(Form.STEP, greatest=high, in_order=_rising(values), why="numbers that count from a beginning")
    return None


def _formatted(texts: Sequence[str], most: float) -> Times | None:
    sample = texts[:: max(1, len(texts) // _TRIED)][:_TRIED]
    if not any(_DAYS.match(text) for text in sample):
        return None
    tried = _worth_trying(sample)
    formats = _without_short_years(_fitting(tried, texts, most))
    if not formats:
        return None
    moments = {one: [made for made in (_parsed(text, one) for text in texts) if made] for one in formats}
    spans = {one: max(found) - min(found) for one, found in moments.items()}
    rising = [one for one in formats if _rising(moments[one]) and len(set(moments[one])) > 2]
    why = "only this format fits all values"
    if len(formats) > 1 and len(rising) == 1:
        formats, why = rising, "only in this format do the rows come in order of time"
    elif len(formats) > 1:
        formats = sorted(formats, key=lambda one: (spans[one], formats.index(one)))
        why = "several formats fit all values"
    best = moments[formats[0]]
    form = Form.FORMAT if "%H" in formats[0] or "%I" in formats[0] else Form.DAY
    return Times(form, tuple(formats), first=min(best), last=max(best), in_order=_rising(best), why=why)


def _worth_trying(sample: Sequence[str]) -> list[str]:
    """Return the formats that some texts may be in: days and times of day are looked at apart, for there are many."""
    parts = [(match[1], match[2], match[3]) for text in sample if (match := _DAY_AND_CLOCK.fullmatch(text))]
    alone = [text for text in sample if not _DAY_AND_CLOCK.fullmatch(text)]
    days = [one for one in DAYS if any(_parsed(text, one) for text in alone)]
    before = [one for one in DAYS if any(_parsed(day, one) for day, _, _ in parts)]
    clocks = [one for one in CLOCKS if any(_parsed(clock, one) for _, _, clock in parts)]
    gaps = sorted({gap for _, gap, _ in parts})
    return [*days, *(f"{day}{gap}{clock}" for day, gap, clock in product(before, gaps, clocks))]


def _without_short_years(formats: list[str]) -> list[str]:
    """Drop formats that another explains better: %y where %Y fits too, %B where %b does."""
    kept = [one for one in formats if not ("%y" in one and one.replace("%y", "%Y") in formats)]
    return [one for one in kept if not ("%B" in one and one.replace("%B", "%b") in kept)]


def _fitting(formats: Iterable[str], texts: Sequence[str], most: float) -> list[str]:
    """Return the formats that nearly all texts are in; where some fit every one, only those."""
    found = Counter({one: sum(_parsed(text, one) is not None for text in texts) for one in formats})
    best = max(found.values(), default=0)
    return [one for one, count in found.items() if count and count == best and count >= most * len(texts)]


def _parsed(text: str, form: str) -> datetime | None:
    try:
        made = datetime.strptime(text, form)  # noqa: DTZ007  # the zone comes after
    except ValueError:
        return None
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    return made if 1970 <= made.year < 2100 or ("%Y" not in form and "%y" not in form) else None


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.fullmatch(text) is not None for text in texts) / len(texts)


def _iso(text: str) -> datetime | None:
    try:
        made = datetime.fromisoformat(text.replace("UTC", "+00:00").replace(",", ".").replace(" +", "+"))
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _rising(values: Sequence[datetime] | Sequence[float]) -> bool:
    return all(a <= b for a, b in pairwise(values))  # type: ignore[operator]
