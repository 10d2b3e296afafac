"""What is wrong with what a user gave is one line and exit code 1, in whatever command: never a traceback."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from model.artifact import DEFAULT_DIR, METADATA, TABLES
from tests.fixtures.tools import ROOT
from upifraud.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOWHERE = {
    "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "UPIFRAUD_REDIS_URL": "redis://127.0.0.1:1/0",
    "UPIFRAUD_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
    "UPIFRAUD_METRICS_PORT": "0",
}


def error_of(*arguments: str, **environment: str) -> str:
    """Return the one line that a command ended with."""
    result = CliRunner().invoke(main, [*arguments], env=NOWHERE | environment)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    assert result.stderr.endswith(line + "\n")
    return line


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (shutil.rmtree, "found no artifact.json"),
    "a file": (lambda there: (shutil.rmtree(there), there.touch()), "found no artifact.json"),
    "no tables": (lambda there: (there / TABLES).unlink(), "found no file"),
    "cut tables": (lambda there: cut(there / TABLES), "with SHA-256"),
    "a flipped bit": (lambda there: flip(there / TABLES), "with SHA-256"),
    "half a brace": (lambda there: (there / METADATA).write_text("{"), "Expected JSON"),
    "no fields": (lambda there: (there / METADATA).write_text("{}"), "layout version"),
    "not a number": (lambda there: (there / METADATA).write_text('{"x": NaN}'), "Expected JSON"),
    "deep": (lambda there: (there / METADATA).write_text("[" * 99_999), "Expected JSON"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_worker_says_in_a_line_what_is_wrong_with_its_model(tmp_path: Path, damage: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(DEFAULT_DIR, model)
    do, said = DAMAGES[damage]
    do(model)
    assert said in error_of("worker", UPIFRAUD_MODEL_DIR=str(model))


def test_an_impossible_place_for_a_model_is_told(tmp_path: Path) -> None:
    history = [tmp_path / "payments.parquet", tmp_path / "outcomes.parquet"]
    for file in history:
        file.write_bytes(b"never looked at")
    line = error_of("train", "--payments", str(history[0]), "--outcomes", str(history[1]), "--out", "/proc/model")
    assert "Expected a directory that can be written to at /proc/model" in line


@pytest.mark.parametrize(
    "arguments", [["simulate", "--seed", "1", "--payments", "5", "--out", "/proc/x"], ["up", "--state-dir", "/proc/x"]]
)
def test_what_the_system_refuses_is_told(arguments: list[str]) -> None:
    assert "/proc/x, and the system says: No such file or directory" in error_of(*arguments)


def test_every_package_has_its_base_error_told() -> None:
    """A new package's errors would end commands with a traceback until they are named in `upifraud.cli`."""
    from upifraud.cli import OURS

    told = {base.__module__ for base in OURS}
    assert {f"{path.parent.name}.errors" for path in ROOT.glob("*/errors.py")} <= told
