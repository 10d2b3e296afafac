"""Amounts as people write them, as exact paise; nothing is guessed between 1,234 and 1.234."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from files.rules.rule import Unfit, each

if TYPE_CHECKING:
    from files.rules.rule import Faults, Rows, Values

UNITS: Final = {"rupees": 100, "paise": 1}
_PLAIN: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,2})0*)?")
"""Nearly all amounts there are."""
_CURRENCY: Final = re.compile(r"(?:rs\.?|inr|₹|rupees?|usd|eur|gbp|[$€£])", re.IGNORECASE)
"""Other currencies are counted as if they were rupees: public files have them, and no feature knows a rate."""
_SIDE: Final = re.compile(r"\s*(?<![a-z])(dr|cr)\.?$", re.IGNORECASE)
"""Debit and credit behind an amount. A debit is paid; a credit is the other way, as a minus is."""
_WRITTEN: Final = {
    # Groups of three, by a mark or by a blank, or Indian ones: three digits last, and two before.
    ".": re.compile(
        r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?:\s[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3}|)"
        r"(\.[0-9]*)?(e[+-]?[0-9]{1,3})?"
    ),
    ",": re.compile(
        r"([0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:\s[0-9]{3})+|[0-9]{1,2}(?:\.[0-9]{2})*\.[0-9]{3}|)"
        r"(,[0-9]*)?()"
    ),
}
_MINUS: Final = "-\u2212\u2013"
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Amount:
    """A column of amounts in one unit."""

    column: str
    unit: str
    decimal: str = "."
    absolute: bool = False
    """Whether a minus says only which way the money went; without it a negative amount is refused."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column with the amounts."""
        return (self.column,)

    def make(self, target: str, rows: Rows, faults: Faults) -> Values:
        """Return whole paise."""
        factor = UNITS[self.unit]
        plain = self.decimal == "."

        def convert(value: Any) -> int | None:
            if value is None or value == "":
                return None
            if plain and type(value) is str and (match := _PLAIN.fullmatch(value)):
                fraction = match[2]
                if fraction is None:
                    return int(match[1]) * factor
                if factor == 100:
                    return int(match[1]) * 100 + int(fraction if len(fraction) == 2 else fraction + "0")
            return self._paise(value, factor)

        return each(target, self.column, convert, rows.columns[0], faults)

    def _paise(self, value: Any, factor: int) -> int | None:
        amount = self._amount(value)
        if amount is None:
            return None
        if amount < 0 and not self.absolute:
            raise Unfit(
                "out-of-range",
                f"{self.unit} above 0",
                'say in the map what a minus means: sign = "absolute" takes the amount without it',
            )
        paise = abs(amount) * factor
        if paise != paise.to_integral_value():
            raise Unfit("wrong-type", "an amount in whole paise", self._other_mark(value))
        return int(paise)

    def _amount(self, value: Any) -> Decimal | None:
        if isinstance(value, str):
            return self._read(value)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise Unfit("wrong-type", f"an amount in {self.unit}")
        amount = Decimal(repr(value) if isinstance(value, float) else value)
        return amount if amount.is_finite() else None  # NaN is how data frames write nothing

    def _read(self, written: str) -> Decimal | None:
        text = written.strip()
        if not text:
            return None
        side = _SIDE.search(text) if text[-1] in "rR." else None
        credit = side is not None and side[1].lower() == "cr"
        text = text[: side.start()] if side is not None else text
        negative = text.startswith("(") and text.endswith(")")  # as accountants write it
        text = text[1:-1] if negative else text
        text = _CURRENCY.sub("", text, count=1).strip().removesuffix("/-").strip()
        if text and text[0] in _MINUS:
            negative, text = True, text[1:].strip()
        elif text and text[-1] in _MINUS:
            negative, text = True, text[:-1].strip()
        else:
            text = text.removeprefix("+").strip()
        match = _WRITTEN[self.decimal].fullmatch(text.lower()) if len(text) <= _LONGEST else None
        if match is None or not re.search("[0-9]", (match[1] or "") + (match[2] or "")):
            example = "1,234.50 or 1234.5" if self.decimal == "." else "1.234,50 or 1234,5"
            raise Unfit("wrong-type", f"an amount in {self.unit}, as {example}", self._other_mark(text))
        whole = re.sub(r"[.,\s]", "", match[1] or "") or "0"
        fraction = (match[2] or "").replace(",", ".")
        amount = Decimal(f"{whole}{fraction if len(fraction) > 1 else ''}{match[3] or ''}")
        return -amount if negative or credit else amount

    def _other_mark(self, value: Any) -> str:
        if not isinstance(value, str) or not re.search("[.,]", value):
            return ""
        other = "," if self.decimal == "." else "."
        return f'where fractions are written behind {other!r}, say in the map: decimal = "{other}"'
