"""What is kept of a stack can be read by others of our own, and by nobody else."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from local.record import Entry, Record
from local.resolver import Kind

if TYPE_CHECKING:
    from pathlib import Path

RECORD = Record(
    kafka=Entry(Kind.EMBEDDED, "127.0.0.1:20001"),
    redis=Entry(Kind.SETTINGS, "redis://cache/0"),
    postgres=Entry(Kind.EMBEDDED, "postgresql://postgres:secret@127.0.0.1:20002/upifraud"),
    assignment="roundrobin",
)


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    assert Record.load(tmp_path) == RECORD


def test_record_holds_a_password_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kafka": {"kind": "pulsar", "address": ""}}'])
def test_record_of_another_version_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    assert Record.load(tmp_path) is None


def test_variables_lead_to_the_servers() -> None:
    assert RECORD.variables() == {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:20001",
        "UPIFRAUD_KAFKA_ASSIGNMENT": "roundrobin",
        "UPIFRAUD_REDIS_URL": "redis://cache/0",
        "UPIFRAUD_POSTGRES_URL": "postgresql://postgres:secret@127.0.0.1:20002/upifraud",
    }
