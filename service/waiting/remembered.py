"""The last so many things by key: what comes beyond pushes out what was there longest."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")
Key = tuple[bytes, int]


class Remembered(Generic[T]):
    """For any thread: two that push at once would otherwise look at a dictionary while it changes, which raises."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: dict[Key, T] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._things)

    def put(self, key: Key, thing: T) -> None:
        """Remember a thing, in place of the one that its key has."""
        with self._lock:
            self._things[key] = thing
            if len(self._things) > self._most:
                del self._things[next(iter(self._things))]

    def get(self, key: Key) -> T | None:
        """Return the thing of a key, or None."""
        return self._things.get(key)

    def take(self, key: Key) -> T | None:
        """Return the thing of a key and forget it, or None."""
        with self._lock:
            return self._things.pop(key, None)
