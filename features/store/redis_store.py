"""The online store in Redis or Valkey: plain commands for an ordinary micro-batch, server functions for all else."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from importlib import resources
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from features.entities import KINDS, POSITIONS
from features.errors import FeatureError, IdentityKeyMismatchError, StoreUnavailableError
from features.record import RECORD_BYTES
from features.store import layout
from features.store.commands import REPORT_TAIL
from features.store.connection import OK, QUEUED, Connection, FunctionsLostError
from features.store.contract import Applied, ApplyRequest, Origin, Peeked, PeekRequest
from features.store.plain import Planner
from features.windows import EXPIRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from features.store.plain import Found, Plan

LOAD_BATCH = 1_000
SCANNED = 1_000

PART_BYTES = 1 << 19
"""Of a long log that is read in parts: what a server does in a tenth of a millisecond."""

ATTEMPTS = 5
"""To read a long log in parts, while others fold it."""

_MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"
_UNWATCH: Final = b"*1\r\n$7\r\nUNWATCH\r\n"


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
        "BY_PARTITION": layout.BY_PARTITION.decode(),
        "EXPIRY": str(EXPIRY),
        "REPORT_TAIL": str(REPORT_TAIL),
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


class RedisEntityStore:
    """Entity logs on one server. Blocking; for one thread at a time. Every failure to reach the server is retryable."""

    def __init__(self, url: str, *, timeout: float = 5.0, primary: RedisEntityStore | None = None) -> None:
        """primary: of a replica that is only looked at, the server that its functions come from."""
        self._primary = primary or self
        self._connection = Connection(url, timeout)
        self._loaded = self._moved = 0
        """The connections over which the functions were loaded, and offsets were seen to have keys of their own."""
        self._guard = Guard()
        self._new = b""
        self._planner: Planner | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._new and self._connection.is_open:
            with suppress(FeatureError):
                self._connection.commands([("PEXPIRE", key, EXPIRY) for key in _keys(self._new)])
        self._connection.close()

    def _command(self, *args: Any) -> Any:
        return self._connection.command(*args)

    def _call(self, function: str, *args: Any) -> Any:
        self._load()
        try:
            return self._command("FCALL", f"{library().name}_{function}", 0, *args)
        except FunctionsLostError:
            self._loaded = 0
            raise

    def _fail(self, error: Exception) -> NoReturn:
        """Raise what an error among the replies stands for."""
        try:
            self._connection.fail(error)
        except FunctionsLostError:
            self._loaded = 0
            raise

    def _load(self) -> None:
        if self._loaded != self._connection.number or not self._loaded:
            self._command("FUNCTION", "LOAD", "REPLACE", library().code)
            self._loaded = self._connection.number

    def _look(self, function: str, *args: Any) -> Any:
        """Call a function that writes nothing. Where the server has it, nothing is asked that a reader may not ask."""
        call = ("FCALL_RO", f"{library().name}_{function}", 0, *args)
        try:
            return self._command(*call)
        except FunctionsLostError:
            self._primary._loaded = 0  # noqa: SLF001 - our own
            self._primary._load()  # noqa: SLF001
        return self._command(*call)

    # Apply: plain commands where nothing is in doubt ---------------------------------------------------------------

    def apply(self, request: ApplyRequest) -> Applied:
        """Append and read in one atomic step; payments below their partition's next offset are only located."""
        if self._guards(request.origins):
            self._planner = self._planner or Planner()
            plan = self._planner.plan(request, request.refresh + self._new)
            if plan is not None and (replies := self._execute(plan)) is not None:
                return self._taken(plan, replies)
        return self._by_function(request)

    def _guards(self, origins: Sequence[Origin]) -> bool:
        """Tell whether none of these payments was applied yet, and nothing that is expected was lost."""
        guard = self._guard
        if not origins or guard.connection != self._connection.number:
            return False
        stands = guard.stands
        return all(origin.expected <= stands.get(origin.partition, -1) <= origin.first_offset for origin in origins)

    def _execute(self, plan: Plan) -> list[Any] | None:
        """Do all of a plan, or nothing: None where somebody moved an offset that is watched."""
        stands = self._guard.stands
        moved = {
            origin.partition: origin.next_offset
            for origin in plan.request.origins
            if origin.next_offset > stands[origin.partition]
        }
        parts = [_MULTI, plan.commands]
        if moved:
            pairs = ((layout.offset_key(name), b"%d" % offset) for name, offset in moved.items())
            parts.append(_packed(b"MSET", *chain.from_iterable(pairs)))
        parts += (_EXEC, self._guard.commands)
        begins = OK + QUEUED * (plan.queued + bool(moved))
        replies, _, offsets = self._exchange(b"".join(parts), begins, 3)
        before = self._guard
        self._guard = before.watching(before.connection, offsets)
        if isinstance(replies, Exception):
            self._fail(replies)
        if replies is None:  # what others have moved is not ours any more, unless this micro-batch has it
            others = {name for name, offset in self._guard.stands.items() if offset != before.stands[name]}
            others -= {origin.partition for origin in plan.request.origins}
            self._guard = Guard.of(tuple(name for name in before.names if name not in others))
            return None
        self._new = b""
        return list(replies)

    def _taken(self, plan: Plan, replies: list[Any]) -> Applied:
        """Return what was replied; before that, put right what was not known, and read what others appended."""
        try:
            plan.take(replies)
        except Exception as error:  # noqa: BLE001 - one that a command replied
            self._fail(error)
        found = plan.found()
        if is_doubtful := isinstance(found, list):
            found = self._with_headers(plan, found)
        self._new = found.new
        if self._planner is not None:
            self._planner.reads_new = found.are_cold
        if found.fixes:
            with suppress(FunctionsLostError):
                self._call("correct", found.fixes)
            if not self._loaded:  # they are put right whatever happens: the payments are appended
                self._call("correct", found.fixes)
        if is_doubtful:  # by then one of them may have been folded once more
            return self._by_function(plan.request)
        if not len(found.again) and not found.reports:
            return found.applied
        return self._with_the_rest(plan, found) or self._by_function(plan.request)

    def _with_headers(self, plan: Plan, logs: list[int]) -> Found:
        """Read the headers of logs that another worker has folded, which this one did not know."""
        for log in logs:
            kind, identity = plan.name(log)
            plan.put_header(log, self._command("GETRANGE", layout.key(kind, identity), 0, layout.PREFIX_BYTES - 1))
        found = plan.found()
        if isinstance(found, list):
            raise StoreUnavailableError("A log is gone whose header was to be read. Ask again.")
        return found

    def _with_the_rest(self, plan: Plan, found: Found) -> Applied | None:
        """Read what others appended, and outcome logs; None where a log was folded since: its bytes lie elsewhere."""
        which = [*plan.logs["read"][found.again].tolist(), *found.reports]
        reads = plan.reads[which]
        reads["expected"] = layout.UNKNOWN_LENGTH
        reply = self._call("apply", b"", reads.tobytes(), b"", b"")
        asked, totals, logs = reply[1::3], reply[2::3], reply[3::3]
        told = dict(zip(asked, zip(totals, logs, strict=True), strict=True))
        for at, log in enumerate(found.again.tolist()):
            total, read = told[at]
            before = int(plan.logs["total"][log])
            head = read[: layout.PREFIX_BYTES] if total % RECORD_BYTES else None
            if total < before or head != plan.head(log):
                return None
        plan.have_reports(
            [which[at] for at, total in zip(asked, totals, strict=True) if at >= len(found.again) and total]
        )
        applied = found.applied
        return Applied(
            applied.positions,
            [*applied.replied, *(which[at] for at in asked)],
            [*applied.totals, *totals],
            [*applied.logs, *logs],
        )

    # Apply: the server function decides ----------------------------------------------------------------------------

    def _by_function(self, request: ApplyRequest) -> Applied:
        """Let the function decide, payment by payment, and guard the next micro-batch."""
        self._load()
        refresh = request.refresh + self._new
        origins = chain.from_iterable(request.origins)
        call = (request.entries, request.reads, request.absent, refresh, *origins)
        guard = self._guard.with_names(origin.partition for origin in request.origins)
        name = f"{library().name}_apply".encode()
        packed = _packed(b"FCALL", name, b"0", *(arg if isinstance(arg, bytes) else str(arg).encode() for arg in call))
        # What the function moves is watched as well, and would make the next plain commands do nothing.
        reply, *more = self._exchange(packed + _UNWATCH + guard.commands, b"", 4 if guard.names else 2)
        self._guard = guard.watching(self._connection.number, more[-1]) if guard.names else guard
        if isinstance(reply, Exception):
            self._fail(reply)
        self._new = b""
        return Applied(reply[0], reply[1::3], reply[2::3], reply[3::3])

    def _exchange(self, request: bytes, begins: bytes, more: int) -> list[Any]:
        try:
            return self._connection.exchange(request, begins, more)
        except BaseException:
            self._guard = Guard()  # the rest of the reply may not have been seen
            raise

    def peek(self, request: PeekRequest) -> Peeked:
        """Read logs, and single records, in one atomic step that changes nothing."""
        reply = self._look("peek", request.records, request.reads, request.absent, request.most)
        lines = iter(reply[1].split(b"\n") if reply[1] else ())
        kept = {name: int(value) for name, value in zip(lines, lines, strict=True)}
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
        self._move_offsets()
        offsets = self._command("MGET", *map(layout.offset_key, partitions))
        return [None if offset is None else int(offset) for offset in offsets]

    def topic_id(self, topic: bytes) -> bytes | None:
        """Return the id of the topic that the offsets are of; None where it was not kept."""
        self._move_offsets()
        found = self._command("GET", layout.topic_key(topic))
        return None if found is None else bytes(found)

    def keep_topic_id(self, topic: bytes, topic_id: bytes) -> None:
        """Keep the id of the topic that the offsets are of, where none is kept."""
        self._move_offsets()
        self._command("SET", layout.topic_key(topic), topic_id, "NX")

    def begin_topic(self, topic: bytes, topic_id: bytes | None, offsets: Mapping[bytes, int]) -> None:
        """Take a topic for another than before: all offsets of its partitions give way to these, and its id to this."""
        self._call("stand", topic, topic_id or b"", *chain.from_iterable(offsets.items()))

    def _move_offsets(self) -> None:
        """Let offsets have keys of their own, if a release before 2026-12 put them there."""
        if self._moved != self._connection.number or not self._moved:
            if self._command("TYPE", layout.OFFSETS) != b"set":
                self._call("stand", b"", b"")
            self._moved = self._connection.number

    def load(self, logs: Iterable[tuple[bytes, bytes]], offsets: Mapping[bytes, int]) -> None:
        """Put whole logs, then the offsets they stand for."""
        remaining = iter(logs)
        while some := list(islice(remaining, LOAD_BATCH)):
            self._connection.commands(
                [("SET", layout.key(name[:1], name[1:]), log, "PX", EXPIRY) for name, log in some]
            )
        if offsets:
            self._call("stand", b"", b"", *chain.from_iterable(offsets.items()))

    def check_identity(self, fingerprint: bytes) -> None:
        """Remember the identity key's fingerprint, or refuse another."""
        self._command("SET", layout.IDENTITY_CHECK, fingerprint, "NX")
        self._move_offsets()
        self.expect_identity(fingerprint)

    def expect_identity(self, fingerprint: bytes) -> None:
        """Refuse another identity key's fingerprint than the one remembered."""
        if self._command("GET", layout.IDENTITY_CHECK) not in (None, fingerprint):
            raise IdentityKeyMismatchError(IdentityKeyMismatchError.__doc__)

    def give_expiries(self) -> int:
        """Give logs an expiry that have none, as their worker died before it could; return how many had none.

        Looks at all keys, a thousand at a time.
        """
        prefixes, cursor, given = tuple(map(layout.prefix, layout.LETTERS)), b"0", 0
        while True:
            cursor, keys = self._command("SCAN", cursor, "COUNT", SCANNED)
            logs = [key for key in keys if key.startswith(prefixes)]
            left = self._connection.commands([("PTTL", key) for key in logs])
            bare = [key for key, milliseconds in zip(logs, left, strict=True) if milliseconds == -1]
            self._connection.commands([("PEXPIRE", key, EXPIRY) for key in bare])
            given += len(bare)
            if cursor == b"0":
                return given

    def memory(self) -> Memory:
        """Ask the server how full it is."""
        lines = b"\r\n".join(self._command("INFO", section) for section in ("memory", "stats")).split(b"\r\n")
        told = dict(line.split(b":", 1) for line in lines if b":" in line)
        return Memory(*(int(told[name]) for name in (b"used_memory", b"maxmemory", b"evicted_keys")))


class Guard(NamedTuple):
    """Partitions whose offsets the server watches: if anybody moves one, the next plain commands do nothing."""

    names: tuple[bytes, ...] = ()
    commands: bytes = b""
    """What makes the server watch them, and tell where they stand."""
    connection: int = 0
    """Which connection watches; 0: none."""
    stands: Mapping[bytes, int] = {}
    """Where they stood when the watch began; those without an offset are left out."""

    @classmethod
    def of(cls, names: tuple[bytes, ...]) -> Guard:
        """Return a guard that does not watch yet."""
        keys = [layout.offset_key(name) for name in names]
        return cls(names, _packed(b"WATCH", *keys) + _packed(b"MGET", *keys) if keys else b"")

    def with_names(self, names: Iterable[bytes]) -> Guard:
        """Return a guard of these partitions, too."""
        more = dict.fromkeys(name for name in names if name not in self.names)
        return Guard.of((*self.names, *more)) if more else self

    def watching(self, connection: int, offsets: Sequence[bytes | None]) -> Guard:
        """Return the same as the server replied to it."""
        pairs = zip(self.names, offsets, strict=True)
        stands = {name: int(offset) for name, offset in pairs if offset is not None}
        return Guard(self.names, self.commands, connection, stands)


def _packed(*args: bytes) -> bytes:
    """Return a command as it is sent."""
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


def _keys(names: bytes) -> list[bytes]:
    """Return the keys of logs that are named, 9 bytes each."""
    each = range(0, len(names), layout.NAME_BYTES)
    return [layout.key(names[at : at + 1], names[at + 1 : at + layout.NAME_BYTES]) for at in each]
