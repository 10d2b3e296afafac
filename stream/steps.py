"""The steps of a micro-batch of payments, in their order: the words that meters, lanes, the demo and benchmarks use.

docs/architecture.md draws them. Behind the last one the transport acknowledges, which takes no time to speak of.
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """One step; its value is the label `stage` on the meters."""

    DECODE = "decode"
    """Every record becomes a payment or a rejection."""
    CLAIM = "claim"
    """Every transaction_id belongs to one record from here on."""
    FEATURES = "features"
    """Payments are appended to the entity logs, and the logs read back."""
    WINDOWS = "windows"
    """Every payment is measured as of its positions in the logs."""
    JUDGE = "judge"
    """Score, exact contributions, verdict, and the alert with its reasons."""
    STORE = "store"
    """One row a payment; a row that was there stands."""
    OUTCOMES = "outcomes"
    """Outcomes that had come before these verdicts go to the entity logs."""
    PUBLISH = "publish"
    """Sinks and dead letters, every delivery confirmed."""


class Lap:
    """The seconds that one step of one micro-batch took, by the clock and by the CPU of its thread."""

    __slots__ = ("cpu", "wall")

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
