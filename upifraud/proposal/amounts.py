"""Amounts as files write them: which mark parts the fraction, which unit is meant, what signs there are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from upifraud.proposal.sample import Column

_AMOUNT: Final = re.compile(
    r"(?P<open>\()?(?P<sign>[-+\u2212])?\s*(?P<currency>₹|rs\.?|inr|usd|eur|gbp|\$|€|£)?\s*(?P<sign2>[-+\u2212])?"
    r"(?P<digits>[0-9][0-9.,' \u00a0\u202f]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)"
    r"\s*(?P<after>₹|rs\.?|inr|usd|eur|gbp|\$|€|£)?(?P<sign3>-)?\s*(?P<side>dr|cr)?\.?(?P<close>\))?(?:/-)?",
    re.IGNORECASE,
)
_GROUPED: Final = {
    mark: re.compile(rf"[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{2,3}})*{re.escape(mark)}[0-9]{{3}}") for mark in ",."
}
_PAISE_WORDS: Final = frozenset({"paise", "paisa", "minor", "cents", "cent"})
_RUPEE_WORDS: Final = frozenset({"rupees", "rupee", "inr", "rs", "usd", "eur", "gbp", "euro", "dollar", "dollars"})
_INDIAN: Final = frozenset({"₹", "rs", "rs.", "inr"})
_HUNDREDS: Final = 0.97
_ENOUGH: Final = 50


class Mark(Enum):
    """What a comma or a full stop in an amount is."""

    UNKNOWN = "unknown"
    POINT = "a full stop before the fraction"
    COMMA = "a comma before the fraction"


@dataclass(frozen=True)
class Amounts:
    """What a column of amounts tells of itself."""

    read: int
    """How many of its values are amounts."""
    mark: Mark
    """UNKNOWN where it matters and no value decides it; POINT where there is none."""
    ambiguous: str | None
    """A value that can be read in two ways, where no value decides."""
    fractions: bool
    """Whether some have a fraction: then they cannot be paise."""
    whole: bool
    """Whether all are whole numbers."""
    hundreds: bool
    """Whether nearly all are multiples of 100, and not all the same."""
    minus: int
    plain: bool
    """Whether all are written as programs write numbers: digits, a full stop, a minus."""
    sides: frozenset[str]
    """dr and cr, where they stand behind the amounts."""
    indian: bool
    """Whether a currency sign says rupees."""


def amounts_of(column: Column) -> Amounts | None:
    """Return what the values tell; None where less than half of them are amounts."""
    found = [match for match in map(_AMOUNT.fullmatch, column.texts) if match]
    if not found or 2 * len(found) < len(column.texts):
        return None
    digits = [match["digits"].strip() for match in found]
    mark, ambiguous = (Mark.POINT, None) if column.typed(int, float, Decimal) else _mark(digits)
    numbers = [_number(text, mark) for text in digits]
    fractions = [number for number in numbers if number.denominator > 1]
    hundreds = sum(number % 100 == 0 for number in numbers)
    return Amounts(
        read=len(found),
        mark=mark,
        ambiguous=ambiguous,
        fractions=bool(fractions),
        whole=not fractions,
        hundreds=len(numbers) >= _ENOUGH and hundreds >= _HUNDREDS * len(numbers) and len(set(numbers)) > 10,
        minus=sum(_is_minus(match) for match in found),
        plain=all(
            not (match["currency"] or match["after"] or match["open"] or match["side"] or match["sign3"])
            and not set(match["digits"]) & set(",' \u00a0\u202f")
            for match in found
        ),
        sides=frozenset(match["side"].lower() for match in found if match["side"]),
        indian=any((match["currency"] or match["after"] or "").lower() in _INDIAN for match in found),
    )


def unit_of(amounts: Amounts, words: Sequence[str]) -> tuple[str | None, str]:
    """Return rupees or paise with the reason, or None where nothing decides, with why."""
    if amounts.fractions:
        return "rupees", "some amounts have a fraction, and paise have none"
    if not _PAISE_WORDS.isdisjoint(words):
        return "paise", "its name says so"
    if not _RUPEE_WORDS.isdisjoint(words):
        return "rupees", "its name says so"
    if amounts.indian:
        return "rupees", "a currency sign stands beside the amounts"
    if amounts.hundreds:
        return "paise", "nearly all amounts are multiples of 100, as whole rupees in paise are"
    return None, "all amounts are whole numbers, and its name does not say which"


def _is_minus(match: re.Match[str]) -> bool:
    return bool(match["open"] or match["sign3"] or {match["sign"], match["sign2"]} & {"-", "\u2212"})


def _mark(digits: Iterable[str]) -> tuple[Mark, str | None]:
    """Return what parts the fraction; a value such as 1,234 decides nothing, one such as 1,23 or 1,234.5 does."""
    votes = {Mark.POINT: 0, Mark.COMMA: 0}
    doubtful: list[tuple[str, str]] = []
    small_without = False
    large_without = False
    for text in digits:
        comma, point = text.rfind(","), text.rfind(".")
        if comma >= 0 and point >= 0:
            votes[Mark.POINT if point > comma else Mark.COMMA] += 1
        elif comma < 0 and point < 0:
            small_without |= len(text) <= 3
            large_without |= len(text) > 3
        else:
            mark = "," if comma >= 0 else "."
            if _GROUPED[mark].fullmatch(text):
                if text.count(mark) > 1:
                    votes[Mark.POINT if mark == "," else Mark.COMMA] += 1
                else:
                    doubtful.append((mark, text))
            else:
                votes[Mark.COMMA if mark == "," else Mark.POINT] += 1
    return _decided(votes, doubtful, small_without, large_without)


def _decided(
    votes: dict[Mark, int], doubtful: list[tuple[str, str]], small_without: bool, large_without: bool
) -> tuple[Mark, str | None]:
    if votes[Mark.POINT] and votes[Mark.COMMA]:
        return (Mark.POINT if votes[Mark.POINT] >= votes[Mark.COMMA] else Mark.COMMA), None
    for mark, count in votes.items():
        if count:
            return mark, None
    if not doubtful:
        return Mark.POINT, None
    grouping = Mark.POINT if doubtful[0][0] == "," else Mark.COMMA
    # Thousands are parted throughout: hundreds stand without a mark, and no number of four digits does.
    if len(doubtful) >= 3 and small_without and not large_without:
        return grouping, None
    return Mark.UNKNOWN, doubtful[0][1]


def _number(text: str, mark: Mark) -> Fraction:
    plain = re.sub(r"[' \u00a0\u202f]", "", text)
    plain = plain.replace(".", "").replace(",", ".") if mark is Mark.COMMA else plain.replace(",", "")
    try:
        return Fraction(plain) if len(plain) < 40 else Fraction(0)
    except ValueError:
        return Fraction(0)
