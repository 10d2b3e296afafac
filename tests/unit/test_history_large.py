"""Histories beyond --memory: by way of disk, with processes; the same results, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from history.large import Means, measuring
from history.measured import measure
from history.spill import plan
from tests.fixtures.histories import ANY, Files, assert_same, hostile, simulated
from upifraud.cli import main

if TYPE_CHECKING:
    from click.testing import Result

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ALLOWED = ("--max-rejected-payments", "30%", "--max-rejected-outcomes", "30%")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return hostile(tmp_path_factory.mktemp("history"), payments=3_000, payers=60)


@pytest.fixture
def too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no history fit into memory."""
    monkeypatch.setattr(plan, "IN_MEMORY", 1 << 40)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_processes_measure_what_is_measured_in_memory(history: Files, tmp_path: Path) -> None:
    means = Means(memory=0, output=tmp_path / "vectors.parquet", workers=2)
    with measuring(*history, limits=ANY, means=means) as found:
        assert list(tmp_path.iterdir()), "the history is not on disk"
        assert_same(found, measure(*history, limits=ANY))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("too_large")
def test_features_are_the_same_file(history: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_disk, in_memory = tmp_path / "disk.parquet", tmp_path / "memory.parquet"
    command = ("features", "--payments", history.payments, "--outcomes", history.outcomes, *ALLOWED, "--out")
    result = run(*command, of_disk)
    assert result.exit_code == 0, result.output
    assert "GB in" in result.stderr
    monkeypatch.setattr(plan, "IN_MEMORY", 1)
    expected = run(*command, in_memory)
    assert result.stdout.replace("disk", "memory") == expected.stdout
    one, other = pq.read_table(of_disk), pq.read_table(in_memory)
    assert one.schema.equals(other.schema, check_metadata=True)
    for name in one.column_names:
        bits = "string" if name == "transaction_id" else "int32"  # a NaN is no other number's equal
        assert one[name].combine_chunks().view(bits).equals(other[name].combine_chunks().view(bits)), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.parquet", "memory.parquet"]


@pytest.mark.usefixtures("too_large")
def test_the_model_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = simulated(tmp_path / "history", 8_000, 150)
    command = ("train", "--payments", files.payments, "--outcomes", files.outcomes, "--trees", 10, "--no-baselines")
    made = []
    for name, bytes_ in (("disk", 1 << 40), ("memory", 1)):
        monkeypatch.setattr(plan, "IN_MEMORY", bytes_)
        result = run(*command, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
        model = re.search(r"Model (\w+) in", result.stdout)
        assert model is not None
        made.append(model[1])
    assert made[0] == made[1]


class Free(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.usefixtures("too_large")
def test_room_that_is_not_there_is_said_before_the_work(
    history: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Free(10**9, 10**9, 1_000))
    spill, out = tmp_path / "spill", tmp_path / "vectors.parquet"
    result = run("features", "--payments", history.payments, *ALLOWED, "--spill", spill, "--out", out)
    assert result.exit_code == 1
    assert "GB of free disk, got 0.0 GB" in result.output
    assert "--spill" in result.output
    assert not list(spill.iterdir())
    assert not out.exists()


def test_memory_is_asked_for_with_its_unit(history: Files, tmp_path: Path) -> None:
    command = ("features", "--payments", history.payments, "--out", tmp_path / "vectors.parquet", "--memory")
    for asked, said in (("4", "expected a size as 4GB"), ("100MB", "expected at least 2GB")):
        result = run(*command, asked)
        assert result.exit_code == 2
        assert said in result.output


WORK = """
import signal
import sys
from pathlib import Path
from history.large import Means, measuring
from history.measured import Limits

def step(what, total):
    print(what, flush=True)
    return lambda done: None

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background ignores it
    files = [Path(one) for one in sys.argv[1:3]]
    with measuring(*files, limits=Limits(1, 1), step=step, means=Means(memory=0, output=Path(sys.argv[3]), workers=2)):
        print("measured", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("at", ["outcomes", "reading", "measuring", "measured"])
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT], ids=lambda name: name.name)
def test_who_is_told_to_end_leaves_nothing(history: Files, tmp_path: Path, at: str, name: signal.Signals) -> None:
    script, place = tmp_path / "work.py", tmp_path / "place"
    script.write_text(WORK)
    command = [sys.executable, str(script), *map(str, history), str(place / "vectors.parquet")]
    work = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert work.stdout is not None
        while work.stdout.readline().strip() != at:
            assert work.poll() is None, work.communicate()
        processes = psutil.Process(work.pid).children(recursive=True)
        assert len(list(place.iterdir())) == 1
        work.send_signal(name)
        work.communicate(timeout=120)
    finally:
        work.kill()
    assert work.returncode in (128 + name, -name, 1)
    assert not list(place.iterdir())
    assert not psutil.wait_procs(processes, timeout=30)[1]
