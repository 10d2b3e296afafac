"""What is known of the servers: which of them does not answer now, and since when."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from stream import metrics
from stream.running.retry import Server

log = logging.getLogger(__name__)

NAMES: Final = tuple(str(server) for server in Server)


class Servers:
    """Takes notes of answers and of silence, from any thread."""

    def __init__(self) -> None:
        self._gone: dict[str, float] = {}
        self._lock = threading.Lock()
        for server in NAMES:
            metrics.SERVER_UP.labels(server).set(1)

    def answered(self, server: str) -> None:
        """Note that a server answered."""
        if server not in self._gone:  # nearly always
            return
        with self._lock:
            since = self._gone.pop(server, None)
        if since is not None:
            metrics.SERVER_UP.labels(server).set(1)
            log.info("%s is back.", server)

    def gone(self, server: str, why: str) -> None:
        """Note that a server did not answer."""
        with self._lock:
            is_new = server not in self._gone
            self._gone.setdefault(server, time.monotonic())
        if is_new:
            metrics.SERVER_UP.labels(server).set(0)
            log.warning("%s does not answer: %s", server, why)

    def waiting_for(self) -> dict[str, float]:
        """Return the servers that do not answer, with the seconds since."""
        now = time.monotonic()
        with self._lock:
            return {server: round(now - since, 1) for server, since in sorted(self._gone.items())}
