"""One connection to Redis or Valkey: commands, and requests that are bytes already. The only module that imports redis.

redis-py makes it and owns its socket, so its options, TLS and passwords are those of redis-py. What goes around it are
redis-py's pool and what it does for each command: that cost more than the server takes for a small micro-batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from features.errors import StoreAddressError, StoreCorruptError, StoreRolledBackError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSALS: Final = (
    "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN",
)  # fmt: skip
"""What a server says that will take writes again by itself, or when somebody has seen to it."""

OK: Final = b"+OK\r\n"
QUEUED: Final = b"+QUEUED\r\n"
_MORE: Final = object()
_READ_BYTES: Final = 1 << 16


class FunctionsLostError(StoreUnavailableError):
    """The server does not have our functions."""


class Connection:
    """A connection that is made when it is needed. Blocking; for one thread at a time.

    Every failure to reach the server is retryable, and is seen by the caller: whoever answers next may be another.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Connect to nothing yet; raise `StoreAddressError` for an address that redis-py cannot read."""
        try:
            pool = redis.ConnectionPool.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),  # a retry must be seen by the caller: it drops the replicas
                redis_connect_func=self._connected,
                protocol=2,
            )
            # An option that redis-py does not know is found out here.
            self._connection: Any = pool.make_connection()
        except (TypeError, ValueError):  # their texts may quote the URL
            raise StoreAddressError(
                "UPIFRAUD_REDIS_URL: expected a URL that redis-py can read, got a secret that is not shown. An option "
                "after its ? is unknown or has no value of its kind, or a password is not percent-encoded. Correct it."
            ) from None
        self._met = False
        self._told = _Told(self)
        self.number = 0
        """Counts connections: what one of them was told, the next one does not know."""

    def _connected(self, connection: Any) -> None:
        """Let the caller see that the connection was lost, even while it was idle: the server may be another now."""
        connection.on_connect()
        if self._met:
            raise redis.ConnectionError("the connection was lost")
        self._met = True
        self.number += 1

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._met

    def close(self) -> None:
        """Let go of the connection; the next command makes another."""
        self._connection.disconnect()
        self._met = False

    def command(self, *args: Any) -> Any:
        """Send a command and return what the server replied."""
        with self._told:
            self._connection.send_command(*args)
            return self._connection.read_response()

    def commands(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands together and return the replies; an error among them is raised when all are there."""
        if not commands:
            return []
        with self._told:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
            replies = [self._reply() for _ in commands]
            for reply in replies:
                if isinstance(reply, redis.ResponseError):
                    raise reply
            return replies

    def exchange(self, request: bytes, begins: bytes, more: int) -> list[Any]:
        """Send packed commands; return the replies behind those that are told by heart, errors as they came.

        begins: the bytes that the reply begins with unless something went wrong; a reply each line. more: how many
        replies there are behind them. An error among what it begins with is raised when all replies were read.
        """
        with self._told:
            try:
                first, replies = self._exchanged(request, begins, more)
            except redis.RedisError:
                raise
            except BaseException:
                self.close()  # the rest of the reply may come yet
                raise
            for reply in first:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    def _exchanged(self, request: bytes, begins: bytes, more: int) -> tuple[list[Any], list[Any]]:
        """Return the first replies, unless they are told by heart, and those behind them."""
        self._connection.send_packed_command([request])
        received = self._received()
        while len(received) < len(begins) and begins.startswith(received):
            received += self._received()
        reader = hiredis.Reader(
            protocolError=redis.InvalidResponse,
            replyError=self._connection._parser.parse_error,  # noqa: SLF001 - redis-py's classes of errors
            notEnoughData=_MORE,
        )
        if received.startswith(begins):
            reader.feed(received[len(begins) :])
            return [], self._read(reader, more)
        reader.feed(received)
        lines = begins.count(b"\n")
        replies = self._read(reader, lines + more)
        return replies[:lines], replies[lines:]

    def fail(self, error: Exception) -> NoReturn:
        """Raise what an error that was part of a reply stands for."""
        with self._told:
            raise error

    def _read(self, reader: hiredis.Reader, count: int) -> list[Any]:
        replies: list[Any] = []
        while len(replies) < count:
            reply = reader.gets()
            if reply is _MORE:
                reader.feed(self._received())
            else:
                replies.append(reply)
        return replies

    def _received(self) -> bytes:
        """Return some bytes of a reply, as soon as there are any."""
        try:
            part: bytes = self._connection._sock.recv(_READ_BYTES)  # noqa: SLF001 - its socket, options and all
        except TimeoutError:
            raise redis.TimeoutError("it took too long") from None
        except OSError as error:
            raise redis.ConnectionError(f"the connection was lost: {error}") from error
        if not part:
            raise redis.ConnectionError("the connection was lost")
        return part

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error


class _Told:
    """Raises what redis-py raises as what the caller acts on; a connection that was lost is closed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.InvalidResponse)):
            lost = "" if "lost" in str(error) or not self._connection.is_open else "the connection was lost: "
            self._connection.close()
            raise StoreUnavailableError(
                f"Redis does not answer: {lost}{error}. See that it runs, and UPIFRAUD_REDIS_URL."
            ) from error
        if not isinstance(error, redis.ResponseError):
            return
        if isinstance(error, redis.OutOfMemoryError) or "OOM" in str(error):
            raise StoreUnavailableError(
                "Redis is at maxmemory, and evicts nothing so that no window is lost: give it more memory."
            ) from error
        if any(word in str(error) for word in REFUSALS):
            raise StoreUnavailableError(f"Redis refuses for now: {error}.") from error
        if "unction not found" in str(error):
            raise FunctionsLostError("Redis lost its functions; they are loaded again.") from error
        if str(error).startswith("ROLLEDBACK"):
            raise StoreRolledBackError(f"The online store lost what was applied to it: {error}.") from error
        raise StoreCorruptError(f"Redis refused: {error}") from error
