"""A command of ours as a process of its own, told from every other, with its log in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from local.process import ProcessId
from upifraud.loopback import get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ANSWER_SECONDS: Final = 2.0
_KILL_SECONDS: Final = 10.0


class ProgramProcess:
    """One `upifraud COMMAND`; it runs in a session of its own, so a Ctrl-C reaches it only through us."""

    def __init__(self, directory: Path, command: str) -> None:
        self.log = directory / f"{command}.log"
        self._command = (sys.executable, "-m", "upifraud", command)
        self._pid_file = directory / f"{command}.pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def exit_code(self) -> int | None:
        """None while it runs, or if it was never started; minus the signal's number where one ended it."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

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
        """End the process of a demo that was killed before it could do so itself; True if there was one."""
        left = ProcessId.load(self._pid_file)
        if left is None or not left.alive() or left.pid == os.getpid():
            return False
        left.stop(_KILL_SECONDS)
        self._pid_file.unlink(missing_ok=True)
        return True

    def _start(self, environment: Mapping[str, str]) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if (identity := ProcessId.of(self._process.pid)) is not None:
            identity.save(self._pid_file)

    def _get(self, url: str, seconds: float = _ANSWER_SECONDS) -> str | None:
        """Return what it answers with 200; None while it does not."""
        return get(url, seconds) if self.is_running else None
