"""The access log: who looked at whom, when, and how many rows came of it.

A look-up of a person is answered only once its line is on the disk. A what-if's line waits in memory, where there is
room for so many; beyond it lines are lost and counted, and scoring goes on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service.door import meters
from service.door.problems import Problem
from stream.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.verdict_store.door import AccessLine

MOST: Final = 10_000
"""Lines of what-ifs in memory."""
EVERY: Final = 0.5
"""Seconds between two writes, while nobody waits for one."""
PATIENCE: Final = 2.0
"""How long a look-up waits for its line."""

log = logging.getLogger(__name__)


class AccessLog:
    """Takes lines, and writes them in a thread of its own."""

    def __init__(self, write: Callable[[Sequence[AccessLine]], None]) -> None:
        self._write = write
        self._lines: list[AccessLine] = []
        self._urgent: list[tuple[AccessLine, asyncio.AbstractEventLoop, asyncio.Future[bool]]] = []
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_writing, name="access log", daemon=True)

    def begin(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and stop."""
        self._stopping = True
        self._wanted.set()
        self._thread.join()

    def note(self, line: AccessLine) -> None:
        """Take the line of a what-if."""
        with self._lock:
            if len(self._lines) >= MOST:
                meters.ACCESS_LINES_LOST.inc()
                return
            self._lines.append(line)

    async def noted(self, line: AccessLine) -> None:
        """Return when a line is on the disk; raises Problem where it cannot be written."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[bool] = loop.create_future()
        with self._lock:
            if len(self._urgent) >= MOST:
                raise _not_logged()
            self._urgent.append((line, loop, written))
        self._wanted.set()
        await asyncio.wait([written], timeout=PATIENCE)
        if not written.done() or not written.result():
            written.cancel()
            raise _not_logged()

    def _keep_writing(self) -> None:
        while not self._stopping:
            self._wanted.wait(EVERY)
            self._wanted.clear()
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            urgent, self._urgent = self._urgent, []
        # Nobody waits any more for one that was given up; and what is not answered need not be written.
        urgent = [(line, loop, written) for line, loop, written in urgent if not written.cancelled()]
        if not lines and not urgent:
            return
        try:
            self._write([*lines, *(line for line, _, _ in urgent)])
            done = True
        except StreamError as error:
            log.warning("The access log cannot be written: %s", error)
            done = False
        except Exception:  # the thread must go on, or no look-up is ever answered again
            log.exception("The access log was not written")
            done = False
        if not done:
            with self._lock:
                self._lines = (lines + self._lines)[:MOST]
        for _, loop, written in urgent:
            loop.call_soon_threadsafe(_finish, written, done)


def _finish(written: asyncio.Future[bool], done: bool) -> None:
    if not written.done():
        written.set_result(done)


def _not_logged() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-logged",
        "Expected to write the look-up to the access log first, but it cannot be written; try again later.",
        server="postgres",
        headers={"Retry-After": "1"},
    )
