"""The worker's threads: one for each server it waits for, so that they overlap and each keeps its order."""

from __future__ import annotations

from stream.lane import Lane


class Lanes:
    """Claims, features, verdicts and the outbox: the order in which a micro-batch passes them."""

    def __init__(self) -> None:
        self.claims = Lane("claims")
        self.features = Lane("features")
        self.verdicts = Lane("verdicts")
        self.outbox = Lane("outbox")

    def close(self) -> None:
        """Let what is running finish and end the threads."""
        for lane in (self.claims, self.features, self.verdicts, self.outbox):
            lane.close()
