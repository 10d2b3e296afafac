"""Values as a case worker reads them."""

from __future__ import annotations

import pytest

from features.words import units


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (12_500_000, "Rs 1,25,000"), (1_000_000_000, "Rs 1,00,00,000"), (99_950, "Rs 1,000"), (124_300, "Rs 1,243"),
        (100, "Rs 1"), (1, "Rs 0.01"), (9_950, "Rs 99.50"), (0, "Rs 0"), (99_900, "Rs 999"),
    ],
)  # fmt: skip
def test_rupees_are_grouped_in_lakh_and_crore(paise: float, text: str) -> None:
    assert units.rupees(paise) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (90, "1.5 minutes"),
        (3_600, "1 hour"), (86_400 * 6, "6 days"), (86_400 * 45, "1.5 months"), (86_400 * 730, "2 years"),
        (3_599.9, "60 minutes"),
    ],
)  # fmt: skip
def test_durations_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "almost no payments"),
        (0.3, "0.3 payments"),
        (1, "1 payment"),
        (2.44, "2.4 payments"),
        (1234, "1,234 payments"),
    ],
)
def test_counts_have_their_noun(number: float, text: str) -> None:
    assert units.count("payment")(number) == text


def test_shares_ratios_hours_and_speeds() -> None:
    assert units.percent(0.125) == "12 %"
    assert units.times(12.4) == "12 times"
    assert units.times(1.26) == "1.3 times"
    assert units.hour(3) == "03:00"
    assert units.speed(2400.4) == "2,400 km/h"
    assert units.grouped(-1_234_567) == "-12,34,567"
