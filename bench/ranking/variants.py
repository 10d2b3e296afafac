"""What is compared: before, now, and now without or with only one part of what is new."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.ranking.checkouts import Checkout

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "fraud counts of the payee": ("payee_fraud_count_24h", "payee_fraud_count_7d"),
    "fraud shares of reports": (
        "payee_report_fraud_share_24h",
        "payee_report_fraud_share_7d",
        "payee_report_fraud_share_30d",
    ),
    "streak and times of reports": (
        "payee_fraud_streak",
        "payee_seconds_since_streak_began",
        "payee_seconds_since_fraud_report",
        "payee_seconds_since_genuine_report",
    ),
    "quotients of maxima": ("payer_max_ratio_7d", "payer_max_ratio_24h"),
    "quotients of means": ("payer_mean_ratio_7d", "payer_mean_ratio_24h"),
    "payee as payer": (
        "payee_seconds_since_paid_out",
        "payee_outbound_sum_1h",
        "payee_outbound_sum_24h",
        "payee_outbound_count_1h",
        "payee_outbound_count_24h",
    ),
    "new payees": ("payer_new_payee_1h", "payer_new_payee_24h", "payer_new_payee_7d"),
    "round amounts": ("amount_roundness",),
    "payer to payee": ("payer_payee_count_1h", "payer_payee_count_24h", "payer_payee_amount_ratio"),
    "share of the payee's income": ("payee_income_share_7d",),
}
"""New features by what they have in common."""

REPORTS: Final = "all three of reports"
QUOTIENTS: Final = "quotients"
HABITS: Final = "all others"
TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    REPORTS: tuple(one for name in list(GROUPS)[:3] for one in GROUPS[name]),
    QUOTIENTS: (*GROUPS["quotients of maxima"], *GROUPS["quotients of means"]),
    HABITS: tuple(one for name in list(GROUPS)[3:] for one in GROUPS[name]),
}
"""Groups that can stand for each other, which "without one of them" does not show."""

BEFORE: Final = "before"
NOW: Final = "now"
OLD_FEATURES: Final = "before's features, now's training"
OLD_TRAINING: Final = "now's features, before's training"
ALL: Final = "all groups"
NONE: Final = "no group"
ABLATED: Final = {"genuine_per_fraud": 50}
"""Groups are compared on half of the genuine payments, so twice as many models can be grown."""

DOUBTFUL: Final = (QUOTIENTS,)
"""What helps on one kind of history and hurts on another by that: compared once more, as models are trained."""

CANDIDATES: Final[dict[str, tuple[float, ...]]] = {"l2_regularization": (30.0, 3.0)}
"""Other settings that are tried on the features of now."""
TRIED: Final = tuple(f"{name} {value:g}" for name, values in CANDIDATES.items() for value in values)
"""Their variants' names."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to train: by which code, on which features, with which settings apart from the code's own."""

    name: str
    features: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    by_earlier_code: bool = False


def variants(parts: Iterable[str], now: Checkout, before: Checkout) -> list[Variant]:
    """Return the variants of some of PARTS."""
    ways = {
        "main": _main,
        "without": _without,
        "alone": _alone,
        "training": _training,
        "tried": _tried,
        "doubtful": _doubtful,
    }
    return [variant for part in parts for variant in ways[part](now, before)]


PARTS: Final = ("main", "tried", "without", "training", "alone", "doubtful")


def _main(now: Checkout, before: Checkout) -> list[Variant]:
    return [
        Variant(BEFORE, before.features, by_earlier_code=True),
        Variant(NOW, now.features),
    ]


def _without(now: Checkout, before: Checkout) -> list[Variant]:
    _expect_grouped(now, before)
    return [Variant(ALL, now.features, ABLATED)] + [
        Variant(f"without {name}", tuple(one for one in now.features if one not in group), ABLATED)
        for name, group in (GROUPS | TOGETHER).items()
    ]


def _alone(now: Checkout, before: Checkout) -> list[Variant]:
    _expect_grouped(now, before)
    return [Variant(NONE, before.features, ABLATED)] + [
        Variant(f"only {name}", tuple(one for one in now.features if one in before.features or one in group), ABLATED)
        for name, group in (GROUPS | TOGETHER).items()
    ]


def _training(now: Checkout, before: Checkout) -> list[Variant]:
    back = changes(now, before)
    return [
        Variant(OLD_FEATURES, before.features),
        Variant(OLD_TRAINING, now.features, back),
        *(Variant(f"{name} of before", now.features, {name: value}) for name, value in back.items()),
    ]


def _tried(now: Checkout, _before: Checkout) -> list[Variant]:
    return [
        Variant(f"{name} {value:g}", now.features, {name: value})
        for name, values in CANDIDATES.items()
        for value in values
    ]


def _doubtful(now: Checkout, _before: Checkout) -> list[Variant]:
    return [
        Variant(f"now without {name}", tuple(one for one in now.features if one not in TOGETHER[name]))
        for name in DOUBTFUL
    ]


def changes(now: Checkout, before: Checkout) -> dict[str, Any]:
    """Return the settings that have another default now, as they were before."""
    return {name: value for name, value in before.settings.items() if now.settings.get(name, value) != value}


def _expect_grouped(now: Checkout, before: Checkout) -> None:
    new = set(now.features) - set(before.features)
    grouped = {name for group in GROUPS.values() for name in group}
    if new != grouped:
        raise ValueError(
            f"Expected each new feature in a group of {__name__}; without one: {sorted(new - grouped)}, "
            f"in a group but not new: {sorted(grouped - new)}."
        )
