"""How the payment departs from what its parties do: larger, to new payees, round, again, all that the payee gets."""

from __future__ import annotations

from typing import Final

from features.entities import PAYEE, PAYER
from features.feature import Feature, plain
from features.words import units
from features.words.sides import NEW_PAYEE, NO_HISTORY, Side, Wording, named, ratio

_ROUND = ("Re 1", "Rs 10", "Rs 50", "Rs 100", "Rs 500", "Rs 1,000", "Rs 5,000", "Rs 10,000")
"""By the feature's number: the largest that the amount is a multiple of."""

_PAYEES_UNKNOWN = Side("NEW_PAYEES_UNKNOWN", "How many payees are new to the payer is not known")
_PAIR_UNKNOWN = Side("REPEATS_UNKNOWN", "How often the payer paid this payee is not known")


def _of_usual(what: str, code: str, name: str, earlier: str, window: str, span: str) -> Feature:
    """Return the payer's largest or mean amount of a window, over the mean of the earlier 30 days."""
    return plain(
        f"payer_{name}_ratio_{window}",
        f"{earlier} in the last {window}, over the mean of the payer's earlier 30 days",
        ratio(
            f"HIGH_{code}", f"LOW_{code}", f"The payer's {what} within {span} is {{value}} the payer's mean of 30 days",
            NO_HISTORY,
        ),
        owner=PAYER,
    )  # fmt: skip


def _largest(window: str, span: str) -> Feature:
    return _of_usual("largest payment", "LARGEST_AMOUNT", "max", "largest payment of the payer", window, span)


def _mean(window: str, span: str) -> Feature:
    return _of_usual("mean", "MEAN_AMOUNT", "mean", "mean of the payer's payments", window, span)


def _new_payees(window: str, span: str) -> Feature:
    """Return how many payees the payer paid for the first time within a window."""
    text = f"Payees whom the payer paid for the first time within {span}: {{value}}"
    return plain(
        f"payer_new_payee_{window}",
        f"payees whom the payer paid for the first time in the last {window}, this one included",
        Wording(Side("MANY_NEW_PAYEES", text), Side("FEW_NEW_PAYEES", text), _PAYEES_UNKNOWN),
        owner=PAYER,
    )


def _repeats(window: str, span: str) -> Feature:
    """Return how often the payer paid this payee within a window."""
    return plain(
        f"payer_payee_count_{window}",
        f"payments of the payer to this payee in the last {window}",
        Wording(
            Side("REPEATED_PAYMENT", f"The payer made {{value}} to this payee within {span}, this one included"),
            Side("SINGLE_PAYMENT", f"This is the payer's first payment to this payee within {span}"),
            _PAIR_UNKNOWN,
            units.count("payment"),
            pivot=1.5,
            compared=False,
        ),
        owner=PAYER,
    )


HABITS: Final[tuple[Feature, ...]] = (
    _largest("24h", "24 hours"),
    _largest("7d", "7 days"),
    _mean("24h", "24 hours"),
    _mean("7d", "7 days"),
    _new_payees("1h", "1 hour"),
    _new_payees("24h", "24 hours"),
    _new_payees("7d", "7 days"),
    plain(
        "amount_roundness",
        "of how many of 10, 50, 100, 500, 1,000, 5,000, 10,000 rupees the amount is a multiple; -1 if it has paise",
        Wording(
            Side("ROUND_AMOUNT", "The amount is a multiple of {value}"),
            Side("UNEVEN_AMOUNT", "The amount is no multiple of Rs 10"),
            Side("AMOUNT_UNKNOWN", "The amount is not known"),
            named(_ROUND),
            pivot=0.0,
            compared=False,
        ),
    ),
    _repeats("1h", "1 hour"),
    _repeats("24h", "24 hours"),
    plain(
        "payer_payee_amount_ratio",
        "amount over the mean of the payer's earlier payments to this payee; missing if there is none",
        ratio(
            "AMOUNT_ABOVE_USUAL",
            "AMOUNT_BELOW_USUAL",
            "The amount is {value} the mean of what the payer paid this payee before",
            NEW_PAYEE,
        ),
        owner=PAYER,
    ),
    plain(
        "payee_income_share_7d",
        "paise that the payer paid the payee in the last 7d, over paise that the payee received",
        Wording(
            Side("MAIN_PAYER_OF_PAYEE", "{value} of what the payee received within 7 days is from this payer"),
            Side("ONE_PAYER_OF_MANY", "{value} of what the payee received within 7 days is from this payer"),
            Side("PAYEE_INCOME_UNKNOWN", "What the payee received within 7 days is not known"),
            units.percent,
            pivot=0.5,
            compared=False,
        ),
        owner=PAYEE,
    ),
)
