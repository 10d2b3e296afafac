"""How one feature is spoken of: a stable code and a sentence, for high, low and missing values.

Sentences say what is so, not what it means: a feature counts towards fraud in combination with others, and the same
value may speak for a payment today and against it tomorrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from features.words import units

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Side:
    """One way a value can lie."""

    code: str
    text: str
    """A sentence without its stop; `{value}` stands for the value."""


NEW_PAYEE: Final = Side("NEW_PAYEE", "This is the payer's first known payment to this payee")
NO_HISTORY: Final = Side("NO_HISTORY", "The payer has no earlier payment in 30 days to compare with")


@dataclass(frozen=True, slots=True)
class Wording:
    """How one feature is spoken of."""

    high: Side
    low: Side
    missing: Side
    form: Callable[[float], str] = units.decimal
    pivot: float | None = None
    """A value above is high; None: above what is usual."""
    compared: bool = True
    """Whether the sentence goes on with what is usual."""


def flag(yes: Side, no: Side, unknown: Side) -> Wording:
    """Return the words of a feature that is 1 or 0."""
    return Wording(yes, no, unknown, pivot=0.5, compared=False)


def age(high: Side, low: Side, unknown: Side) -> Wording:
    """Return the words of a time that has passed."""
    return Wording(high, low, unknown, units.duration)


def ratio(high: str, low: str, text: str, unknown: Side) -> Wording:
    """Return the words of a ratio whose middle is 1."""
    return Wording(Side(high, text), Side(low, text), unknown, units.times, pivot=1.0, compared=False)


def risk(entity: str, text: str, none: str, form: Callable[[float], str]) -> Wording:
    """Return the words of a share of confirmed frauds."""
    unknown = Side(f"{entity}_FRAUD_UNKNOWN", f"Confirmed fraud of this {entity.lower()} could not be read")
    known = Side(f"KNOWN_FRAUD_{entity}", text)
    return Wording(known, Side(f"NO_KNOWN_FRAUD_{entity}", none), unknown, form, pivot=0.0, compared=False)


def named(names: tuple[str, ...]) -> Callable[[float], str]:
    """Return a form of numbers that have names."""
    return lambda number: names[int(number)] if 0 <= number < len(names) else units.decimal(number)


def same(code: str, text: str, form: Callable[[float], str], unknown: Side) -> Wording:
    """Return words with one sentence for high and low values."""
    return Wording(Side(code, text), Side(code, text), unknown, form, compared=False)
