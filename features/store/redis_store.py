"""The online store in Redis or Valkey: one function call a micro-batch. The only module that imports redis."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from features.entities import KINDS, POSITIONS
from features.errors import (
    IdentityKeyMismatchError,
    StoreAddressError,
    StoreCorruptError,
    StoreRolledBackError,
    StoreUnavailableError,
)
from features.measure.risk import MAX_REPORTS, REPORT_BYTES
from features.store import layout
from features.store.contract import Applied, ApplyRequest, Origin, Peeked, PeekRequest
from features.windows import EXPIRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

LOAD_BATCH = 1_000

PART_BYTES = 1 << 19
"""Of a long log that is read in parts: what a server does in a tenth of a millisecond."""

ATTEMPTS = 5
"""To read a long log in parts, while others fold it."""

REFUSALS = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN")
"""What a server says that will take writes again by itself, or when somebody has seen to it."""


class Library(NamedTuple):
    """The server functions, under a name that only this very code has: in a rolling update two versions are at work."""

    name: str
    code: str


@cache
def library() -> Library:
    """Return the server functions with this layout's names filled in."""
    code = resources.files("features.store").joinpath("functions.lua").read_text()
    values = {
        "OFFSETS": layout.OFFSETS.decode(),
        "EXPIRY": str(EXPIRY),
        "REPORT_TAIL": str(MAX_REPORTS * REPORT_BYTES),
        "ENDS": "<" + "I4" * POSITIONS,
        "KINDS": ", ".join(f"'{layout.prefix(kind.letter).decode()}'" for kind in KINDS),
        "KEYS": ", ".join(f"{kind.decode()} = '{layout.prefix(kind).decode()}'" for kind in layout.LETTERS),
        "REPORTS": ", ".join(f"{kind.decode()} = true" for kind in layout.REPORT_LETTERS),
    }
    for name, value in values.items():
        code = code.replace(f"@{name}@", value)
    name = f"{layout.LIBRARY}_{hashlib.sha256(code.encode()).hexdigest()[:8]}"
    return Library(name, code.replace("@LIBRARY@", name))


class Memory(NamedTuple):
    """How full a server is."""

    used_bytes: int
    max_bytes: int
    """Beyond it writes are refused; 0: no limit."""
    evicted_keys: int
    """Since its start; a server that is set up as it must be evicts none."""


class _FunctionsLostError(StoreUnavailableError):
    """The server does not have our functions."""


class RedisEntityStore:
    """Entity logs on one server. Blocking; for one thread at a time. Every failure to reach the server is retryable."""

    def __init__(self, url: str, *, timeout: float = 5.0, primary: RedisEntityStore | None = None) -> None:
        """primary: of a replica that is only looked at, the server that its functions come from."""
        self._primary = primary or self
        try:
            self._redis = redis.Redis.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),  # a retry must be seen by the caller: it drops the replicas
                redis_connect_func=self._connected,
                protocol=2,
            )
            # An option that redis-py does not know would only be found out when the first connection is made.
            self._redis.connection_pool.make_connection()
        except (TypeError, ValueError):  # their texts may quote the URL
            raise StoreAddressError(
                "UPIFRAUD_REDIS_URL: expected a URL that redis-py can read, got a secret that is not shown. An option "
                "after its ? is unknown or has no value of its kind, or a password is not percent-encoded. Correct it."
            ) from None
        self._met = False
        self._loaded = False

    def _connected(self, connection: Any) -> None:
        """Let the caller see that the connection was lost, even while it was idle: the server may be another now."""
        connection.on_connect()
        if self._met:
            raise redis.ConnectionError("the connection was lost")
        self._met = True

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()

    def _command(self, *args: Any) -> Any:
        return self._answer(lambda: self._redis.execute_command(*args))  # type: ignore[no-untyped-call]

    def _answer(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, redis.ReadOnlyError) as error:
            self._met = self._loaded = False
            raise StoreUnavailableError(
                f"Redis does not answer: {error}. See that it runs, and UPIFRAUD_REDIS_URL."
            ) from error
        except redis.OutOfMemoryError as error:
            raise StoreUnavailableError(
                "Redis is at maxmemory, and evicts nothing so that no window is lost: give it more memory."
            ) from error
        except redis.ResponseError as error:
            if any(word in str(error) for word in REFUSALS):
                raise StoreUnavailableError(f"Redis refuses for now: {error}.") from error
            if "unction not found" in str(error):
                self._loaded = False
                raise _FunctionsLostError("Redis lost its functions; they are loaded again.") from error
            if str(error).startswith("ROLLEDBACK"):
                raise StoreRolledBackError(f"The online store lost what was applied to it: {error}.") from error
            raise StoreCorruptError(f"Redis refused: {error}") from error

    def _call(self, function: str, *args: Any) -> Any:
        if not self._loaded:
            self._load()
        return self._command("FCALL", f"{library().name}_{function}", 0, *args)

    def _load(self) -> None:
        self._command("FUNCTION", "LOAD", "REPLACE", library().code)
        self._loaded = True

    def _look(self, function: str, *args: Any) -> Any:
        """Call a function that writes nothing. Where the server has it, nothing is asked that a reader may not ask."""
        call = ("FCALL_RO", f"{library().name}_{function}", 0, *args)
        try:
            return self._command(*call)
        except _FunctionsLostError:
            self._primary._load()  # noqa: SLF001 - our own
        return self._command(*call)

    def apply(self, request: ApplyRequest) -> Applied:
        """Append and read in one atomic step; payments below their partition's next offset are only located."""
        origins = chain.from_iterable(request.origins)
        reply = self._call("apply", request.entries, request.reads, request.absent, request.refresh, *origins)
        return Applied(reply[0], reply[1::3], reply[2::3], reply[3::3])

    def peek(self, request: PeekRequest) -> Peeked:
        """Read logs, and single records, in one atomic step that changes nothing."""
        reply = self._look("peek", request.records, request.reads, request.absent, request.most)
        lines = iter(reply[1].split(b"\n") if reply[1] else ())
        kept = {name: int(value) for name, value in zip(lines, lines, strict=True) if layout.is_offset(name)}
        return Peeked(Applied(b"", reply[2::3], reply[3::3], reply[4::3]), reply[0], kept)

    def fetch_in_parts(self, name: bytes) -> bytes:
        """Return a log whole, read in parts so that a long one holds nobody up."""
        key = layout.key(name[:1], name[1:])
        for _ in range(ATTEMPTS):
            part = self._command("GETRANGE", key, 0, PART_BYTES - 1)
            parts, prefix = [part], part[: layout.PREFIX_BYTES]
            while len(part) == PART_BYTES:
                start = len(parts) * PART_BYTES
                part = self._command("GETRANGE", key, start, start + PART_BYTES - 1)
                parts.append(part)
            # What was read before somebody folded the log, and what was read after that, do not belong together.
            if len(parts) == 1 or self._command("GETRANGE", key, 0, layout.PREFIX_BYTES - 1) == prefix:
                return b"".join(parts)
        raise StoreUnavailableError(f"A log was folded {ATTEMPTS} times while it was read. Ask again.")

    def fetch(self, names: Sequence[bytes]) -> list[bytes]:
        """Return logs whole; empty where there is none."""
        if not names:
            return []
        logs = self._command("MGET", *(layout.key(name[:1], name[1:]) for name in names))
        return [log or b"" for log in logs]

    def fold(self, name: bytes, base: int, header: bytes, keep: int) -> bool:
        """Replace the records before position `keep` by a header; False if the log was folded since `base`."""
        return bool(self._call("fold", name, base, header, keep))

    def report(self, reports: Sequence[tuple[bytes, bytes]], origins: Sequence[Origin] = ()) -> int:
        """Set outcome reports by content and move the source offsets; return how many reports were new."""
        packed = b"".join(chain.from_iterable(reports))
        return int(self._call("report", packed, *chain.from_iterable(origins)))

    def next_offsets(self, partitions: Sequence[bytes]) -> list[int | None]:
        """Return the next offset of each partition; None where nothing of it was ever applied."""
        if not partitions:
            return []
        offsets = self._command("HMGET", layout.OFFSETS, *partitions)
        return [None if offset is None else int(offset) for offset in offsets]

    def topic_id(self, topic: bytes) -> bytes | None:
        """Return the id of the topic that the offsets are of; None where it was not kept."""
        found = self._command("HGET", layout.OFFSETS, layout.topic_id_field(topic))
        return None if found is None else bytes(found)

    def keep_topic_id(self, topic: bytes, topic_id: bytes) -> None:
        """Keep the id of the topic that the offsets are of, where none is kept."""
        self._command("HSETNX", layout.OFFSETS, layout.topic_id_field(topic), topic_id)

    def begin_topic(self, topic: bytes, topic_id: bytes | None, offsets: Mapping[bytes, int]) -> None:
        """Take a topic for another than before: all offsets of its partitions give way to these, and its id to this."""
        fields: dict[bytes, Any] = dict(offsets)
        if topic_id is not None:
            fields[layout.topic_id_field(topic)] = topic_id
        gone = [name for name in self._command("HKEYS", layout.OFFSETS) if name.rpartition(b":")[0] == topic]
        with self._redis.pipeline(transaction=True) as pipeline:
            if gone:
                pipeline.hdel(layout.OFFSETS, *gone)
            if fields:
                pipeline.hset(layout.OFFSETS, items=[*chain.from_iterable(fields.items())])
            self._answer(pipeline.execute)

    def load(self, logs: Iterable[tuple[bytes, bytes]], offsets: Mapping[bytes, int]) -> None:
        """Put whole logs, then the offsets they stand for."""
        remaining = iter(logs)
        while some := list(islice(remaining, LOAD_BATCH)):
            with self._redis.pipeline(transaction=False) as pipeline:
                for name, log in some:
                    pipeline.set(layout.key(name[:1], name[1:]), log, px=EXPIRY)
                self._answer(pipeline.execute)
        if offsets:
            self._command("HSET", layout.OFFSETS, *chain.from_iterable(offsets.items()))

    def check_identity(self, fingerprint: bytes) -> None:
        """Remember the identity key's fingerprint, or refuse another."""
        self._command("SET", layout.IDENTITY_CHECK, fingerprint, "NX")
        self.expect_identity(fingerprint)

    def expect_identity(self, fingerprint: bytes) -> None:
        """Refuse another identity key's fingerprint than the one remembered."""
        if self._command("GET", layout.IDENTITY_CHECK) not in (None, fingerprint):
            raise IdentityKeyMismatchError(IdentityKeyMismatchError.__doc__)

    def memory(self) -> Memory:
        """Ask the server how full it is."""
        reply = self._answer(lambda: {**self._redis.info("memory"), **self._redis.info("stats")})
        return Memory(int(reply["used_memory"]), int(reply["maxmemory"]), int(reply["evicted_keys"]))
