"""Labels of any words as outcomes: which mean fraud and which mean genuine is said, all others are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from files.rules.rule import Unfit, each, text_of

if TYPE_CHECKING:
    from files.rules.rule import Faults, Rows, Values

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of labels; an empty one says nothing, so its row is no outcome."""

    column: str
    fraud: tuple[str, ...]
    genuine: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The column with the labels."""
        return (self.column,)

    def make(self, target: str, rows: Rows, faults: Faults) -> Values:
        """Return FRAUD or GENUINE; None where the label is empty."""
        known: dict[Any, str | None] = {"": None}
        known |= dict.fromkeys(self.fraud, "FRAUD") | dict.fromkeys(self.genuine, "GENUINE")
        expected = f"{', '.join(self.fraud)} (fraud) or {', '.join(self.genuine)} (genuine), or nothing"
        hint = "name the value in the map, under fraud or under genuine"

        def convert(value: Any) -> str | None:
            if value is None:
                return None
            try:
                return known[folded(value)]
            except KeyError:
                raise Unfit("out-of-range", expected, hint) from None

        return each(target, self.column, convert, rows.columns[0], faults)


def folded(value: Any) -> str:
    """Return a label without what does not matter: 1, 1.0, "1" and " 01 " are one, and so are Yes and YES."""
    text = text_of(value).strip().lower()
    return format(Decimal(text).normalize(), "f") if _NUMBER.fullmatch(text) else text
