"""When the next micro-batch may be formed: small ones one at a time and apart, large ones as soon as the lanes allow.

A micro-batch costs some CPU however small it is, and several small ones at once contend for the same cores and lanes.
So small ones come one after the other, with a little time between their starts. What arrives meanwhile makes the next
one larger: the rate decides how large. Where that is not enough, they grow beyond `LARGE` and overlap, until what has
gathered is done and they are small again.
"""

from __future__ import annotations

import math
import threading

LARGE = 400
"""Records from which on a micro-batch costs more for what is in it than for being one."""

ALONE_SECONDS = 0.025
"""A small one that takes longer holds the next one up no longer: it waits for a server, or is stuck."""


class Pace:
    """Knows when the last micro-batch was formed, and how large it was; what time it is is passed in, in seconds."""

    def __init__(self, apart: float) -> None:
        """`apart` is the least time between the starts of small ones; 0 lets the next one start when one ends."""
        self._apart = apart
        self._formed_at = -math.inf
        self._small = False

    def formed(self, now: float, records: int, *, more: bool) -> None:
        """Note that one is formed; `more` says that it was cut off at its bounds, and the next one is waiting."""
        self._formed_at = now
        self._small = records < LARGE and not more

    def rest(self, now: float) -> float:
        """Return for how long no other one must be formed yet."""
        return self._left(self._apart, now)

    def alone(self, now: float) -> float:
        """Return for how long the next one has to wait for the end of all before it; then it may overlap."""
        return self._left(max(self._apart, ALONE_SECONDS), now)

    def _left(self, seconds: float, now: float) -> float:
        return max(0.0, self._formed_at + seconds - now) if self._small else 0.0


class Room:
    """Room for so many micro-batches. One thread takes it, so room that it has waited for is still there then."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._at_work = 0
        self._changed = threading.Condition()

    def wait(self, at_work: int, seconds: float) -> bool:
        """Wait until at most so many are at work, but no longer than this; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._at_work <= at_work, seconds)

    def take(self) -> None:
        """Begin with a micro-batch."""
        with self._changed:
            self._at_work += 1

    def give_back(self) -> None:
        """Be done with one."""
        with self._changed:
            self._at_work -= 1
            self._changed.notify()
