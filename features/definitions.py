"""Every feature, declared as data. The vector, its schema hash, the kernels' program and the docs follow from here.

docs/extending.md says how to add one.
"""

from __future__ import annotations

from typing import Final

from features.declared.habits import HABITS
from features.declared.paid_out import PAID_OUT
from features.declared.reported import PAYEE_REPORTS
from features.entities import DEVICE, PAYEE, PAYER
from features.feature import Aggregation, Feature, plain, windowed
from features.words import units
from features.words.sides import NEW_PAYEE, NO_HISTORY, Side, Wording, age, flag, named, ratio, risk, same

_FIRST_PAYMENT = Side("FIRST_PAYMENT", "This is the payer's first known payment")
_TIME_UNKNOWN = Side("TIME_UNKNOWN", "The time is not known")
_DEVICE_UNKNOWN = Side("DEVICE_UNKNOWN", "The device is not known")

_INITIATIONS = ("unknown", "a QR code", "an intent", "VPA", "contact", "account number", "mandate")
"""Names of the feature's numbers."""

FEATURES: Final[tuple[Feature, ...]] = (
    plain(
        "amount_paise",
        "amount of the payment, in paise",
        Wording(
            Side("AMOUNT_ABOVE_USUAL", "The amount is {value}"),
            Side("AMOUNT_BELOW_USUAL", "The amount is {value}"),
            Side("AMOUNT_UNKNOWN", "The amount is not known"),
            units.rupees,
        ),
    ),
    plain(
        "hour_of_day",
        "hour of the day in India, 0 to 23",
        same("HOUR_OF_DAY", "The payment was made in the hour from {value}", units.hour, _TIME_UNKNOWN),
    ),
    plain(
        "is_night",
        "1 between 23:00 and 05:00 in India",
        flag(
            Side("NIGHT", "The payment was made at night, between 23:00 and 05:00"),
            Side("DAYTIME", "The payment was made by day"),
            _TIME_UNKNOWN,
        ),
    ),
    plain(
        "is_p2m",
        "1 if a merchant is paid, 0 if a person",
        flag(
            Side("MERCHANT_PAYMENT", "The payee is a merchant"),
            Side("PERSON_PAYMENT", "The payee is a person, not a merchant"),
            Side("FLOW_UNKNOWN", "Whether the payee is a merchant is not known"),
        ),
    ),
    plain(
        "is_collect",
        "1 if the payee asked for the payment",
        flag(
            Side("COLLECT_REQUEST", "The payee asked for the payment by a collect request"),
            Side("PAY_REQUEST", "The payer started the payment"),
            Side("TYPE_UNKNOWN", "Whether the payee asked for the payment is not known"),
        ),
    ),
    plain(
        "initiation",
        "how the payee was addressed, as a number",
        same(
            "INITIATION",
            "The payee was addressed by {value}",
            named(_INITIATIONS),
            Side("INITIATION_UNKNOWN", "How the payee was addressed is not known"),
        ),
    ),
    plain(
        "same_bank",
        "1 if payer and payee bank with the same bank",
        flag(
            Side("SAME_BANK", "Payer and payee bank with the same bank"),
            Side("DIFFERENT_BANKS", "Payer and payee bank with different banks"),
            Side("BANK_UNKNOWN", "A bank is not known"),
        ),
    ),
    plain(
        "device_age_seconds",
        "seconds since the payer's account was bound to the device",
        age(
            Side("DEVICE_BOUND_LONG_AGO", "The payer's account was bound to the device {value} ago"),
            Side("RECENT_DEVICE_BINDING", "The payer's account was bound to the device {value} ago"),
            Side("DEVICE_BINDING_UNKNOWN", "When the payer's account was bound to the device is not known"),
        ),
    ),
    plain(
        "sim_age_seconds",
        "seconds since the payer's SIM changed",
        age(
            Side("SIM_CHANGED_LONG_AGO", "The payer's SIM was changed {value} ago"),
            Side("RECENT_SIM_CHANGE", "The payer's SIM was changed {value} ago"),
            Side("SIM_CHANGE_UNKNOWN", "When the payer's SIM was changed is not known"),
        ),
    ),
    *windowed(PAYER, Aggregation.COUNT),
    *windowed(PAYER, Aggregation.SUM),
    *windowed(PAYER, Aggregation.MEAN),
    *windowed(PAYER, Aggregation.MAX),
    *windowed(PAYER, Aggregation.STD, "30d"),
    *windowed(PAYER, Aggregation.DISTINCT),
    plain(
        "payer_seconds_since_last",
        "seconds since the payer's latest earlier payment",
        age(
            Side("DORMANT", "The payer had made no payment for {value}"),
            Side("RAPID_PAYMENTS", "The payer's last payment was {value} ago"),
            _FIRST_PAYMENT,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_seconds_since_first",
        "seconds since the payer was first seen",
        age(
            Side("ESTABLISHED_PAYER", "The payer's first known payment was {value} ago"),
            Side("NEW_PAYER", "The payer's first known payment was {value} ago"),
            _FIRST_PAYMENT,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_amount_z_30d",
        "standard deviations above the mean of the payer's earlier 30 days",
        Wording(
            Side("AMOUNT_ABOVE_USUAL", "The amount is {value} standard deviations above the payer's mean of 30 days"),
            Side("AMOUNT_BELOW_USUAL", "The amount is {value} standard deviations from the payer's mean of 30 days"),
            NO_HISTORY,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_amount_ratio_mean_30d",
        "amount over the mean of the payer's earlier 30 days",
        ratio(
            "AMOUNT_ABOVE_USUAL", "AMOUNT_BELOW_USUAL", "The amount is {value} the payer's mean of 30 days", NO_HISTORY
        ),
        owner=PAYER,
    ),
    plain(
        "payer_amount_ratio_max_30d",
        "amount over the largest of the payer's earlier 30 days",
        ratio(
            "AMOUNT_ABOVE_LARGEST",
            "AMOUNT_BELOW_LARGEST",
            "The amount is {value} the payer's largest of 30 days",
            NO_HISTORY,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_payee_seconds_since_last",
        "seconds since the payer last paid this payee; missing if never",
        age(
            Side("KNOWN_PAYEE", "The payer last paid this payee {value} ago"),
            Side("KNOWN_PAYEE", "The payer last paid this payee {value} ago"),
            NEW_PAYEE,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_payee_count_30d",
        "payments of the payer to this payee in 30 days",
        Wording(
            Side("KNOWN_PAYEE", "The payer made {value} to this payee within 30 days, this one included"),
            Side("NEW_PAYEE", "This is the payer's first payment to this payee within 30 days"),
            NEW_PAYEE,
            units.count("payment"),
            pivot=1.5,
            compared=False,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_speed_kmh",
        "speed from the payer's last known place to this one",
        Wording(
            Side("IMPOSSIBLE_TRAVEL", "From the payer's last known place to this one is a speed of {value}"),
            Side("TRAVEL", "From the payer's last known place to this one is a speed of {value}"),
            Side("PLACE_UNKNOWN", "The payer's place, or the last one, is not known"),
            units.speed,
            pivot=900.0,
            compared=False,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_inbound_sum_1h",
        "paise the payer received within the last hour",
        Wording(
            Side("RECENT_INBOUND", "The payer received {value} within the last hour"),
            Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
            Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
            units.rupees,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYER,
    ),
    plain(
        "payer_pass_through_ratio_1h",
        "paise sent over paise received within the last hour",
        Wording(
            Side("PASS_THROUGH", "The payer has sent on {value} of what was received within the last hour"),
            Side("LITTLE_PASSED_ON", "The payer has sent on {value} of what was received within the last hour"),
            Side("NO_RECENT_INBOUND", "The payer received nothing within the last hour"),
            units.percent,
            pivot=0.5,
            compared=False,
        ),
        owner=PAYER,
    ),
    *windowed(PAYEE, Aggregation.COUNT),
    *windowed(PAYEE, Aggregation.DISTINCT),
    plain(
        "payee_seconds_since_first",
        "seconds since the payee was first paid",
        age(
            Side("ESTABLISHED_PAYEE", "The payee was first paid {value} ago"),
            Side("YOUNG_PAYEE", "The payee was first paid {value} ago"),
            Side("YOUNG_PAYEE", "The payee was never paid before"),
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_seconds_since_last",
        "seconds since the payee was last paid",
        age(
            Side("PAYEE_DORMANT", "The payee had not been paid for {value}"),
            Side("PAYEE_JUST_PAID", "The payee was last paid {value} ago"),
            Side("YOUNG_PAYEE", "The payee was never paid before"),
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_fraud_rate_30d",
        "payments confirmed as fraud in 30 days, over payments to the payee",
        risk(
            "PAYEE",
            "{value} of the payments to this payee within 30 days were confirmed as fraud",
            "No payment to this payee within 30 days was confirmed as fraud",
            units.percent,
        ),
        owner=PAYEE,
    ),
    *PAID_OUT,
    *windowed(DEVICE, Aggregation.COUNT),
    *windowed(DEVICE, Aggregation.DISTINCT),
    plain(
        "device_seconds_since_first",
        "seconds since the device was first seen",
        age(
            Side("ESTABLISHED_DEVICE", "The device was first seen {value} ago"),
            Side("YOUNG_DEVICE", "The device was first seen {value} ago"),
            _DEVICE_UNKNOWN,
        ),
        owner=DEVICE,
    ),
    plain(
        "payer_new_device",
        "1 if the payer has not paid from this device before",
        flag(
            Side("NEW_DEVICE", "The payer has not paid from this device before"),
            Side("KNOWN_DEVICE", "The payer has paid from this device before"),
            _DEVICE_UNKNOWN,
        ),
        owner=DEVICE,
    ),
    plain(
        "device_fraud_rate_30d",
        "payments confirmed as fraud in 30 days, over payments of the device",
        risk(
            "DEVICE",
            "{value} of the payments from this device within 30 days were confirmed as fraud",
            "No payment from this device within 30 days was confirmed as fraud",
            units.percent,
        ),
        owner=DEVICE,
    ),
    *PAYEE_REPORTS,
    *HABITS,
)
"""The vector, in order."""
