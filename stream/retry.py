"""Patience with a server that is gone: try again with capped backoff, say so, and go on where it stood."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from stream import metrics
from stream.errors import RetryableError, StreamError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from stream.health import Health

P = ParamSpec("P")
T = TypeVar("T")

LATENCY: Final = {"redis": metrics.REDIS_LATENCY, "postgres": metrics.POSTGRES_LATENCY}

log = logging.getLogger(__name__)


class StoppedError(StreamError):
    """The worker stops while it waits for a server; what it had in flight is delivered again."""


class Patience:
    """Makes calls to servers, and makes them again until they succeed or the worker stops.

    A call blocks its lane meanwhile, so nothing overtakes it. `stop` ends every wait at once.
    """

    def __init__(self, health: Health, stop: threading.Event, *, first: float = 0.05, most: float = 2.0) -> None:
        self._health = health
        self._stop = stop
        self._first = first
        self._most = most

    def call(self, server: str, operation: str | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns, however long the server is gone; other errors than RetryableError go through.

        `operation` names the call on the meters of the server's latency; None for one that seldom asks the server.
        Raises StoppedError if the worker stops first.
        """
        try:
            return self._timed(server, operation, call, *args, **kwargs)
        except RetryableError as error:
            log.warning("Waiting for %s: %s", server, error)
        pause = self._first
        with self._health.waiting_for(server):
            while not self._stop.wait(pause):
                metrics.RETRIES.labels(server).inc()
                try:
                    result = self._timed(server, operation, call, *args, **kwargs)
                except RetryableError as error:
                    pause = min(2 * pause, self._most)
                    log.debug("Still waiting for %s: %s", server, error)
                else:
                    log.info("%s is back.", server)
                    return result
        raise StoppedError(f"Stopped while waiting for {server}.")

    def _timed(self, server: str, operation: str | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            latency = LATENCY.get(server)
            if latency is not None and operation is not None:
                latency.labels(operation).observe(time.perf_counter() - began)
