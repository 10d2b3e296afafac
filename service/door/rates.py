"""How many requests a key may make: a bucket of tokens for each key, in each process."""

from __future__ import annotations


class Bucket:
    """Fills with `rate` tokens a second up to a second's worth; a request takes one."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = max(rate, 1.0)
        self._at = now

    def take(self, rate: float, now: float) -> float:
        """Take a token at a time in seconds; return 0, or the seconds until there is one."""
        self._rate = rate
        self._tokens = min(self._tokens + (now - self._at) * rate, max(rate, 1.0))
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / rate
