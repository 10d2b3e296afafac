"""One stack: the servers of one state directory, started, stopped and looked at as a whole."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import methodcaller
from typing import TYPE_CHECKING, Final

from local import kafka_admin, postgres, valkey
from local.brokers import make_broker
from local.errors import FatalError, LocalError, NotReadyError, PortTakenError
from local.postgres import PostgresServer
from local.record import Entry, Record
from local.resolver import Choice, Kind, Wanted, choose
from local.server import ProcessServer, Server
from local.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from local.kafka_admin import Conf
    from local.resolver import Offers

_FOREIGN_SECONDS = 5
PROGRAM: Final = "program"
"""The kind of a program on the servers, which is told from theirs."""
_OWN_KINDS = (Kind.EMBEDDED, Kind.APACHE_JVM, Kind.APACHE_DOCKER)


@dataclass(frozen=True, slots=True)
class Configured:
    """The addresses that the settings name, None where they name none; such a server is used, not started."""

    kafka: str | None = None
    redis: str | None = None
    postgres: str | None = None
    kafka_conf: Conf = field(default_factory=dict)
    """Options of librdkafka for the Kafka that the settings name."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of one server of a stack."""

    name: str
    kind: Kind | str
    address: str
    condition: str
    """Whether it runs, and as what."""
    problem: str | None
    """None if it answers."""


class Stack:
    """The servers of one state directory; several stacks in several directories do not meet.

    Everything that is known lies in the directory, so that any process can take over from the one that started it.
    """

    def __init__(
        self,
        directory: Path,
        offers: Offers,
        say: Callable[[str], None] = lambda _line: None,
        programs: Sequence[Server] = (),
    ) -> None:
        """Of a directory, with the programs on its servers that may have been started: `down` ends them too."""
        self.directory = directory.absolute()
        self._offers = offers
        self._say = say
        self._programs = programs
        self._redis = ValkeyServer(self.directory / "redis")
        self._postgres = PostgresServer(self.directory / "postgres")
        self._brokers = {kind: make_broker(kind, self.directory / f"kafka-{kind}") for kind in _OWN_KINDS}

    def up(
        self,
        wanted: Wanted,
        configured: Configured,
        topics: Mapping[str, int],
        migrate: Callable[[str], Sequence[str]] = lambda _url: (),
        renewed: Callable[[Record, Sequence[str]], None] = lambda _record, _topics: None,
    ) -> Record:
        """Start the servers that do not run and that the settings do not name, make topics and tables; idempotent.

        Returns when all of them answer, with what each is and where. `migrate` is called with the URL of PostgreSQL
        to make the tables, and returns the names of the steps it took; `renewed` with the record and the topics made.
        """
        self._make_directory()
        with self._alone():
            configured = self._foreign(configured)
            choice = self._choose(wanted, configured.kafka)
            self._say(f"kafka: {choice.kind}, because {choice.reason}")
            broker = self._brokers.get(choice.kind)
            used = {
                "kafka": broker or str(configured.kafka),
                "redis": configured.redis or self._redis,
                "postgres": configured.postgres or self._postgres,
            }
            self._check_foreign(used, configured.kafka_conf)
            self._start_all([server for server in used.values() if not isinstance(server, str)])
            record = Record(
                kafka=Entry(choice.kind, _address(used["kafka"])),
                redis=Entry(_kind(used["redis"]), _address(used["redis"])),
                postgres=Entry(_kind(used["postgres"]), _address(used["postgres"])),
                assignment=None if broker is None else broker.assignment,
            )
            record.save(self.directory)
            made = self._make_topics(record, topics, configured.kafka_conf)
            if made:
                renewed(record, made)
            steps = migrate(record.postgres.address)
            self._say(f"tables: applied {', '.join(steps)}" if steps else "tables: all there")
            return record

    def start_program(self, program: Server) -> None:
        """Start a program on the servers of this stack and return when it answers; one that runs is left alone."""
        with self._alone():
            self._start(program)

    def down(self, *, wipe: bool = False) -> list[str]:
        """Stop all servers of this stack, and with `wipe` remove their data; returns the names of those that ran.

        Programs on them end first, while the servers still answer.
        """
        if not self.directory.is_dir():
            return []
        with self._alone():
            servers = self._servers()
            programs = [program for program in self._programs if program.directory.is_dir()]
            ran = [server.name for server in (*programs, *servers) if server.running]
            with ThreadPoolExecutor() as threads:
                for several in (programs, servers):
                    list(threads.map(methodcaller("remove" if wipe else "stop"), several))
            if wipe:
                Record.remove(self.directory)
        return ran

    def record(self) -> Record | None:
        """Return what the last `up` made of this stack; None if there was none."""
        return Record.load(self.directory)

    def states(self, conf: Conf = kafka_admin.NO_CONF) -> list[ServerState]:
        """Ask every server and program of this stack; empty if there was no `up`.

        `conf` is for a Kafka that is not ours.
        """
        record = self.record()
        if record is None:
            return []
        own = {"kafka": self._brokers.get(record.kafka.kind), "redis": self._redis, "postgres": self._postgres}
        servers = [
            _state(name, entry, None if entry.kind is Kind.SETTINGS else own[name], conf)
            for name, entry in record.entries()
        ]
        return servers + self.program_states()

    def program_states(self) -> list[ServerState]:
        """Ask the programs that were started and not stopped: the stack is whole without the others."""
        started = [program for program in self._programs if program.running or program.stale]
        return [_own_state(program, PROGRAM, program.address) for program in started]

    def _servers(self) -> list[Server]:
        """List the servers that were started here at any time."""
        servers = [*self._brokers.values(), self._redis, self._postgres]
        return [server for server in servers if server.directory.is_dir()]

    def _foreign(self, configured: Configured) -> Configured:
        """Leave out addresses that are this stack's own: `up` in a shell that has read the stack's env file."""
        own = {address for server in self._servers() if (address := _known_address(server)) is not None}
        return Configured(
            kafka=None if configured.kafka in own else configured.kafka,
            redis=None if configured.redis in own else configured.redis,
            postgres=None if configured.postgres in own else configured.postgres,
            kafka_conf=configured.kafka_conf,
        )

    def _choose(self, wanted: Wanted, address: str | None) -> Choice:
        """Stay with the broker that runs if it is of the kind that is wanted; else choose."""
        for kind, broker in self._brokers.items():
            if broker not in self._servers() or not broker.running:
                continue
            if _suits(kind, wanted) and not (wanted is Wanted.AUTO and address):
                return Choice(kind, "it runs already")
            meant = address if wanted is Wanted.AUTO else wanted
            raise FatalError(
                f"Kafka was to be {meant}, and this stack runs the broker {kind} on {broker.address}. Stop it with "
                "`upifraud down` first."
            )
        return choose(wanted, address, self._offers)

    def _start_all(self, servers: list[Server]) -> None:
        with ThreadPoolExecutor() as threads:
            started = [threads.submit(self._start, server) for server in servers]
        problems = [error for future in started if (error := future.exception()) is not None]
        for error in problems:
            if not isinstance(error, LocalError):
                raise error
        if problems:
            raise NotReadyError("\n".join(map(str, problems))) from problems[0]

    def _start(self, server: Server) -> None:
        if server.stale:
            self._say(f"{server.name}: its last run ended without being stopped; starting it again with its data")
        try:
            server.start()
        except PortTakenError:
            if not isinstance(server, ProcessServer):
                raise
            old = server.port
            server.move()
            server.start()
            self._say(f"{server.name}: somebody else has port {old} now; it took {server.port}")
        if server.ready_seconds is None:
            self._say(f"{server.name}: runs already")
        else:
            self._say(f"{server.name}: ready in {server.ready_seconds:.1f} s")
            for remark in server.remarks():
                self._say(f"{server.name}: {remark}")

    def _check_foreign(self, used: Mapping[str, Server | str], conf: Conf) -> None:
        """Ask the servers that the settings name, before any of ours is started."""
        for name, address in used.items():
            if isinstance(address, str) and (problem := _ask(name, address, conf)) is not None:
                raise NotReadyError(
                    f"{name} was expected to answer at the address in the settings, and does not: {problem}. Start it, "
                    "or unset its address, so that one is started here."
                )

    def _make_topics(self, record: Record, topics: Mapping[str, int], conf: Conf) -> list[str]:
        conf = conf if record.kafka.kind == Kind.SETTINGS else kafka_admin.NO_CONF
        made = kafka_admin.make_topics(record.kafka.address, topics, settings=kafka_admin.BOUNDED, conf=conf)
        self._say(f"topics: made {', '.join(made)}" if made else "topics: all there")
        return made

    def _make_directory(self) -> None:
        if not self.directory.is_dir():
            self.directory.mkdir(parents=True, mode=0o700, exist_ok=True)  # another `up` may do so at this moment
            # It holds data and a password; a repository that it lies in should not take it up.
            (self.directory / ".gitignore").write_text("*\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one `up` or `down` at a time work on this directory."""
        descriptor = os.open(self.directory / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("waiting for another `upifraud up` or `down` on this directory")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _suits(kind: Kind, wanted: Wanted) -> bool:
    match wanted:
        case Wanted.AUTO:
            return True
        case Wanted.EMBEDDED:
            return kind is Kind.EMBEDDED
        case Wanted.APACHE:
            return kind.is_apache


def _kind(used: Server | str) -> Kind:
    return Kind.SETTINGS if isinstance(used, str) else Kind.EMBEDDED


def _address(used: Server | str) -> str:
    return used if isinstance(used, str) else used.address


def _known_address(server: Server) -> str | None:
    """Return the address of a server that was started at some time; None if it never was."""
    try:
        return server.address
    except (NotReadyError, FileNotFoundError):
        return None


def _state(name: str, entry: Entry, server: Server | None, conf: Conf) -> ServerState:
    if server is None:
        problem = _ask(name, entry.address, conf)
        memory = valkey.memory_from(entry.address) if name == "redis" and problem is None else ""
        return ServerState(name, entry.kind, entry.address, f"not ours{memory}", problem)
    return _own_state(server, entry.kind, entry.address)


def _own_state(server: Server, kind: Kind | str, address: str) -> ServerState:
    if server.running:
        return ServerState(server.name, kind, address, server.whereabouts, server.problem())
    condition = "crashed" if server.stale else "stopped"
    return ServerState(server.name, kind, address, condition, f"it is {condition}")


def _ask(name: str, address: str, conf: Conf) -> str | None:
    match name:
        case "kafka":
            return kafka_admin.ask(address, conf=conf, seconds=_FOREIGN_SECONDS)
        case "redis":
            return valkey.ask(address, seconds=_FOREIGN_SECONDS)
        case _:
            return postgres.ask(address, seconds=_FOREIGN_SECONDS)
