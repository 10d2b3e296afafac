"""The worker's lanes: one for each server it waits for and one that computes, so that they overlap in order."""

from __future__ import annotations

from stream.lane import Lane, Ways

THREADS = 40
"""As many ways as may ever be begun: of two topics, with the most micro-batches that a setting allows, and a hook."""


class Lanes(Ways):
    """Claims, features (what Redis does for them), windows, verdicts, outbox: as a micro-batch passes them."""

    def __init__(self) -> None:
        super().__init__(THREADS)
        self.claims, self.features, self.windows, self.verdicts, self.outbox = (Lane() for _ in range(5))
