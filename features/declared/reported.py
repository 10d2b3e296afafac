"""What was reported about the payee: how many frauds, which share of the reports, how many in a row, and how lately."""

from __future__ import annotations

from typing import Final

from features.entities import PAYEE
from features.feature import Feature, plain
from features.words import units
from features.words.sides import Side, Wording, age, risk

_CLEAN = "NO_KNOWN_FRAUD_PAYEE"


def _count(window: str, span: str) -> Feature:
    """Return how many frauds were reported on the payee within a window, said as a span."""
    return plain(
        f"payee_fraud_count_{window}",
        f"payments to the payee that were reported as fraud in the last {window}",
        risk(
            "PAYEE",
            f"Payments to this payee that were confirmed as fraud within {span}: {{value}}",
            f"No payment to this payee was confirmed as fraud within {span}",
            units.decimal,
        ),
        owner=PAYEE,
    )


def _share(window: str, span: str) -> Feature:
    """Return the share of frauds among what was reported on the payee within a window."""
    return plain(
        f"payee_report_fraud_share_{window}",
        f"frauds among the payments to the payee that were reported on in the last {window}; missing if none was",
        Wording(
            Side(
                "KNOWN_FRAUD_PAYEE", f"Of what was reported on payments to this payee within {span}, {{value}} is fraud"
            ),
            Side(_CLEAN, f"All that was reported on payments to this payee within {span} is genuine"),
            Side("NO_REPORT_PAYEE", f"No report of {span} on payments to this payee is known"),
            units.percent,
            pivot=0.0,
            compared=False,
        ),
        owner=PAYEE,
    )


PAYEE_REPORTS: Final[tuple[Feature, ...]] = (
    _count("24h", "24 hours"),
    _count("7d", "7 days"),
    _share("24h", "24 hours"),
    _share("7d", "7 days"),
    _share("30d", "30 days"),
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
