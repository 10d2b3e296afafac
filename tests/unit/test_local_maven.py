"""Apache Kafka's jars are fetched once, whole or not at all, and a failure says what to do."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from local import maven
from local.errors import MissingProgramError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COPIES = r"""
echo called >> "$CALLS"
for word; do case $word in -DoutputDirectory=*) target=${word#*=};; esac; done
mkdir -p "$target"; sleep 0.2; touch "$target/kafka_2.13-4.0.0.jar"
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program `mvn` on the PATH, and an empty cache in place of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))

    def write(script: str) -> None:
        path = tmp_path / "bin" / "mvn"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return write


def test_version_is_one_of_kafka_4() -> None:
    assert re.fullmatch(r"4\.\d+\.\d+", maven.kafka_version())


def test_jars_are_fetched_once_also_by_two_at_once(program: Callable[[str], None], tmp_path: Path) -> None:
    program(COPIES)
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda _: maven.jars(), range(4)))
    assert set(found) == {maven.jar_directory()}
    assert (found[0] / "kafka_2.13-4.0.0.jar").is_file()
    assert (tmp_path / "calls").read_text().split() == ["called"]


def test_other_pom_has_jars_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = maven.jar_directory()
    text = maven.pom()
    monkeypatch.setattr(maven, "pom", lambda: text + "<!-- another log4j -->")
    assert maven.jar_directory() != before


@pytest.mark.parametrize(
    "script",
    ["echo 'Could not transfer artifact: Connection refused'; exit 1", "echo 'Could not transfer artifact'; exit 0"],
)
def test_failure_leaves_no_jars_and_says_what_maven_said(program: Callable[[str], None], script: str) -> None:
    program(script)
    with pytest.raises(RetryableError, match=r"settings\.xml(.|\n)*Could not transfer artifact"):
        maven.jars()
    assert not maven.jar_directory().exists()


def test_missing_maven_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match=r"Install Maven .*--kafka embedded"):
        maven.jars()
