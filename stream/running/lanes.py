"""The worker's lanes: one for each server that is waited for and one that computes, so that they overlap in order."""

from __future__ import annotations

from stream import metrics
from stream.running.lane import Lane, Ways


class Lanes(Ways):
    """Lanes by the steps that are made in them, in the order in which a micro-batch of payments passes them."""

    def __init__(self) -> None:
        super().__init__(metrics.note_steps)
        self.claim = Lane()
        """Decode and claim; a session of Postgres."""
        self.features = Lane()
        """Redis."""
        self.windows = Lane()
        """Measuring; Redis, over a connection of its own, where a log is not known."""
        self.store = Lane()
        """Judge, store, outcomes; another session of Postgres."""
        self.publish = Lane()
        """Sinks and dead letters; Kafka."""
        self.outcomes = Lane()
        """Where micro-batches of outcomes are decoded, in whose way no payment is."""
