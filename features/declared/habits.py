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

HABITS: Final[tuple[Feature, ...]] = (
    plain(
        "payer_max_ratio_24h",
        "largest payment of the payer in the last 24h, over the mean of the payer's earlier 30 days",
        ratio(
            "HIGH_LARGEST_AMOUNT",
            "LOW_LARGEST_AMOUNT",
            "The payer's largest payment within 24 hours is {value} the payer's mean of 30 days",
            NO_HISTORY,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_max_ratio_7d",
        "largest payment of the payer in the last 7d, over the mean of the payer's earlier 30 days",
        ratio(
            "HIGH_LARGEST_AMOUNT",
            "LOW_LARGEST_AMOUNT",
            "The payer's largest payment within 7 days is {value} the payer's mean of 30 days",
            NO_HISTORY,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_mean_ratio_24h",
        "mean of the payer's payments in the last 24h, over the mean of the payer's earlier 30 days",
        ratio(
            "HIGH_MEAN_AMOUNT",
            "LOW_MEAN_AMOUNT",
            "The payer's mean within 24 hours is {value} the payer's mean of 30 days",
            NO_HISTORY,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_mean_ratio_7d",
        "mean of the payer's payments in the last 7d, over the mean of the payer's earlier 30 days",
        ratio(
            "HIGH_MEAN_AMOUNT",
            "LOW_MEAN_AMOUNT",
            "The payer's mean within 7 days is {value} the payer's mean of 30 days",
            NO_HISTORY,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_new_payee_1h",
        "payees whom the payer paid for the first time in the last 1h, this one included",
        Wording(
            Side("MANY_NEW_PAYEES", "Payees whom the payer paid for the first time within 1 hour: {value}"),
            Side("FEW_NEW_PAYEES", "Payees whom the payer paid for the first time within 1 hour: {value}"),
            _PAYEES_UNKNOWN,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_new_payee_24h",
        "payees whom the payer paid for the first time in the last 24h, this one included",
        Wording(
            Side("MANY_NEW_PAYEES", "Payees whom the payer paid for the first time within 24 hours: {value}"),
            Side("FEW_NEW_PAYEES", "Payees whom the payer paid for the first time within 24 hours: {value}"),
            _PAYEES_UNKNOWN,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_new_payee_7d",
        "payees whom the payer paid for the first time in the last 7d, this one included",
        Wording(
            Side("MANY_NEW_PAYEES", "Payees whom the payer paid for the first time within 7 days: {value}"),
            Side("FEW_NEW_PAYEES", "Payees whom the payer paid for the first time within 7 days: {value}"),
            _PAYEES_UNKNOWN,
        ),
        owner=PAYER,
    ),
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
    plain(
        "payer_payee_count_1h",
        "payments of the payer to this payee in the last 1h",
        Wording(
            Side("REPEATED_PAYMENT", "The payer made {value} to this payee within 1 hour, this one included"),
            Side("SINGLE_PAYMENT", "This is the payer's first payment to this payee within 1 hour"),
            _PAIR_UNKNOWN,
            units.count("payment"),
            pivot=1.5,
            compared=False,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_payee_count_24h",
        "payments of the payer to this payee in the last 24h",
        Wording(
            Side("REPEATED_PAYMENT", "The payer made {value} to this payee within 24 hours, this one included"),
            Side("SINGLE_PAYMENT", "This is the payer's first payment to this payee within 24 hours"),
            _PAIR_UNKNOWN,
            units.count("payment"),
            pivot=1.5,
            compared=False,
        ),
        owner=PAYER,
    ),
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
