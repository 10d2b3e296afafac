"""What a feature is called in a reason: a stable code and a sentence, for high, low and missing values.

Sentences say what is so, not what it means: a feature counts towards fraud in combination with others, and the same
value may speak for a payment today and against it tomorrow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.words import units

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Side:
    """One way a value can lie."""

    code: str
    text: str
    """A sentence without its stop; `{value}` stands for the value."""


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


def wording(name: str) -> Wording:
    """Return the wording of any feature; a name nobody declared here gets its own name as its code."""
    if name in PLAIN:
        return PLAIN[name]
    window = parse_window(name)
    if window is not None:
        return _windowed(window)
    code = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "FEATURE"
    side = Side(code, f"{name} is {{value}}")
    return Wording(side, side, Side(f"{code}_UNKNOWN", f"{name} is not known"))


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


def _windowed(window: Window) -> Wording:
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


def _flag(yes: Side, no: Side, unknown: Side) -> Wording:
    return Wording(yes, no, unknown, pivot=0.5, compared=False)


def _age(high: Side, low: Side, unknown: Side) -> Wording:
    return Wording(high, low, unknown, units.duration)


def _ratio(high: str, low: str, text: str, unknown: Side) -> Wording:
    return Wording(Side(high, text), Side(low, text), unknown, units.times, pivot=1.0, compared=False)


def _risk(entity: str, text: str, none: str, form: Callable[[float], str]) -> Wording:
    unknown = Side(f"{entity}_FRAUD_UNKNOWN", f"Confirmed fraud of this {entity.lower()} could not be read")
    known = Side(f"KNOWN_FRAUD_{entity}", text)
    return Wording(known, Side(f"NO_KNOWN_FRAUD_{entity}", none), unknown, form, pivot=0.0, compared=False)


_NEW_PAYEE = Side("NEW_PAYEE", "This is the payer's first known payment to this payee")
_NO_HISTORY = Side("NO_HISTORY", "The payer has no earlier payment in 30 days to compare with")
_FIRST_PAYMENT = Side("FIRST_PAYMENT", "This is the payer's first known payment")
_TIME_UNKNOWN = Side("TIME_UNKNOWN", "The time is not known")
_DEVICE_UNKNOWN = Side("DEVICE_UNKNOWN", "The device is not known")

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_INITIATIONS = ("unknown", "a QR code", "an intent", "VPA", "contact", "account number", "mandate")
"""Names of the feature's numbers."""


def _named(names: tuple[str, ...]) -> Callable[[float], str]:
    return lambda number: names[int(number)] if 0 <= number < len(names) else units.decimal(number)


def _same(code: str, text: str, form: Callable[[float], str], unknown: Side) -> Wording:
    return Wording(Side(code, text), Side(code, text), unknown, form, compared=False)


PLAIN: dict[str, Wording] = {
    "amount_paise": Wording(
        Side("AMOUNT_ABOVE_USUAL", "The amount is {value}"),
        Side("AMOUNT_BELOW_USUAL", "The amount is {value}"),
        Side("AMOUNT_UNKNOWN", "The amount is not known"),
        units.rupees,
    ),
    "amount_is_round": _flag(
        Side("ROUND_AMOUNT", "The amount is round"),
        Side("AMOUNT_NOT_ROUND", "The amount is not round"),
        Side("AMOUNT_UNKNOWN", "The amount is not known"),
    ),
    "hour_of_day": _same(
        "HOUR_OF_DAY", "The payment was made in the hour from {value}", units.hour, _TIME_UNKNOWN
    ),
    "day_of_week": _same(
        "DAY_OF_WEEK", "The payment was made on a {value}", _named(_WEEKDAYS), _TIME_UNKNOWN
    ),
    "is_night": _flag(
        Side("NIGHT", "The payment was made at night, between 23:00 and 05:00"),
        Side("DAYTIME", "The payment was made by day"),
        _TIME_UNKNOWN,
    ),
    "is_p2m": _flag(
        Side("MERCHANT_PAYMENT", "The payee is a merchant"),
        Side("PERSON_PAYMENT", "The payee is a person, not a merchant"),
        Side("FLOW_UNKNOWN", "Whether the payee is a merchant is not known"),
    ),
    "is_collect": _flag(
        Side("COLLECT_REQUEST", "The payee asked for the payment by a collect request"),
        Side("PAY_REQUEST", "The payer started the payment"),
        Side("TYPE_UNKNOWN", "Whether the payee asked for the payment is not known"),
    ),
    "initiation": _same(
        "INITIATION", "The payee was addressed by {value}", _named(_INITIATIONS),
        Side("INITIATION_UNKNOWN", "How the payee was addressed is not known"),
    ),
    "same_bank": _flag(
        Side("SAME_BANK", "Payer and payee bank with the same bank"),
        Side("DIFFERENT_BANKS", "Payer and payee bank with different banks"),
        Side("BANK_UNKNOWN", "A bank is not known"),
    ),
    "device_age_seconds": _age(
        Side("DEVICE_BOUND_LONG_AGO", "The payer's account was bound to the device {value} ago"),
        Side("RECENT_DEVICE_BINDING", "The payer's account was bound to the device {value} ago"),
        Side("DEVICE_BINDING_UNKNOWN", "When the payer's account was bound to the device is not known"),
    ),
    "sim_age_seconds": _age(
        Side("SIM_CHANGED_LONG_AGO", "The payer's SIM was changed {value} ago"),
        Side("RECENT_SIM_CHANGE", "The payer's SIM was changed {value} ago"),
        Side("SIM_CHANGE_UNKNOWN", "When the payer's SIM was changed is not known"),
    ),
    "payer_seconds_since_last": _age(
        Side("DORMANT", "The payer had made no payment for {value}"),
        Side("RAPID_PAYMENTS", "The payer's last payment was {value} ago"),
        _FIRST_PAYMENT,
    ),
    "payer_seconds_since_first": _age(
        Side("ESTABLISHED_PAYER", "The payer's first known payment was {value} ago"),
        Side("NEW_PAYER", "The payer's first known payment was {value} ago"),
        _FIRST_PAYMENT,
    ),
    "payer_amount_z_30d": Wording(
        Side("AMOUNT_ABOVE_USUAL", "The amount is {value} standard deviations above the payer's mean of 30 days"),
        Side("AMOUNT_BELOW_USUAL", "The amount is {value} standard deviations from the payer's mean of 30 days"),
        _NO_HISTORY, pivot=0.0, compared=False,
    ),
    "payer_amount_ratio_mean_30d": _ratio(
        "AMOUNT_ABOVE_USUAL", "AMOUNT_BELOW_USUAL", "The amount is {value} the payer's mean of 30 days", _NO_HISTORY
    ),
    "payer_amount_ratio_max_30d": _ratio(
        "AMOUNT_ABOVE_LARGEST", "AMOUNT_BELOW_LARGEST", "The amount is {value} the payer's largest of 30 days",
        _NO_HISTORY,
    ),
    "payer_payee_seconds_since_last": _age(
        Side("KNOWN_PAYEE", "The payer last paid this payee {value} ago"),
        Side("KNOWN_PAYEE", "The payer last paid this payee {value} ago"),
        _NEW_PAYEE,
    ),
    "payer_payee_count_30d": Wording(
        Side("KNOWN_PAYEE", "The payer made {value} to this payee within 30 days, this one included"),
        Side("NEW_PAYEE", "This is the payer's first payment to this payee within 30 days"),
        _NEW_PAYEE, units.count("payment"), pivot=1.5, compared=False,
    ),
    "payer_is_new_payee": _flag(_NEW_PAYEE, Side("KNOWN_PAYEE", "The payer has paid this payee before"), _NEW_PAYEE),
    "payee_seconds_since_first": _age(
        Side("ESTABLISHED_PAYEE", "The payee was first paid {value} ago"),
        Side("YOUNG_PAYEE", "The payee was first paid {value} ago"),
        Side("YOUNG_PAYEE", "The payee was never paid before"),
    ),
    "payee_seconds_since_last": _age(
        Side("PAYEE_DORMANT", "The payee had not been paid for {value}"),
        Side("PAYEE_JUST_PAID", "The payee was last paid {value} ago"),
        Side("YOUNG_PAYEE", "The payee was never paid before"),
    ),
    "payee_amount_ratio_mean_30d": _ratio(
        "AMOUNT_ABOVE_PAYEE_USUAL", "AMOUNT_BELOW_PAYEE_USUAL", "The amount is {value} the payee's mean of 30 days",
        Side("PAYEE_NO_HISTORY", "The payee has no earlier payment in 30 days to compare with"),
    ),
    "payer_inbound_sum_1h": Wording(
        Side("RECENT_INBOUND", "The payer received {value} within the last hour"),
        Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
        Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
        units.rupees, pivot=0.0, compared=False,
    ),
    "payer_inbound_count_1h": Wording(
        Side("RECENT_INBOUND", "The payer received {value} within the last hour"),
        Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
        Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
        units.count("payment"), pivot=0.0, compared=False,
    ),
    "payer_pass_through_ratio_1h": Wording(
        Side("PASS_THROUGH", "The payer has sent on {value} of what was received within the last hour"),
        Side("LITTLE_PASSED_ON", "The payer has sent on {value} of what was received within the last hour"),
        Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
        units.percent, pivot=0.5, compared=False,
    ),
    "device_seconds_since_first": _age(
        Side("ESTABLISHED_DEVICE", "The device was first seen {value} ago"),
        Side("YOUNG_DEVICE", "The device was first seen {value} ago"),
        _DEVICE_UNKNOWN,
    ),
    "payer_new_device": _flag(
        Side("NEW_DEVICE", "The payer has not paid from this device before"),
        Side("KNOWN_DEVICE", "The payer has paid from this device before"),
        _DEVICE_UNKNOWN,
    ),
    "payer_speed_kmh": Wording(
        Side("IMPOSSIBLE_TRAVEL", "From the payer's last known place to this one is a speed of {value}"),
        Side("TRAVEL", "From the payer's last known place to this one is a speed of {value}"),
        Side("PLACE_UNKNOWN", "The payer's place, or the last one, is not known"),
        units.speed, pivot=900.0, compared=False,
    ),
    "payee_fraud_count_30d": _risk(
        "PAYEE", "{value} to this payee within 30 days were confirmed as fraud",
        "No payment to this payee within 30 days was confirmed as fraud", units.count("payment"),
    ),
    "payee_fraud_rate_30d": _risk(
        "PAYEE", "{value} of the payments to this payee within 30 days were confirmed as fraud",
        "No payment to this payee within 30 days was confirmed as fraud", units.percent,
    ),
    "device_fraud_count_30d": _risk(
        "DEVICE", "{value} from this device within 30 days were confirmed as fraud",
        "No payment from this device within 30 days was confirmed as fraud", units.count("payment"),
    ),
    "device_fraud_rate_30d": _risk(
        "DEVICE", "{value} of the payments from this device within 30 days were confirmed as fraud",
        "No payment from this device within 30 days was confirmed as fraud", units.percent,
    ),
}  # fmt: skip
