"""What was reported about the payee: how many frauds, which share of the reports, how many in a row, and how lately."""

from __future__ import annotations

from typing import Final

from features.entities import PAYEE
from features.feature import Feature, plain
from features.words import units
from features.words.sides import Side, Wording, age, risk

_CLEAN = "NO_KNOWN_FRAUD_PAYEE"
_NO_REPORT = "NO_REPORT_PAYEE"

PAYEE_REPORTS: Final[tuple[Feature, ...]] = (
    plain(
        "payee_fraud_count_24h",
        "payments to the payee that were reported as fraud in the last 24h",
        risk(
            "PAYEE",
            "Payments to this payee that were confirmed as fraud within 24 hours: {value}",
            "No payment to this payee was confirmed as fraud within 24 hours",
            units.decimal,
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_fraud_count_7d",
        "payments to the payee that were reported as fraud in the last 7d",
        risk(
            "PAYEE",
            "Payments to this payee that were confirmed as fraud within 7 days: {value}",
            "No payment to this payee was confirmed as fraud within 7 days",
            units.decimal,
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_report_fraud_share_24h",
        "frauds among the payments to the payee that were reported on in the last 24h; missing if none was",
        Wording(
            Side(
                "KNOWN_FRAUD_PAYEE", "Of what was reported on payments to this payee within 24 hours, {value} is fraud"
            ),
            Side(_CLEAN, "All that was reported on payments to this payee within 24 hours is genuine"),
            Side(_NO_REPORT, "No report of 24 hours on payments to this payee is known"),
            units.percent,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_report_fraud_share_7d",
        "frauds among the payments to the payee that were reported on in the last 7d; missing if none was",
        Wording(
            Side("KNOWN_FRAUD_PAYEE", "Of what was reported on payments to this payee within 7 days, {value} is fraud"),
            Side(_CLEAN, "All that was reported on payments to this payee within 7 days is genuine"),
            Side(_NO_REPORT, "No report of 7 days on payments to this payee is known"),
            units.percent,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_report_fraud_share_30d",
        "frauds among the payments to the payee that were reported on in the last 30d; missing if none was",
        Wording(
            Side(
                "KNOWN_FRAUD_PAYEE", "Of what was reported on payments to this payee within 30 days, {value} is fraud"
            ),
            Side(_CLEAN, "All that was reported on payments to this payee within 30 days is genuine"),
            Side(_NO_REPORT, "No report of 30 days on payments to this payee is known"),
            units.percent,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_fraud_streak",
        "frauds reported on the payee since its last report of a genuine payment, in 30 days",
        Wording(
            Side("FRAUD_STREAK_PAYEE", "Frauds reported in a row on payments to this payee: {value}"),
            Side("NO_FRAUD_STREAK_PAYEE", "The last report on payments to this payee is no fraud, or there is none"),
            Side("PAYEE_FRAUD_UNKNOWN", "Confirmed fraud of this payee could not be read"),
            units.decimal,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_seconds_since_streak_began",
        "seconds since the first of these frauds was reported; missing if there is none",
        age(
            Side("FRAUD_STREAK_PAYEE", "The frauds in a row at this payee began to be reported {value} ago"),
            Side("FRAUD_STREAK_PAYEE", "The frauds in a row at this payee began to be reported {value} ago"),
            Side("NO_FRAUD_STREAK_PAYEE", "No frauds in a row are known of this payee"),
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_seconds_since_fraud_report",
        "seconds since a payment to the payee was last reported as fraud; missing if none was in 30 days",
        age(
            Side("OLDER_FRAUD_REPORT_PAYEE", "A payment to this payee was last reported as fraud {value} ago"),
            Side("RECENT_FRAUD_REPORT_PAYEE", "A payment to this payee was last reported as fraud {value} ago"),
            Side(_CLEAN, "No report of fraud on payments to this payee within 30 days is known"),
        ),
        owner=PAYEE,
    ),
    plain(
        "payee_seconds_since_genuine_report",
        "seconds since a payment to the payee was last reported as genuine; missing if none was in 30 days",
        age(
            Side("GENUINE_REPORT_PAYEE", "A payment to this payee was last reported as genuine {value} ago"),
            Side("GENUINE_REPORT_PAYEE", "A payment to this payee was last reported as genuine {value} ago"),
            Side("NO_GENUINE_REPORT_PAYEE", "No report of a genuine payment to this payee within 30 days is known"),
        ),
        owner=PAYEE,
    ),
)
