"""A worker as a process of its own, told from every other, with its log in a file; and who compiles beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from local.ports import HOST, free_port
from local.process import ProcessId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COMMAND: Final = (sys.executable, "-m", "upifraud", "worker")
_ANSWER_SECONDS: Final = 2.0
_KILL_SECONDS: Final = 10.0
_open = build_opener(ProxyHandler({})).open  # loopback, whatever proxy the environment names


class KernelProcess:
    """Compiles the kernels while the servers start; a worker that comes meanwhile waits for it, then loads them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "stream.rehearsal"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whatever is wrong, the worker meets it too, and says so in its log
        )

    def close(self) -> None:
        """End it if it still runs; what it finished is kept, for numba replaces files whole."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class WorkerProcess:
    """One `upifraud worker`; it runs in a session of its own, so a Ctrl-C reaches it only through us."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "worker.log"
        self._pid_file = directory / "worker.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._metrics = ""

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it with these settings and a free port for its metrics."""
        port = free_port()
        variables = {"UPIFRAUD_METRICS_PORT": str(port), "UPIFRAUD_METRICS_HOST": HOST}
        self._metrics = f"http://{HOST}:{port}/metrics"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                _COMMAND,
                env={**environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if (identity := ProcessId.of(self._process.pid)) is not None:
            identity.save(self._pid_file)

    @property
    def exit_code(self) -> int | None:
        """None while it runs, or if it was never started; minus the signal's number where one ended it."""
        return None if self._process is None else self._process.poll()

    def page(self) -> str | None:
        """Return what its metrics say now; None while it does not answer."""
        if self._process is None or self.exit_code is not None:
            return None
        try:
            with _open(self._metrics, timeout=_ANSWER_SECONDS) as answer:
                return str(answer.read().decode())
        except (URLError, OSError):
            return None

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) or "(empty log)"
        except FileNotFoundError:
            return "(no log)"

    def stop(self, seconds: float) -> int | None:
        """Let it drain and end, and return its exit code; it is killed after so many seconds. None if none ran."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_KILL_SECONDS)
        self._pid_file.unlink(missing_ok=True)
        return self._process.returncode

    def sweep(self) -> bool:
        """End the worker of a demo that was killed before it could do so itself; True if there was one."""
        left = ProcessId.load(self._pid_file)
        if left is None or not left.alive() or left.pid == os.getpid():
            return False
        left.stop(_KILL_SECONDS)
        self._pid_file.unlink(missing_ok=True)
        return True
