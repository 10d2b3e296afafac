"""What the last `upifraud up` made of a state directory: which server is what, and where."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from local.resolver import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE = "stack.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One server: what kind it is, and its address (with its password, if it has one)."""

    kind: Kind
    address: str


@dataclass(frozen=True, slots=True)
class Record:
    """The servers of a stack."""

    kafka: Entry
    redis: Entry
    postgres: Entry
    assignment: str | None
    """The partition assignment that works on the broker; None if the broker is not ours."""

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield the name and entry of every server."""
        yield "kafka", self.kafka
        yield "redis", self.redis
        yield "postgres", self.postgres

    def variables(self) -> dict[str, str]:
        """Return the settings that lead a program to these servers."""
        variables = {
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": self.kafka.address,
            "UPIFRAUD_REDIS_URL": self.redis.address,
            "UPIFRAUD_POSTGRES_URL": self.postgres.address,
        }
        if self.assignment is not None:
            variables["UPIFRAUD_KAFKA_ASSIGNMENT"] = self.assignment
        return variables

    def save(self, directory: Path) -> None:
        """Write the record into a state directory, for nobody else to read."""
        write_private(directory / _FILE, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Record | None:
        """Read the record of a state directory; None if there is none, or one that another version wrote."""
        try:
            fields = json.loads((directory / _FILE).read_text())
            entries = {
                name: Entry(Kind(fields[name]["kind"]), str(fields[name]["address"]))
                for name in ("kafka", "redis", "postgres")
            }
            return cls(**entries, assignment=fields["assignment"])
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    @staticmethod
    def remove(directory: Path) -> None:
        """Remove the record of a state directory."""
        (directory / _FILE).unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner can read."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(path)
