"""Amounts people really pay: round ones between people, whatever the bill says in shops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUPEE: Final = 100
"""Paise."""
MOST_TO_A_PERSON: Final = 100_000 * RUPEE
"""NPCI's limit for one payment."""
MOST_TO_A_SHOP: Final = 200_000 * RUPEE

_STEPS: Final = np.array([1, 5, 10, 50, 100, 500, 1_000], dtype=np.int64) * RUPEE
_EDGES: Final = np.array([20, 60, 300, 1_000, 4_000, 20_000], dtype=np.float64) * RUPEE


def between_people(paise: NDArray[np.float64], luck: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to amounts that people choose; `luck` in [0, 1) decides how round."""
    level = np.searchsorted(_EDGES, paise)
    level = np.maximum(level - (luck < 0.35) - (luck < 0.12), 0)
    step = _STEPS[level]
    rounded: NDArray[np.int64] = np.maximum(np.rint(paise / step).astype(np.int64) * step, RUPEE)
    return np.minimum(rounded, MOST_TO_A_PERSON)


def in_shops(paise: NDArray[np.float64], luck: NDArray[np.float64], online: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Round to what bills come to: whole rupees, with paise in a part of what is bought online."""
    step = np.where(online & (luck < 0.3), 1, np.where(luck > 0.6, 10 * RUPEE, RUPEE))
    step = np.where(paise < 25 * RUPEE, RUPEE, step)
    rounded = np.maximum(np.rint(paise / step).astype(np.int64) * step, RUPEE)
    return np.minimum(rounded, MOST_TO_A_SHOP)


def rounded(rupees: float, step: int = 100) -> int:
    """Return an amount in paise, to a multiple of `step` rupees, at least that and at most what may be paid at once."""
    return min(max(round(rupees / step), 1) * step * RUPEE, MOST_TO_A_PERSON)
