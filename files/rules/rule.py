"""What a rule is, how it refuses a value, and how a value is shown in an error without telling who it is of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from files.formats.piece import Refused

Values = Sequence[Any]
Convert = Callable[[Any], Any]

_PLAIN: Final = re.compile(r"[0-9.,:/+\-()' TZAPMapm₹%]{1,32}")
"""What numbers, dates and amounts are made of, and no name is."""
_SHOWN: Final = 2


class Unfit(Exception):  # noqa: N818  # it says what a value is, and ends in a refused row
    """A value is none of those that its rule takes: the reason, as the stream calls it, and what was expected."""

    def __init__(self, reason: str, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.reason = reason
        self.expected = expected
        self.hint = hint


class Faults:
    """Collects the rows that are refused; of each the first fault counts."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self.by_index: dict[int, Refused] = {}

    def add(self, index: int, target: str, column: str, unfit: Unfit, came: Any) -> None:
        """Note why a row cannot be used."""
        hint = f"; {unfit.hint}" if unfit.hint else ""
        detail = f"{named(target, column)}: expected {unfit.expected}, got {shown(came)}{hint}"
        self.by_index.setdefault(index, Refused(self._numbers[index], unfit.reason, detail, column))


class Rows(NamedTuple):
    """Columns of some rows, in the order of a rule's `columns`, and the numbers of the rows over all files."""

    columns: list[Values]
    numbers: Sequence[int]


class Rule(Protocol):
    """One target's way from columns of a file to values of a message."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that it reads."""
        ...

    def make(self, target: str, rows: Rows, faults: Faults) -> Values:
        """Return the target's values; None where there is none, or where the row is refused."""
        ...


def each(target: str, column: str, convert: Convert, values: Values, faults: Faults) -> Values:
    """Return every value converted; one that `convert` calls unfit is a fault of its row."""
    try:
        return list(map(convert, values))
    except Unfit:
        # Rare, so that nothing is paid for it where all is well.
        return [_tried(target, column, convert, index, value, faults) for index, value in enumerate(values)]


def _tried(target: str, column: str, convert: Convert, index: int, value: Any, faults: Faults) -> Any:
    try:
        return convert(value)
    except Unfit as unfit:
        faults.add(index, target, column, unfit, value)
        return None


def named(target: str, column: str) -> str:
    """Return what a target is called in an error, with its column where that has another name."""
    return f"{target} (column {column!r})" if column not in {"", target} else target


def shown(value: Any) -> str:
    """Return a value as an error may show it: numbers and dates whole; of all else the beginning and the length."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = text_of(value)
    if _PLAIN.fullmatch(text):
        return repr(text)
    start = text[:_SHOWN] if len(text) > _SHOWN else ""
    return f"{start + '…'!r} ({len(text)} characters)"


def text_of(value: Any) -> str:
    """Return a value as text, the same for the same value in every format: 1 and 1.0 are 1, true is true."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
