"""The words of windowed features, which follow from their names: entity, aggregation, window."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.words import units
from features.words.sides import Side, Wording

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Window:
    """A name of the form entity, aggregation, window, taken apart."""

    entity: str
    aggregation: str
    """`count`, `sum`, `mean`, `std`, `max`, `distinct_payer` or another distinct."""
    seconds: float
    span: str
    """The window as it is said: "5 minutes"."""


_WINDOWED = re.compile(r"([a-z]+)_(count|sum|mean|std|max|distinct_[a-z]+)_([1-9][0-9]*)([smhd])")
_UNIT_SECONDS = {"s": 1.0, "m": units.MINUTE, "h": units.HOUR, "d": units.DAY}
_UNIT_NAMES = {"s": "second", "m": "minute", "h": "hour", "d": "day"}


def parse_window(name: str) -> Window | None:
    """Return the parts of a windowed feature's name; None for a plain name."""
    match = _WINDOWED.fullmatch(name)
    if match is None:
        return None
    entity, aggregation, number, unit = match.groups()
    span = f"{number} {_UNIT_NAMES[unit]}" + ("" if number == "1" else "s")
    return Window(entity, aggregation, int(number) * _UNIT_SECONDS[unit], span)


_VERBS = {"payer": ("made", "paid"), "payee": ("received", "received"), "device": ("made", "paid")}
_PAID = {"payer": "The payer paid {value}", "payee": "The payee was paid by {value}"}

_CODES = {
    ("payer", "count"): ("MANY_PAYMENTS", "FEW_PAYMENTS"),
    ("payer", "sum"): ("MUCH_MONEY", "LITTLE_MONEY"),
    ("payer", "mean"): ("HIGH_MEAN_AMOUNT", "LOW_MEAN_AMOUNT"),
    ("payer", "std"): ("VARIED_AMOUNTS", "SIMILAR_AMOUNTS"),
    ("payer", "max"): ("HIGH_LARGEST_AMOUNT", "LOW_LARGEST_AMOUNT"),
    ("payer", "distinct_payee"): ("MANY_PAYEES", "FEW_PAYEES"),
    ("payee", "count"): ("PAYEE_BUSY", "PAYEE_QUIET"),
    ("payee", "distinct_payer"): ("PAYEE_FAN_IN", "PAYEE_FEW_PAYERS"),
    ("device", "count"): ("DEVICE_BUSY", "DEVICE_QUIET"),
    ("device", "distinct_payer"): ("DEVICE_SHARED", "DEVICE_NOT_SHARED"),
}

SHORT = units.HOUR
"""Many payments within this are another reason than many within a month."""


def words_of(window: Window) -> Wording:
    """Return the words of a windowed feature."""
    entity, aggregation, within = window.entity, window.aggregation, f"within {window.span}"
    made, paid = _VERBS.get(entity, ("made", "paid"))
    form: Callable[[float], str] = units.rupees
    if aggregation == "count":
        form, text = units.count("payment"), f"The {entity} {made} {{value}} {within}"
    elif aggregation == "sum":
        text = f"The {entity} {paid} {{value}} {within}"
    elif aggregation == "mean":
        text = f"The {entity}'s mean payment {within} is {{value}}"
    elif aggregation == "max":
        text = f"The {entity}'s largest payment {within} is {{value}}"
    elif aggregation == "std":
        text = f"The standard deviation of the {entity}'s payments {within} is {{value}}"
    else:
        form = units.count(aggregation.removeprefix("distinct_"))
        text = f"{_PAID.get(entity, f'The {entity} was used by {{value}}')} {within}"
    family = f"{entity}_{aggregation}".upper()
    high, low = _CODES.get((entity, aggregation), (f"{family}_HIGH", f"{family}_LOW"))
    if entity == "payer" and high.startswith(("MANY_", "MUCH_")) and window.seconds <= SHORT:
        high += "_SHORT_TIME"
    missing = Side(f"{entity.upper()}_UNKNOWN", f"The {entity} is not known")
    shared = 1.0 if (entity, aggregation) == ("device", "distinct_payer") else None
    return Wording(Side(high, text), Side(low, text), missing, form, pivot=shared)
