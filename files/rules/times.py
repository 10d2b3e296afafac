"""Times of any writing as epoch milliseconds: by a format, by an epoch and a step, or some time after another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from files.convert import moment_of
from files.rules.rule import Unfit, each, text_of

if TYPE_CHECKING:
    from files.rules.rule import Convert, Faults, Rows, Rule, Values

_PARTS: Final = {
    "Y": r"(?P<Y>[0-9]{4})",
    "m": r"(?P<m>1[0-2]|0[1-9]|[1-9])",
    "d": r"(?P<d>3[01]|[12][0-9]|0[1-9]|[1-9])",
    "H": r"(?P<H>2[0-3]|[01][0-9]|[0-9])",
    "M": r"(?P<M>[0-5][0-9]|[0-9])",
    "S": r"(?P<S>[0-5][0-9]|[0-9])",
}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FARTHEST: Final = 10**15
"""Milliseconds; the year 33,658."""
NO_ZONE: Final = 'say which zone it is: zone = "Asia/Kolkata" in the map, or --zone Asia/Kolkata'


def milliseconds(duration: str) -> int | None:
    """Return a duration as 7d, 12h, 30m, 45s or 100ms in milliseconds; None if it is none."""
    match = _DURATION.fullmatch(duration.strip())
    if match is None:
        return None
    exact = Decimal(match[1]) * _MILLISECONDS[match[2]]
    return int(exact) if exact == exact.to_integral_value() and exact < _FARTHEST else None


@dataclass(frozen=True, slots=True)
class Written:
    """Times that are written in one format; several columns are joined by a blank."""

    columns: tuple[str, ...]
    format: str
    zone: str | None = None
    """Of times without an offset."""

    def make(self, target: str, rows: Rows, faults: Faults) -> Values:
        """Return epoch milliseconds."""
        convert = self._parser()
        texts = rows.columns[0] if len(rows.columns) == 1 else [_joined(row) for row in zip(*rows.columns, strict=True)]
        times = each(target, ", ".join(self.columns), convert, texts, faults)
        return in_zone(times, self.zone) if "%z" in self.format else _local_ms(times, self.zone)

    def _parser(self) -> Convert:
        parse = quick_parser(self.format)
        expected = f"a time as {self.format}"

        def convert(value: Any) -> datetime | None:
            if value is None or value == "":
                return None
            try:
                moment: datetime = parse(value if type(value) is str else text_of(value))
            except ValueError:
                raise Unfit("bad-time", expected) from None
            if moment.tzinfo is None and self.zone is None:
                raise Unfit("bad-time", "a time with an offset", NO_ZONE)
            return moment

        return convert


def quick_parser(format_: str) -> Any:
    """Return what parses the texts of a format as datetime.strptime does, ten times as fast for plain formats."""
    names = re.findall("%(.)", format_)
    if not set(names) <= set(_PARTS) or len(set(names)) != len(names) or not {"Y", "m", "d"} <= set(names):
        return lambda text: datetime.strptime(text.strip(), format_)  # noqa: DTZ007  # the zone is put on later
    pattern = re.sub(
        r"%([YmdHMS])|(\s+)|(.)",
        lambda match: _PARTS[match[1]] if match[1] else r"\s+" if match[2] else re.escape(match[3]),
        format_,
    )
    match_ = re.compile(pattern).fullmatch
    order = [name for name in "YmdHMS" if name in names]

    def parse(text: str) -> datetime:
        found = match_(text)
        if found is None:
            return datetime.strptime(text.strip(), format_)  # noqa: DTZ007  # it decides what is none
        return datetime(*map(int, found.group(*order)))  # type: ignore[arg-type]  # noqa: DTZ001  # as many as are ordered

    return parse if order == list("YmdHMS")[: len(order)] else lambda text: datetime.strptime(text.strip(), format_)  # noqa: DTZ007


def _joined(values: tuple[Any, ...]) -> str:
    return " ".join(text for value in values if value is not None and (text := text_of(value).strip()))


def in_zone(times: Values, zone: str | None) -> Values:
    """Return datetimes as epoch ms: those without an offset are local times of the zone; what is no datetime stays.

    Of an hour that a clock shows twice the first is meant; a time that it never shows is the next.
    """
    made = list(times)
    naive = [index for index, time in enumerate(made) if isinstance(time, datetime) and time.tzinfo is None]
    for index, time in enumerate(made):
        if isinstance(time, datetime) and time.tzinfo is not None:
            made[index] = (time - _EPOCH) // _MILLISECOND
    if naive and zone is not None:
        for index, moment in zip(naive, _local_ms([made[index] for index in naive], zone), strict=True):
            made[index] = moment
    return made


def _local_ms(times: Values, zone: str | None) -> Values:
    """Return local times, of which none has an offset, as epoch ms; None stays None."""
    local = pa.array(times, pa.timestamp("us"))
    aware = pc.assume_timezone(local, zone or "UTC", ambiguous="earliest", nonexistent="latest")
    return list(aware.cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64()).to_pylist())


@dataclass(frozen=True, slots=True)
class Steps:
    """Times that are numbers of steps after an epoch: 1 is the epoch and one step."""

    column: str
    epoch: int
    """Epoch milliseconds."""
    step: int
    """Milliseconds."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column with the numbers."""
        return (self.column,)

    def make(self, target: str, rows: Rows, faults: Faults) -> Values:
        """Return epoch milliseconds."""

        def convert(value: Any) -> int | None:
            if type(value) is int:
                return self.epoch + value * self.step
            if value is None or value == "":
                return None
            if type(value) is str and value.isdecimal() and len(value) < 16:
                return self.epoch + int(value) * self.step
            return self.epoch + int(_number(value) * self.step // 1)

        return each(target, self.column, convert, rows.columns[0], faults)


def _number(value: Any) -> Decimal:
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(text_of(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > _FARTHEST:
        raise Unfit("bad-time", "a number of steps after the epoch")
    return number


@dataclass(frozen=True, slots=True)
class After:
    """Times that are some time after another one of the same row."""

    target: str
    rule: Rule
    """That of the other time."""
    delay: int
    """Milliseconds."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the other time."""
        return self.rule.columns

    def make(self, _target: str, rows: Rows, faults: Faults) -> Values:
        """Return epoch milliseconds."""
        others = self.rule.make(self.target, rows, faults)

        def convert(value: Any) -> int:
            moment = moment_of(value)
            if moment is None:
                raise Unfit("bad-time", "a time")
            return moment + self.delay

        return each(self.target, ", ".join(self.columns), convert, others, faults)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = datetime(1970, 1, 1, 0, 0, 0, 1_000) - datetime(1970, 1, 1)  # noqa: DTZ001  # a difference
