"""Rows of a file as messages: one converter a target, made once, and whole columns at a time."""

from __future__ import annotations

import json
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from files.convert import moment_of
from files.fields import Kind
from files.formats.json_file import LARGEST
from files.formats.piece import Refused
from files.rules.labels import Labels
from files.rules.plain import Plain
from files.rules.rule import Faults, Rows
from files.rules.times import After

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from files.fields import Fields
    from files.rules.rule import Convert, Rule, Values

TOO_LARGE: Final = "too-large"
"""As the stream calls it; it says so itself of records that are large, but not too large for a broker."""

_encoder: Final = msgspec.json.Encoder()


class Message(NamedTuple):
    """One record to publish; `moment` is its event_time or reported_at in epoch ms, None where it has none."""

    key: bytes | None
    value: bytes
    moment: int | None
    transaction_id: str | None = None
    row: int = 0
    """The row of the file that it was made of, counted from 1 without header and blank lines."""


class Maker:
    """Makes messages of columns of one file."""

    def __init__(self, fields: Fields, rules: Mapping[str, Rule], const: Mapping[str, Any]) -> None:
        self._fields = fields
        self._rules = dict(rules)
        self._const = {name: value for name, value in const.items() if name in fields.kinds}
        self.needed = list(dict.fromkeys(column for rule in rules.values() for column in rule.columns))
        """The columns to read, in the order in which `messages` takes them."""
        self.columns = {target: rule.columns for target, rule in rules.items()}
        """Of each target, the columns that it is made of."""
        self.times = [column for rule in rules.values() for column in _times(rule)]
        """Those of them that hold times."""
        self._positions = {
            target: [self.needed.index(column) for column in rule.columns] for target, rule in rules.items()
        }
        self._labels = [target for target, rule in rules.items() if isinstance(rule, Labels)]
        names = [(name, Any, None) for name in (*rules, *self._const)]
        self._record: Callable[..., Any] = msgspec.defstruct("Record", names, omit_defaults=True, gc=False)

    def messages(
        self,
        columns: Sequence[Values],
        numbers: Sequence[int],
        refuse: Callable[[Refused], None],
        *,
        bare: bool = False,
    ) -> list[Message]:
        """Return a message for every row that one can be made of; `refuse` is told of the others.

        A row whose label is empty is no outcome, and none that is refused. bare: with its value and row alone.
        """
        faults = Faults(numbers)
        made: dict[str, Sequence[Any]] = {
            target: rule.make(target, Rows([columns[at] for at in self._positions[target]], numbers), faults)
            for target, rule in self._rules.items()
        }
        silent = self._silent_rows(made, faults)
        count = len(numbers)
        made |= {name: [value] * count for name, value in self._const.items()}
        values = self._encoded([*made.values()], numbers, faults)
        nothing: Sequence[Any] = [None] * count
        keys = moments = ids = nothing
        if not bare:
            keys = _each(_key, {NoneType}, made.get(self._fields.key) or nothing)
            moments = _each(moment_of, {int, NoneType}, made.get(self._fields.moment) or nothing)
            ids = _each(_text, {str, NoneType}, made.get("transaction_id") or nothing)
        messages = list(map(Message, keys, values, moments, ids, numbers))
        for index, value in enumerate(values):
            if len(value) > LARGEST:
                faults.by_index.setdefault(index, too_large(numbers[index]))
        for index, refused in sorted(faults.by_index.items()):
            row = {name: columns[at][index] for at, name in enumerate(self.needed)}
            refuse(refused._replace(content=json.dumps(row, ensure_ascii=False, default=str)))
        if left_out := silent | faults.by_index.keys():
            return [message for index, message in enumerate(messages) if index not in left_out]
        return messages

    def _silent_rows(self, made: Mapping[str, Sequence[Any]], faults: Faults) -> set[int]:
        """Return the rows without a label: nothing is said of their payment, so nothing can be wrong with it."""
        silent: set[int] = set()
        for target in self._labels:
            columns = self._rules[target].columns
            for index, value in enumerate(made[target]):
                if value is None and not (index in faults.by_index and faults.by_index[index].column in columns):
                    faults.by_index.pop(index, None)
                    silent.add(index)
        return silent

    def _encoded(self, columns: list[Sequence[Any]], numbers: Sequence[int], faults: Faults) -> list[bytes]:
        if not columns:
            return [b"{}"] * len(numbers)
        records = list(map(self._record, *columns))
        try:
            return list(map(_encoder.encode, records))
        except (TypeError, ValueError, OverflowError, RecursionError):
            return [self._tried(index, record, numbers, faults) for index, record in enumerate(records)]

    def _tried(self, index: int, record: Any, numbers: Sequence[int], faults: Faults) -> bytes:
        try:
            return _encoder.encode(record)
        except (TypeError, ValueError, OverflowError, RecursionError):
            row = numbers[index]
            faults.by_index.setdefault(
                index, Refused(row, "not-json", "expected values that JSON can hold: text without halves of characters")
            )
            return b"{}"


def _each(convert: Convert, same: set[type], values: Values) -> Values:
    """Return every value converted; all stay as they are where they have no types but these."""
    return values if set(map(type, values)) <= same else list(map(convert, values))


def _key(value: Any) -> bytes | None:
    return value.encode("utf-8", "replace") if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _times(rule: Rule) -> list[str]:
    if isinstance(rule, After):
        return _times(rule.rule)
    return [rule.column] if isinstance(rule, Plain) and rule.kind is Kind.TIME else []


def too_large(number: int) -> Refused:
    """Return the refusal of a row that no broker takes."""
    return Refused(number, TOO_LARGE, f"expected at most {LARGEST} bytes, which a broker takes")
