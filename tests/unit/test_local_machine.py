"""What is read from the programs of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local import machine
from local.machine import Machine, parse_java_version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_452"', 8),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ("sh: 1: java: not found", None),
    ],
)
def test_java_version(text: str, version: int | None) -> None:
    assert parse_java_version(text) == version


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that says of itself to be Java 11, found by JAVA_HOME."""
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    machine.java_version.cache_clear()
    yield program
    machine.java_version.cache_clear()


def test_java_that_is_too_old_is_said_to_be(java: Path) -> None:
    assert machine.java_program() == str(java)
    assert Machine().jvm_problem() == "Java is version 11, and Apache Kafka 4 needs 17 or newer"


def test_maven_is_not_needed_once_the_jars_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "java_version", lambda: 17)
    monkeypatch.setattr(machine, "maven_program", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    problem = Machine().jvm_problem()
    assert problem is not None
    assert "Maven" in problem
    machine.maven.jar_directory().mkdir(parents=True)
    assert Machine().jvm_problem() is None


def test_free_memory_is_more_than_nothing_and_less_than_a_machine() -> None:
    free = machine.free_memory()
    assert free is not None
    assert 2**20 < free < 2**45
