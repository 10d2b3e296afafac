"""How soon the stream decides, by what it took lately: before that, a row need not be looked for."""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.75
"""Of the shortest time lately after which the first look is made: a row that is early must not wait long."""
MOST: Final = 0.05
"""Seconds to the first look at most, however slow the stream was."""
_DOWN: Final = 0.3
_UP: Final = 0.02
"""How far each time moves the estimate towards itself: far where it was shorter, so about the fastest tenth counts."""


class Pace:
    """Learns from every row that was waited for; for one thread."""

    def __init__(self) -> None:
        self._soon = 0.0

    @property
    def first(self) -> float:
        """Seconds from a payment's hand-over to the broker to the first look for its row."""
        return min(SHARE * self._soon, MOST)

    def took(self, seconds: float) -> None:
        """Learn how long a row took from the hand-over on."""
        self._soon += (seconds - self._soon) * (_DOWN if seconds < self._soon else _UP)
