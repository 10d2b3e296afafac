"""What is usual for the payer, payee or device of one payment, as far as the payment's own vector tells.

A mean or largest amount comes from the payment's ratio to it, which leaves the payment itself out; a count or sum of
a window comes from the entity's 30 days, scaled to the window, or from its age where it is younger.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from features.words.units import DAY
from features.words.windowed import parse_window

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = "30d"
LONGEST_SECONDS = 30 * DAY


class Own(NamedTuple):
    """Where in a vector it says what is usual; NaN for a vector that lacks what it takes.

    Without `seconds` it is `vector[over] / vector[under]`: an amount over its ratio to what is usual. With them it is
    what the longest window has, `vector[over]`, scaled to so many seconds; `vector[under]` is the age.
    """

    over: int
    under: int | None
    seconds: float | None = None

    def of(self, vector: Sequence[float]) -> float:
        """Return what is usual, by one payment's vector."""
        under = math.nan if self.under is None else vector[self.under]
        if self.seconds is None:
            return vector[self.over] / under if under > 0 else math.nan
        known = LONGEST_SECONDS if math.isnan(under) else under
        if known < self.seconds:  # nothing is usual for somebody who is younger than the window
            return math.nan
        return vector[self.over] * self.seconds / min(LONGEST_SECONDS, known)


def own_usual(name: str, features: Sequence[str]) -> tuple[str, Own] | None:
    """Return whose usual value a vector tells for a feature, and where it does; None where it does not."""
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
    return Own(index["amount_paise"], index[ratio])


def _mean(index: dict[str, int]) -> Own | None:
    return _from_ratio(index, "payer_amount_ratio_mean_30d")


def _rate(index: dict[str, int], entity: str, aggregation: str, seconds: float) -> Own | None:
    longest = f"{entity}_{aggregation}_{LONGEST}"
    if longest not in index:
        return None
    return Own(index[longest], index.get(f"{entity}_seconds_since_first"), seconds)
