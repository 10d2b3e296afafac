"""The servers of a test session end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.process import ProcessId
from tests.fixtures.deployment import PATIENCE, WARM

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
TEST = """
import time
from pathlib import Path

def test_that_takes_long(redis_server):
    Path("started").touch()
    time.sleep(300)

def test_that_is_short(redis_server):
    pass
"""


class Session:
    """A test session of its own, in a process and with a temporary directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        plugins = ["tests.fixtures.servers", "tests.fixtures.side_by_side"]
        (directory / "conftest.py").write_text(f"pytest_plugins = {plugins}\n")
        (directory / "test_it.py").write_text(TEST)
        (directory / "pytest.ini").write_text("[pytest]\nmarkers = apache\n")

    def start(self, name: str, processes: int = 0) -> subprocess.Popen[str]:
        """Run one of the tests, in the session's process or in others."""
        options = ["-q", "-p", "no:cacheprovider", "-n", str(processes), "-k", name]
        command = [sys.executable, "-m", "pytest", *options, "test_it.py"]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment = {**ours, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), WARM: "yes"}
        return subprocess.Popen(
            command, cwd=self.directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def long_one(self, processes: int = 0) -> tuple[subprocess.Popen[str], ProcessId]:
        """Run the long test; returns when its server runs."""
        process = self.start("long", processes)
        deadline = time.monotonic() + PATIENCE
        while not (self.directory / "started").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (pid_file,) = self.temporary.glob("upifraud-tests-*/redis/server.pid")
        server = ProcessId.load(pid_file)
        assert server is not None
        assert server.alive()
        return process, server

    def left(self) -> list[Path]:
        """List the directories of servers that are there."""
        return list(self.temporary.glob("upifraud-tests-*"))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    found = Session(tmp_path)
    yield found
    for pid_file in found.temporary.rglob("server.pid"):
        if (server := ProcessId.load(pid_file)) is not None:
            server.kill()


@pytest.mark.parametrize("processes", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_session_stops_its_servers(session: Session, number: int, processes: int) -> None:
    process, server = session.long_one(processes)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert not server.alive()
    assert session.left() == []


def test_servers_of_a_process_that_was_killed_end_with_its_session(session: Session) -> None:
    process, server = session.long_one(processes=1)
    (owner,) = session.temporary.glob("upifraud-tests-*/owner.pid")
    beside = ProcessId.load(owner)
    assert beside is not None
    assert beside.pid != process.pid
    os.kill(beside.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert not server.alive()
    assert session.left() == []


def test_servers_of_a_session_that_was_killed_are_swept_by_the_next(session: Session) -> None:
    process, server = session.long_one()
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert server.alive()
    following = session.start("short")
    output = following.communicate(timeout=PATIENCE)[0]
    assert following.returncode == 0, output
    assert not server.alive()
    assert session.left() == []


def test_session_stops_its_servers_at_its_end(session: Session) -> None:
    process = session.start("short")
    assert process.wait(PATIENCE) == 0, process.communicate()[0]
    process.communicate()
    assert session.left() == []
