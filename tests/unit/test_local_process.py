"""Processes are found again, ended with their children, and never mistaken for others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.errors import FatalError
from local.process import ProcessId, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEP = ["/bin/sleep", "300"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def sleeper(log: Path) -> Iterator[ProcessId]:
    process = spawn(SLEEP, log=log)
    yield process
    process.kill()


def test_process_is_found_again_by_its_pid_file(sleeper: ProcessId, tmp_path: Path) -> None:
    sleeper.save(tmp_path / "pid")
    assert ProcessId.load(tmp_path / "pid") == sleeper
    assert sleeper.alive()


def test_process_has_a_session_of_its_own(sleeper: ProcessId) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid != os.getsid(0)


def test_process_that_has_ended_is_not_alive_and_is_reaped(sleeper: ProcessId) -> None:
    os.kill(sleeper.pid, signal.SIGKILL)
    assert sleeper.wait(10)
    with pytest.raises(ChildProcessError):
        os.waitpid(sleeper.pid, os.WNOHANG)


@pytest.mark.parametrize("change", [{"started_ticks": 1}, {"boot_id": "another boot"}])
def test_recycled_pid_is_not_the_process_and_is_not_killed(sleeper: ProcessId, change: dict[str, object]) -> None:
    other = replace(sleeper, **change)
    assert not other.alive()
    assert other.stop(1)
    other.kill()
    assert sleeper.alive()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "123"])
def test_pid_file_that_was_cut_short_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert ProcessId.load(tmp_path / "pid") is None


def test_zombie_of_another_parent_is_not_alive(log: Path) -> None:
    """A server whose starter still runs but does not wait for it: the stop of another program must see its end."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, time; p = subprocess.Popen(['/bin/true']); print(p.pid, flush=True); time.sleep(300)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        while _state(pid) != "Z":
            pass
        assert ProcessId.of(pid) is None
    finally:
        parent.kill()
        parent.communicate()


def test_kill_ends_children_and_their_children_too(log: Path) -> None:
    process = spawn(["/bin/sh", "-c", "sh -c 'sleep 300; true' & sleep 300"], log=log)
    while len(family := process.descendants()) < 3:
        pass
    process.kill()
    assert not any(member.alive() for member in [process, *family])


def test_process_that_was_not_spawned_here_is_never_killed(log: Path) -> None:
    """A damaged pid file that names a member of our own session, such as a shell."""
    member = subprocess.Popen(SLEEP)
    try:
        process = ProcessId.of(member.pid)
        assert process is not None
        for end in (process.kill, lambda: process.stop(1)):
            with pytest.raises(FatalError, match="not one that was started here"):
                end()
        assert member.poll() is None
    finally:
        member.kill()
        member.wait()


def test_tree_that_we_are_part_of_is_never_killed(tmp_path: Path) -> None:
    """In a process that may end: it leads a session, and asks for its own end."""
    script = "import os; from local.process import ProcessId; ProcessId.of(os.getpid()).kill()"
    done = subprocess.run(
        [sys.executable, "-c", script], start_new_session=True, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "not one that was started here" in done.stderr


def test_stop_asks_first_and_kills_whoever_does_not_listen(log: Path) -> None:
    stubborn = spawn(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], log=log)
    while "ready" not in log.read_text():
        pass
    assert not stubborn.stop(0.2)
    assert not stubborn.alive()


def test_output_and_errors_are_appended_to_the_log(log: Path) -> None:
    for word in ("first", "second"):
        assert spawn(["/bin/sh", "-c", f"echo {word}; echo {word} >&2"], log=log).wait(10)
    assert log.read_text().split() == ["first", "first", "second", "second"]


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
