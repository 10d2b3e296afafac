"""The servers of a demo: a stack of its own, empty at the start, gone at the end."""

from __future__ import annotations

import fcntl
import os
import secrets
from typing import TYPE_CHECKING, Final

from local import kafka_admin
from local.machine import Machine
from local.record import write_private
from local.resolver import Kind, Wanted
from local.stack import Configured, Stack
from stream.settings import read_settings
from upifraud.demo.errors import AlreadyRunningError
from upifraud.local_stack import configured_in, topics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local.record import Record
    from stream.settings import Settings

PARTITIONS: Final = 12
_KEPT: Final = ("UPIFRAUD_MODEL_DIR", "UPIFRAUD_LOG_LEVEL")
"""Settings that are heeded whatever runs; all others could lead to servers of somebody else."""
_KAFKA: Final = "UPIFRAUD_KAFKA_"
_TOPICS: Final = {
    "UPIFRAUD_TOPIC_TRANSACTIONS": "transactions",
    "UPIFRAUD_TOPIC_OUTCOMES": "outcomes",
    "UPIFRAUD_TOPIC_ALERTS": "alerts",
    "UPIFRAUD_TOPIC_RESOLUTIONS": "resolutions",
}


class Servers:
    """Kafka, Redis and PostgreSQL for one demo. Redis and PostgreSQL are always its own.

    So is Kafka, unless `auto` finds an address in the environment. There the demo makes topics of its own, under names
    nobody else uses, and removes them: it must never mix its payments with real ones.
    """

    def __init__(
        self, directory: Path, environ: Mapping[str, str], say: Callable[[str], None] = lambda _line: None
    ) -> None:
        self.directory = directory
        self._environ = environ
        self._stack = Stack(directory, Machine(), say)
        self._lock: int | None = None
        self._foreign_topics: tuple[str, list[str], Mapping[str, object]] | None = None

    def claim(self) -> None:
        """Take the directory; raises AlreadyRunningError where another demo has it."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        ignore = self.directory / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        lock = os.open(self.directory / "demo.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AlreadyRunningError(
                f"Another demo runs in {self.directory}. Wait for it, or give this one a --state-dir of its own."
            ) from None
        self._lock = lock

    def up(self, wanted: Wanted) -> tuple[Record, dict[str, str]]:
        """Start the servers, empty, and return what they are and the environment of a worker on them.

        What a demo before left here, killed or kept, is stopped and removed first.
        """
        self._stack.down(wipe=True)
        own = {name: value for name, value in self._environ.items() if not name.startswith("UPIFRAUD_")}
        own |= {name: self._environ[name] for name in _KEPT if self._environ.get(name)}
        own["UPIFRAUD_IDENTITY_KEY"] = secrets.token_hex(16)
        configured = Configured()
        if wanted is Wanted.AUTO and (foreign := configured_in(self._environ)).kafka:
            configured = Configured(kafka=foreign.kafka, kafka_conf=foreign.kafka_conf)
            own |= {name: value for name, value in self._environ.items() if name.startswith(_KAFKA)}
            prefix = f"upifraud-demo-{secrets.token_hex(4)}"
            own |= {variable: f"{prefix}-{name}" for variable, name in _TOPICS.items()}
            own["UPIFRAUD_CONSUMER_GROUP"] = prefix
            names = list(topics_of(read_settings(own)))
            self._foreign_topics = (foreign.kafka, names, foreign.kafka_conf)
        record = self._stack.up(wanted, configured, topics_of(read_settings(own), PARTITIONS), _migrate)
        own |= record.variables()
        self._write_environment(own)
        return record, own

    def down(self) -> None:
        """Stop the servers and remove what they held."""
        self._stack.down(wipe=True)
        (self.directory / "env").unlink(missing_ok=True)
        if self._foreign_topics is not None:
            address, names, conf = self._foreign_topics
            there = kafka_admin.partitions(address, conf=conf)
            kafka_admin.delete_topics(address, [name for name in names if name in there])

    def release(self) -> None:
        """Let other demos have the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write_environment(self, own: Mapping[str, str]) -> None:
        lines = [f"{name}={value}\n" for name, value in own.items() if name.startswith("UPIFRAUD_")]
        write_private(self.directory / "env", "".join(lines))


def broker_name(kind: Kind) -> str:
    """Name the broker for a reader."""
    match kind:
        case Kind.EMBEDDED:
            return "embedded Kafka-compatible broker"
        case Kind.APACHE_DOCKER:
            return "Apache Kafka (Docker)"
        case Kind.APACHE_JVM:
            return "Apache Kafka (JVM)"
        case Kind.SETTINGS:
            return "Kafka of the settings"


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that the worker gets."""
    return read_settings(environment)


def _migrate(url: str) -> list[str]:
    from stream.verdict_store.migrations import migrate

    return migrate(url)
