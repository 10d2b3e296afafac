"""Retry: a call to a server that is gone is made again with capped backoff, which health says, until it succeeds."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from stream import metrics
from stream.errors import RetryableError, StreamError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from stream.batch_histogram import LabelledHistogram
    from stream.running.health import Health

T = TypeVar("T")

log = logging.getLogger(__name__)


class Server(StrEnum):
    """A server that the worker waits for."""

    KAFKA = "kafka"
    REDIS = "redis"
    POSTGRES = "postgres"


_LATENCY: Final[dict[Server, LabelledHistogram]] = {
    Server.REDIS: metrics.REDIS_LATENCY,
    Server.POSTGRES: metrics.POSTGRES_LATENCY,
}


class StoppedError(StreamError):
    """The worker stops while it waits for a server; what it had in flight is delivered again."""


class Retry:
    """Makes calls to one server, and makes them again until they succeed or the worker stops.

    A call blocks its lane meanwhile, so nothing overtakes it. `stop` ends every wait at once.
    """

    def __init__(
        self, server: Server, health: Health, stop: threading.Event, *, first: float = 0.05, most: float = 2.0
    ) -> None:
        self._server = server
        self._health = health
        self._stop = stop
        self._first = first
        self._most = most
        self._latency = _LATENCY.get(server)

    def until_done(self, call: Callable[[], T], operation: str | None = None) -> T:
        """Return what the call returns, however long the server is gone; other errors than RetryableError go through.

        `operation` names the call on the meter of the server's latency; None for one that seldom asks the server.
        Raises StoppedError if the worker stops first.
        """
        try:
            return self._timed(call, operation)
        except RetryableError as error:
            log.warning("Waiting for %s: %s", self._server, error)
        pause = self._first
        with self._health.waiting_for(self._server):
            while not self._stop.wait(pause):
                metrics.RETRIES.labels(self._server).inc()
                try:
                    result = self._timed(call, operation)
                except RetryableError as error:
                    pause = min(2 * pause, self._most)
                    log.debug("Still waiting for %s: %s", self._server, error)
                else:
                    log.info("%s is back.", self._server)
                    return result
        raise StoppedError(f"Stopped while waiting for {self._server}.")

    def _timed(self, call: Callable[[], T], operation: str | None) -> T:
        began = time.perf_counter()
        try:
            return call()
        finally:
            if self._latency is not None and operation is not None:
                self._latency.observe(operation, time.perf_counter() - began)
