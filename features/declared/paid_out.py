"""What the payee itself paid before this payment: money that leaves an account as it comes in is being moved on."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from features.entities import PAYEE
from features.feature import Feature, plain
from features.words import units
from features.words.sides import Side, Wording, age


def _paid_out(span: str) -> Wording:
    """Return the words of what the payee itself paid within a span."""
    nothing = Side("PAYEE_PAID_NOTHING_OUT", f"The payee itself paid nothing within the last {span}")
    unknown = Side("PAYEE_OUTBOUND_UNKNOWN", "What the payee itself paid was not kept at that time")
    paid = Side("PAYEE_PAYING_OUT", f"The payee itself paid {{value}} within the last {span}")
    return Wording(paid, nothing, unknown, units.rupees, pivot=0.0, compared=False)


def _paid_out_times(span: str) -> Wording:
    """Return the words of how often the payee itself paid within a span."""
    words = _paid_out(span)
    made = Side("PAYEE_PAYING_OUT", f"The payee itself made {{value}} within the last {span}")
    return replace(words, high=made, form=units.count("payment"))


PAID_OUT: Final[tuple[Feature, ...]] = (
    plain(
        "payee_seconds_since_paid_out",
        "seconds since the payee itself last paid somebody; missing if it never did",
        age(
            Side("PAYEE_PAID_OUT_LONG_AGO", "The payee itself last paid somebody {value} ago"),
            Side("PAYEE_JUST_PAID_OUT", "The payee itself last paid somebody {value} ago"),
            Side("PAYEE_NEVER_PAID_OUT", "The payee has no known payment of its own"),
        ),
        owner=PAYEE,
    ),
    plain("payee_outbound_sum_1h", "paise the payee itself paid within the last hour", _paid_out("hour"), owner=PAYEE),
    plain("payee_outbound_sum_24h", "paise the payee itself paid within 24 hours", _paid_out("24 hours"), owner=PAYEE),
    plain(
        "payee_outbound_count_1h",
        "payments the payee itself made within the last hour",
        _paid_out_times("hour"),
        owner=PAYEE,
    ),
    plain(
        "payee_outbound_count_24h",
        "payments the payee itself made within 24 hours",
        _paid_out_times("24 hours"),
        owner=PAYEE,
    ),
)
