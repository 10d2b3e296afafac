"""The earlier and the later part of a history, cut at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of each part, and the moment between them."""

    cut: int
    """Epoch ms: earlier payments train, those from it on test."""
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def split(event_time: NDArray[np.int64], train_share: float) -> Split:
    """Return the parts of a history; raises TrainingError where one of them would be empty.

    Payments of one moment are never parted, so the share is only nearly what was asked for.
    """
    ordered = np.sort(event_time)
    cut = int(ordered[min(int(train_share * len(ordered)), len(ordered) - 1)])
    earlier = event_time < cut
    if not earlier.any():
        raise TrainingError(
            f"Expected payments at different times, so that an earlier part of {train_share:.0%} can be told from a "
            "later "
            f"one, got {len(np.unique(event_time))} different times among {len(event_time):,} payments; give a longer "
            "history, or correct the line of event_time in the map."
        )
    return Split(cut, np.flatnonzero(earlier), np.flatnonzero(~earlier))


def is_in_order(event_time: NDArray[np.int64], slack_ms: int = 3_600_000) -> bool:
    """Say whether rows come in order of time, but for one in a hundred that is later than others by an hour."""
    if not len(event_time):
        return True
    behind = np.maximum.accumulate(event_time) - event_time
    return bool((behind > slack_ms).mean() <= 0.01)
