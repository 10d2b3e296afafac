"""Liveness and readiness that tell the truth: what the worker waits for, what it last did, and whether that is well.

A worker that waits for a server it has declared down is alive: restarting it would not bring the server back, and would
throw its replicas away. A worker that has lag, waits for nothing and finishes nothing is not.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LOOP = "event loop"


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of one probe: whether all is well, why not, and what the worker waits for."""

    ok: bool
    reasons: tuple[str, ...]
    waiting_for: Mapping[str, float] = field(default_factory=dict)
    """Servers declared down, with the seconds since."""

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON can write it."""
        return {
            "status": "ok" if self.ok else "failing",
            "reasons": list(self.reasons),
            "waiting_for": {server: round(seconds, 1) for server, seconds in sorted(self.waiting_for.items())},
        }


class Health:
    """Takes notes of what the worker does and judges them when asked; safe to use from any thread.

    `clock` returns seconds that never go backwards. `stall_seconds` is how long lag may stand without progress,
    `rebalance_seconds` how long a rebalance may take. `on_server` is told of every server that is declared down (False)
    or back (True).
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        stall_seconds: float,
        rebalance_seconds: float,
        on_server: Callable[[str, bool], None] = lambda _server, _up: None,
    ) -> None:
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._rebalance_seconds = rebalance_seconds
        self._on_server = on_server
        self._lock = threading.Lock()
        self._waits: dict[str, list[float]] = {}
        self._lag = 0
        self._moved_at = clock()
        self._beat_at: float | None = None
        self._rebalancing_since: float | None = None
        self._assigned = False
        self._stopping = False

    @contextmanager
    def waiting_for(self, server: str) -> Iterator[None]:
        """Declare that the worker waits for this server, until the block is left; blocks may nest and overlap."""
        self.wait_began(server)
        try:
            yield
        finally:
            self.wait_ended(server)

    def wait_began(self, server: str) -> None:
        """Declare a server down; every call needs its wait_ended."""
        with self._lock:
            waits = self._waits.setdefault(server, [])
            waits.append(self._clock())
            first = len(waits) == 1
        if first:
            self._on_server(server, False)  # noqa: FBT003 - up or not

    def wait_ended(self, server: str) -> None:
        """Take one wait_began back; what was not possible meanwhile is not held against the worker."""
        with self._lock:
            waits = self._waits[server]
            waits.pop()
            if waits:
                return
            del self._waits[server]
            if not self._waits:
                self._moved_at = self._clock()
        self._on_server(server, True)  # noqa: FBT003 - up or not

    def progress(self) -> None:
        """Note that a micro-batch was finished."""
        with self._lock:
            self._moved_at = self._clock()

    def lag(self, records: int) -> None:
        """Note how many records are behind, over all partitions of this worker; also the event loop's heartbeat."""
        with self._lock:
            self._beat_at = now = self._clock()
            if self._lag == 0:
                self._moved_at = now  # there was nothing to do until now
            self._lag = records

    def rebalance_began(self) -> None:
        """Note that partitions are being moved."""
        with self._lock:
            if self._rebalancing_since is None:
                self._rebalancing_since = self._clock()

    def rebalance_ended(self) -> None:
        """Note that this worker's partitions are settled and it works on them."""
        with self._lock:
            self._rebalancing_since = None
            self._assigned = True
            self._moved_at = self._clock()

    def stopping(self) -> None:
        """Note that the worker drains and takes no more records."""
        with self._lock:
            self._stopping = True

    def live(self) -> Report:
        """Judge whether the worker should be left running."""
        with self._lock:
            now, waits = self._clock(), self._waiting()
            reasons = []
            if self._beat_at is not None and now - self._beat_at > self._stall_seconds:
                reasons.append(f"the {LOOP} has not run for {now - self._beat_at:.0f} s")
            stalled = now - self._moved_at
            if self._lag and not waits and stalled > self._stall_seconds:
                reasons.append(f"{self._lag} records behind, but nothing was finished for {stalled:.0f} s")
            if self._rebalancing_since is not None and not waits:
                rebalancing = now - self._rebalancing_since
                if rebalancing > self._rebalance_seconds:
                    reasons.append(f"rebalancing for {rebalancing:.0f} s")
            return Report(not reasons, tuple(reasons), waits)

    def ready(self) -> Report:
        """Judge whether the worker is at work on its partitions."""
        with self._lock:
            waits = self._waiting()
            reasons = [f"waiting for {server}" for server in sorted(waits)]
            if self._stopping:
                reasons.append("draining, about to stop")
            if not self._assigned:
                reasons.append("no partitions were assigned yet")
            elif self._rebalancing_since is not None:
                reasons.append("rebalancing")
            return Report(not reasons, tuple(reasons), waits)

    def _waiting(self) -> dict[str, float]:
        now = self._clock()
        return {server: now - waits[0] for server, waits in self._waits.items()}
