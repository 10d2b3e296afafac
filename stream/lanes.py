"""The worker's threads: one for each server it waits for and one that computes, so that they overlap in order."""

from __future__ import annotations

from stream.lane import Lane


class Lanes:
    """Claims, features (what Redis does for them), windows, verdicts, outbox: as a micro-batch passes them."""

    def __init__(self) -> None:
        self.claims = Lane("claims")
        self.features = Lane("features")
        self.windows = Lane("windows")
        self.verdicts = Lane("verdicts")
        self.outbox = Lane("outbox")

    def close(self) -> None:
        """Let what is running finish and end the threads."""
        for lane in (self.claims, self.features, self.windows, self.verdicts, self.outbox):
            lane.close()
