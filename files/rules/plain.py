"""A column taken as it is: converted where the file's format is to blame, else left for the stream to judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from files.convert import SAME, from_text, from_typed, scaled, whole
from files.fields import Kind
from files.rules.times import in_zone

if TYPE_CHECKING:
    from decimal import Decimal

    from files.rules.rule import Convert, Faults, Rows, Values

_NUMBERED: Final = frozenset({"mcc", "rrn"})
"""Text fields that a switch may as well write as numbers."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A column by its name, and what is known of its target and of its file."""

    column: str
    kind: Kind = Kind.TIME
    factor: Decimal | None = None
    format: str = ""
    """Of the file."""
    zone: str | None = None
    """Of times without an offset; None: they are left as they are."""
    optional: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def make(self, target: str, rows: Rows, _faults: Faults) -> Values:
        """Return the values; none of them is refused here."""
        values = rows.columns[0]
        if self.format == "csv" and self.kind is Kind.TEXT:
            return [cell or None for cell in values]
        # Looking at the types is a tenth of the work, and nearly always says that nothing is to be done.
        types = set(map(type, values))
        convert = self._reader(target, types - {float} if _are_finite(types, values) else types)
        made = values if convert is None else list(map(convert, values))
        if self.factor is not None:
            factor = self.factor
            made = [scaled(value, factor, self.kind) for value in made]
        elif self.optional and self.kind in {Kind.INTEGER, Kind.TIME} and (convert is not None or float in types):
            made = [value if type(value) is int else whole(value) for value in made]
        if self.kind is Kind.TIME and self.zone is not None:
            made = in_zone([_local(value) if type(value) is str else value for value in made], self.zone)
        return made

    def _reader(self, target: str, types: set[type]) -> Convert | None:
        """Return what converts values of these types; None where they stay as they are."""
        if self.format == "csv":
            return from_text(self.kind)
        if self.format != "parquet":
            return None
        if self.kind is Kind.TEXT and target not in _NUMBERED:
            return None if types <= SAME - {int} else _name
        return None if types <= SAME else from_typed


def _are_finite(types: set[type], values: Values) -> bool:
    """Tell whether these are floats, as far as there are any, that JSON can hold."""
    return float in types <= {float, NoneType} and all(map(isfinite, filter(None, values)))


def _name(value: Any) -> Any:
    """Return a number in a column of names as text, as it would be in CSV."""
    return str(value) if type(value) is int else from_typed(value)


def _local(text: str) -> Any:
    """Return an ISO time without an offset as a datetime; all else as it is, for the stream to judge."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo is None else text
