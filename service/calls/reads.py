"""Reads that are made once a call: in a few threads, each with a session of its own that cannot write."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from service.door.problems import server_gone
from stream.errors import RetryableError
from stream.verdict_store.door import Door

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.servers import Servers

T = TypeVar("T")

THREADS: Final = 3


class Reads:
    """Asks Postgres beside the event loop."""

    def __init__(self, url: str, servers: Servers) -> None:
        self._url = url
        self._servers = servers
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reads")
        self._own = threading.local()
        self._doors: list[Door] = []

    async def ask(self, what: Callable[[Door], T]) -> T:
        """Return what a call of the door returns; raises Problem with 503 where Postgres does not answer."""
        return await self.run(lambda: what(self._door()))

    async def run(self, what: Callable[[], T]) -> T:
        """Make a call that blocks; raises Problem with 503 where its server does not answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, what)
        except RetryableError as error:
            server = error.server or "postgres"
            self._servers.gone(server, str(error))
            raise server_gone(server, f"Expected an answer from {server}, got none; try again later.") from error

    def close(self) -> None:
        """End the threads and their sessions."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for door in self._doors:
            door.close()

    def _door(self) -> Door:
        door: Door | None = getattr(self._own, "door", None)
        if door is None:
            door = self._own.door = Door(self._url, name="api-reads")
            self._doors.append(door)
        return door
