"""Inline tables of a map as rules; each mistake is said with what was expected and an example that works."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from files.convert import moment_of
from files.errors import SourceError
from files.fields import Kind
from files.rules.amounts import UNITS, Amount
from files.rules.ids import HashOf, RowNumber
from files.rules.labels import Labels, folded
from files.rules.parties import HANDLE, Party
from files.rules.plain import Plain
from files.rules.times import After, Steps, Written, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from files.rules.rule import Rule

_LONGEST_PREFIX: Final = 40

FORMS: Final = {
    frozenset({"row_number"}): '{ row_number = "ROW-" }',
    frozenset({"hash_of"}): '{ hash_of = ["COLUMN", "COLUMN"] }',
    frozenset({"column", "handle"}): '{ column = "COLUMN", handle = "mybank" }',
    frozenset({"column", "unit"}): '{ column = "COLUMN", unit = "rupees" }',
    frozenset({"column", "format"}): '{ column = "COLUMN", format = "%d/%m/%Y %H:%M:%S" }',
    frozenset({"columns", "format"}): '{ columns = ["DATE", "TIME"], format = "%d/%m/%Y %H:%M:%S" }',
    frozenset({"column", "epoch", "step"}): '{ column = "COLUMN", epoch = 2026-01-01T00:00:00+05:30, step = "1h" }',
    frozenset({"column", "fraud", "genuine"}): '{ column = "COLUMN", fraud = [1, "yes"], genuine = [0, "no"] }',
    frozenset({"after", "delay"}): '{ after = "event_time", delay = "7d" }',
    frozenset({"column"}): '{ column = "COLUMN" }',
}
"""By the keys that a form must have, an example."""
_MAY: Final = {frozenset({"column", "unit"}): frozenset({"sign", "decimal"})}
_SUITS: Final[dict[frozenset[str], Callable[[str, Kind], bool]]] = {
    frozenset({"row_number"}): lambda target, _: target == "transaction_id",
    frozenset({"hash_of"}): lambda target, _: target == "transaction_id",
    frozenset({"column", "handle"}): lambda target, _: target.endswith("_vpa"),
    frozenset({"column", "unit"}): lambda target, _: target.endswith("_paise"),
    frozenset({"column", "format"}): lambda _, kind: kind is Kind.TIME,
    frozenset({"columns", "format"}): lambda _, kind: kind is Kind.TIME,
    frozenset({"column", "epoch", "step"}): lambda _, kind: kind is Kind.TIME,
    frozenset({"column", "fraud", "genuine"}): lambda target, _: target == "outcome",
    frozenset({"after", "delay"}): lambda _, kind: kind is Kind.TIME,
    frozenset({"column"}): lambda _target, _kind: True,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a map: where it is written, what kind of value it takes, and those that it may refer to."""

    where: str
    name: str
    kind: Kind
    others: Mapping[str, Any]
    """What the map says of all targets."""
    kinds: Mapping[str, Kind]

    def wrong(self, expected: str, came: object) -> SourceError:
        """Return the error for this target."""
        return SourceError(f"{self.where}: {self.name}: expected {expected}, got {came}")

    def suiting(self) -> str:
        """Return the forms that this target can have."""
        return " or ".join([f'{self.name} = "COLUMN"', *(FORMS[form] for form in FORMS if self.suits(form))][:-1])

    def suits(self, form: frozenset[str]) -> bool:
        """Say whether a form is one of this target's."""
        return _SUITS[form](self.name, self.kind)


def rule_of(target: Target, table: Mapping[str, Any]) -> Rule:
    """Return the rule that an inline table is; raises SourceError where it is none."""
    form = _form(target, table)
    if not target.suits(form):
        raise target.wrong(target.suiting(), "{ " + ", ".join(sorted(table)) + " }")
    if "row_number" in table:
        return RowNumber(_text(target, table, "row_number", at_most=_LONGEST_PREFIX, may_be_empty=True))
    if "hash_of" in table:
        return HashOf(_texts(target, table, "hash_of"))
    if "after" in table:
        return _after(target, table)
    if "columns" in table:
        return Written(_texts(target, table, "columns"), _format(target, table))
    column = _text(target, table, "column")
    if "format" in table:
        return Written((column,), _format(target, table))
    if "epoch" in table:
        return Steps(column, _epoch(target, table["epoch"]), _duration(target, table, "step"))
    if "handle" in table:
        return Party(column, _handle(target, table))
    if "unit" in table:
        return _amount(target, column, table)
    if "fraud" in table:
        return _labels(target, column, table)
    return Plain(column)


def _form(target: Target, table: Mapping[str, Any]) -> frozenset[str]:
    keys = frozenset(table)
    for must in sorted(FORMS, key=len, reverse=True):
        if must <= keys <= must | _MAY.get(must, frozenset()):
            return must
    known = {key for must in FORMS for key in must | _MAY.get(must, frozenset())}
    for key in table:
        if key not in known:
            raise target.wrong(f"a table with keys as in {target.suiting()}", f"{key!r}{nearest(key, sorted(known))}")
    raise target.wrong(target.suiting(), "{ " + ", ".join(sorted(table)) + " }")


def _text(
    target: Target, table: Mapping[str, Any], key: str, at_most: int = 1_000, *, may_be_empty: bool = False
) -> str:
    value = table[key]
    if not isinstance(value, str) or len(value) > at_most or not (value or may_be_empty or key == "column"):
        raise target.wrong(f"{key} to be a text of at most {at_most} characters", repr(value))
    return value


def _texts(target: Target, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise target.wrong(f'{key} to be names of columns, as ["COLUMN", "COLUMN"]', repr(value))
    return tuple(value)


def _format(target: Target, table: Mapping[str, Any]) -> str:
    format_ = _text(target, table, "format")
    try:
        there = datetime(2026, 1, 2, 3, 4, 5).strftime(format_)  # noqa: DTZ001  # only to see that the format is one
        datetime.strptime(there, format_)  # noqa: DTZ007
    except ValueError as error:
        raise target.wrong(
            "a format as %d/%m/%Y %H:%M:%S, of the letters of strftime", f"{format_!r} ({error})"
        ) from None
    if not re.search("%[cxjdDsFGuUVwW]", format_) and "%d" not in format_:
        raise target.wrong("a format with a day in it, as %d/%m/%Y %H:%M:%S", repr(format_))
    return format_


def _duration(target: Target, table: Mapping[str, Any], key: str) -> int:
    value = table[key]
    found = milliseconds(value) if isinstance(value, str) else None
    if found is None or (found == 0 and key == "step"):
        raise target.wrong(f'{key} to be a duration, as "7d", "1h", "30m", "1s"', repr(value))
    return found


def _epoch(target: Target, value: Any) -> int:
    moment = moment_of(value.isoformat() if isinstance(value, datetime) else value)
    if moment is None:
        raise target.wrong("epoch to be a time with an offset, as 2026-01-01T00:00:00+05:30", value)
    return moment


def _handle(target: Target, table: Mapping[str, Any]) -> str:
    handle = table["handle"]
    if not isinstance(handle, str) or not HANDLE.fullmatch(handle):
        raise target.wrong(
            'handle to be the part behind the @, as "mybank": small letters, digits, dots and hyphens', repr(handle)
        )
    return handle


def _amount(target: Target, column: str, table: Mapping[str, Any]) -> Amount:
    unit, decimal, sign = table["unit"], table.get("decimal", "."), table.get("sign")
    if unit not in UNITS:
        raise target.wrong('unit to be "rupees" or "paise"', repr(unit))
    if decimal not in {".", ","}:
        raise target.wrong('decimal to be "." or ",": what stands before the paise', repr(decimal))
    if sign not in {None, "absolute"}:
        raise target.wrong('sign to be "absolute": the amount without its minus', repr(sign))
    return Amount(column, unit, decimal, absolute=sign == "absolute")


def _labels(target: Target, column: str, table: Mapping[str, Any]) -> Labels:
    words: dict[str, tuple[str, ...]] = {}
    for key in ("fraud", "genuine"):
        value = table[key]
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(one, str | int | float) for one in listed):
            raise target.wrong(f'{key} to be labels, as [1, "yes"]', repr(value))
        words[key] = tuple(dict.fromkeys(folded(one) for one in listed))
    both = set(words["fraud"]) & set(words["genuine"])
    if both:
        raise target.wrong("each label to mean fraud or genuine", f"{', '.join(sorted(both))} under both")
    return Labels(column, words["fraud"], words["genuine"])


def _after(target: Target, table: Mapping[str, Any]) -> After:
    other = table["after"]
    if other == target.name or target.kinds.get(other) is not Kind.TIME:
        times = [name for name, kind in target.kinds.items() if kind is Kind.TIME and name != target.name]
        raise target.wrong(f"after to be another time: {', '.join(times)}", repr(other))
    said = target.others.get(other, other)
    if isinstance(said, dict):
        if "after" in said:
            raise target.wrong("after to be a time of the file", f"{other}, which is after another one itself")
        there = Target(target.where, other, Kind.TIME, target.others, target.kinds)
        return After(other, rule_of(there, said), _duration(target, table, "delay"))
    return After(other, Plain(said), _duration(target, table, "delay"))


def nearest(name: str, names: list[str]) -> str:
    """Return a question for the name that was probably meant; empty where none is like it."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
