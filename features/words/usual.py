"""What is usual for the payer, payee or device of one payment, as far as the payment's own vector tells.

A mean or largest amount comes from the payment's ratio to it, which leaves the payment itself out; a count or sum of
a window comes from the entity's 30 days, scaled to the window, or from its age where it is younger.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from features.words.units import DAY
from features.words.windowed import parse_window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Own = Callable[[Sequence[float]], float]

LONGEST = "30d"
LONGEST_SECONDS = 30 * DAY


def own_usual(name: str, features: Sequence[str]) -> tuple[str, Own] | None:
    """Return (whose, function from a vector to what is usual for them); None where a vector does not tell.

    The function returns NaN for a vector that lacks what it needs.
    """
    index = {feature: at for at, feature in enumerate(features)}
    window = parse_window(name)
    if window is None:
        return ("payer", own) if name == "amount_paise" and (own := _mean(index)) else None
    if window.entity == "payer" and window.aggregation == "mean":
        return ("payer", own) if (own := _mean(index)) else None
    if window.entity == "payer" and window.aggregation == "max":
        return ("payer", own) if (own := _from_ratio(index, "payer_amount_ratio_max_30d")) else None
    if window.aggregation in {"count", "sum"} and window.seconds < LONGEST_SECONDS:
        own = _rate(index, window.entity, window.aggregation, window.seconds)
        return (window.entity, own) if own else None
    return None


def _from_ratio(index: dict[str, int], ratio: str) -> Own | None:
    if "amount_paise" not in index or ratio not in index:
        return None
    amount_at, ratio_at = index["amount_paise"], index[ratio]

    def own(vector: Sequence[float]) -> float:
        ratio = vector[ratio_at]
        return vector[amount_at] / ratio if ratio > 0 else math.nan

    return own


def _mean(index: dict[str, int]) -> Own | None:
    return _from_ratio(index, "payer_amount_ratio_mean_30d")


def _rate(index: dict[str, int], entity: str, aggregation: str, seconds: float) -> Own | None:
    longest = f"{entity}_{aggregation}_{LONGEST}"
    age = f"{entity}_seconds_since_first"
    if longest not in index:
        return None
    longest_at, age_at = index[longest], index.get(age)

    def own(vector: Sequence[float]) -> float:
        known = LONGEST_SECONDS if age_at is None or math.isnan(vector[age_at]) else vector[age_at]
        if known < seconds:  # nothing is usual for somebody who is younger than the window
            return math.nan
        return vector[longest_at] * seconds / min(LONGEST_SECONDS, known)

    return own
