"""The workers under load, seen by their metrics pages: looked at in a thread until told to stop."""

from __future__ import annotations

import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upifraud.demo.reading import Buckets, Reading, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWER_SECONDS = 5.0
LOOK_SECONDS = 0.5

Page = str


class SilentWorkerError(Exception):
    """A worker's metrics cannot be read."""


def fetch(url: str) -> Page:
    """Return what a worker's page of metrics says now; raises SilentWorkerError that says what to do."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - http or https, as was checked
            text: str = answer.read().decode()
            return text
    except (OSError, ValueError) as error:
        raise SilentWorkerError(
            f"Expected a worker's metrics at {url}, got {error}. Start the worker, or name its address with --metrics."
        ) from error


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all workers say together at one moment."""

    readings: tuple[Reading, ...]

    @property
    def consumed(self) -> int:
        """Records of the transactions topic that are done."""
        return sum(one.consumed for one in self.readings)

    @property
    def dead_letters(self) -> int:
        """Dead letters of all reasons."""
        return sum(sum(one.dead_letters.values()) for one in self.readings)

    @property
    def lag_records(self) -> int:
        """Records behind."""
        return sum(one.lag_records for one in self.readings)

    @property
    def lag_seconds(self) -> float:
        """Seconds behind, of the worker that is most so."""
        return max((one.lag_seconds for one in self.readings), default=0.0)

    def latency_since(self, earlier: Fleet) -> Buckets:
        """Return the end-to-end latencies of all workers since an earlier moment, in one histogram."""
        parts = [
            now.end_to_end.since(before.end_to_end)
            for now, before in zip(self.readings, earlier.readings, strict=True)
            if now.end_to_end.counts
        ]
        if not parts:
            return Buckets()
        counts = tuple(map(sum, zip(*(part.counts for part in parts), strict=True)))
        return Buckets(parts[0].bounds, counts, sum(part.total for part in parts))


@dataclass
class Lookout:
    """Looks at the workers twice a second from construction until `close`; keeps the worst of what it saw."""

    urls: Sequence[str]
    topic: str
    get: Callable[[str], Page] = fetch
    lag: int = 0
    lag_seconds: float = 0.0
    restarts: int = 0
    _last: Fleet = field(init=False)
    _done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._last = self._read()
        self._thread = threading.Thread(target=self._watch, name="lookout", daemon=True)
        self._thread.start()

    def look(self) -> Fleet:
        """Look now; raises SilentWorkerError if a worker does not answer."""
        fleet = self._read()
        with self._lock:
            self.restarts += sum(
                now.consumed < before.consumed for now, before in zip(fleet.readings, self._last.readings, strict=True)
            )
            self.lag = max(self.lag, fleet.lag_records)
            self.lag_seconds = max(self.lag_seconds, fleet.lag_seconds)
            self._last = fleet
        return fleet

    def forget(self) -> None:
        """Forget the worst that was seen so far: the warm-up is over."""
        with self._lock:
            self.lag, self.lag_seconds = 0, 0.0

    def close(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()

    def _read(self) -> Fleet:
        return Fleet(tuple(read(self.get(url), time.monotonic(), self.topic) for url in self.urls))

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            # A look that a busy worker did not answer is no matter; whoever needs one asks for it.
            with suppress(SilentWorkerError):
                self.look()
