"""Told to stop in its first seconds, a program stops: as process 1 of a container, and anywhere else.

No server answers here, so a worker never comes further than its start.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.deployment import PATIENCE, UPIFRAUD

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

NOWHERE = {
    "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "UPIFRAUD_REDIS_URL": "redis://127.0.0.1:1/0",
    "UPIFRAUD_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
    "UPIFRAUD_METRICS_PORT": "0",
}
UNSHARE = [str(shutil.which("unshare")), "--pid", "--fork", "--kill-child", "--mount-proc"]
if os.geteuid() != 0:
    UNSHARE[1:1] = ["--user", "--map-root-user"]


def _may_unshare() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run([*UNSHARE, "true"], check=False).returncode


NAMESPACES = ["ordinary", "process 1"] if _may_unshare() else ["ordinary"]


class Started:
    """A program, and the process that is its first one."""

    def __init__(self, popen: subprocess.Popen[bytes], pid: int) -> None:
        self.popen, self.pid = popen, pid

    def heeds(self, number: int) -> bool:
        """Whether it has a handler for a signal."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (caught,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(caught >> (number - 1) & 1)

    def exit_code(self) -> int:
        return self.popen.wait(60)  # then a kubelet would kill it


@contextmanager
def started(namespace: str, *arguments: str, ignored: int | None = None) -> Iterator[Started]:
    command = [*(UNSHARE if namespace == "process 1" else []), str(UPIFRAUD), *arguments]
    before = signal.signal(ignored, signal.SIG_IGN) if ignored else None  # inherited, as `nohup` does it
    try:
        popen = subprocess.Popen(command, env=os.environ | NOWHERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        if ignored:
            signal.signal(ignored, before)
    try:
        pid = popen.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        while namespace == "process 1" and pid == popen.pid:
            assert popen.poll() is None
            pid = int((children.read_text().split() or [popen.pid])[0])
        yield Started(popen, pid)
    finally:
        popen.kill()  # and process 1 with it: --kill-child
        popen.communicate()


def until_it_heeds(program: Started, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not program.heeds(number):
        assert program.popen.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("wait", [0, 1, 5])
def test_worker_that_is_told_while_it_starts_ends_with_0(namespace: str, wait: float) -> None:
    with started(namespace, "worker") as worker:
        until_it_heeds(worker, signal.SIGTERM)
        time.sleep(wait)  # importing, then compiling, then waiting for a server that never answers
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.exit_code() == 0


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_other_signals_that_ask_to_stop_do_the_same(namespace: str, number: int) -> None:
    with started(namespace, "worker") as worker:
        until_it_heeds(worker, signal.SIGTERM)
        os.kill(worker.pid, number)
        assert worker.exit_code() == 0


def test_nohup_is_heeded() -> None:
    with started("ordinary", "worker", ignored=signal.SIGHUP) as worker:
        until_it_heeds(worker, signal.SIGTERM)
        assert not worker.heeds(signal.SIGHUP)
        os.kill(worker.pid, signal.SIGHUP)
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.exit_code() == 0


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_follower_of_alerts_that_is_told_while_it_starts_ends_with_0(namespace: str) -> None:
    with started(namespace, "alerts", "--follow") as alerts:
        until_it_heeds(alerts, signal.SIGTERM)
        os.kill(alerts.pid, signal.SIGTERM)
        assert alerts.exit_code() == 0


@pytest.mark.parametrize("arguments", [["migrate", "--wait", "600"], ["housekeeping"], ["simulate", "--payments", "9"]])
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_job_that_is_told_has_not_succeeded(namespace: str, arguments: list[str]) -> None:
    with started(namespace, *arguments) as job:
        if namespace == "process 1":
            until_it_heeds(job, signal.SIGTERM)
        os.kill(job.pid, signal.SIGTERM)
        assert job.exit_code() == (128 + signal.SIGTERM if namespace == "process 1" else -signal.SIGTERM)
