"""What a rebuild tells while it is under way, and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Step = Callable[[str, int], Callable[[int], None]]
"""Begins a part of the work (what, how much) and returns what is told how much of it is done."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was put into the empty store."""

    payments: int
    reports: int
    offsets: dict[bytes, int]
    """The next offset of each source partition."""
    since: int | None
    """Epoch milliseconds from which on the windows are whole; None where nothing was found."""
