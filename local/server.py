"""What every server of the local stack can do: start, stop, be killed, and come back with the same address and data."""

from __future__ import annotations

import shutil
import signal
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from local.errors import NotReadyError, PortTakenError
from local.ports import HOST, free_port, is_free
from local.process import ProcessId, spawn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_POLL_SECONDS = 0.03
_LOG_LINES = 15
_FIRST_START_TRIES = 3


class Server(ABC):
    """One server with a directory of its own; starting it again keeps address and data.

    What is known of it lies in its directory, so that another process (`upifraud down`) can take over.
    """

    name: ClassVar[str]
    """The server as a reader knows it, and its directory's name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ready_seconds: float | None = None
        """How long the last start took until the server answered; None if it was found running."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The address for the settings: a URL, or host:port of a broker."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether the server that we started still runs."""

    @property
    @abstractmethod
    def stale(self) -> bool:
        """Whether it was started, never stopped, and runs no more: it crashed, or the machine was switched off."""

    @property
    @abstractmethod
    def whereabouts(self) -> str:
        """As what it runs, for a person to look at it."""

    @abstractmethod
    def start(self) -> None:
        """Return when the server answers; one that runs already is left alone."""

    @abstractmethod
    def stop(self) -> None:
        """Let the server write what it must and end; one that is down already stays down."""

    @abstractmethod
    def kill(self) -> None:
        """End the server at once, as a power cut would."""

    @abstractmethod
    def problem(self) -> str | None:
        """Ask the server itself; None if it answers as it should, else what is wrong."""

    def remarks(self) -> Iterable[str]:
        """Say what else a person should know of the server, once it has been started."""
        return ()

    def remove(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class ProcessServer(Server):
    """A server that is one process of this machine, on one loopback port, in a session of its own."""

    start_seconds: ClassVar[float] = 120
    stop_seconds: ClassVar[float] = 30
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__(directory)
        self.data = directory / "data"
        self.log = directory / "server.log"
        self._pid_file = directory / "server.pid"
        self._port_file = directory / "port"
        self._port = port

    @property
    def port(self) -> int:
        """The server's port: the one asked for, else the one of its last start."""
        if self._port is None:
            if not self._port_file.exists():
                raise NotReadyError(f"{self.name} in {self.directory} was never started, so it has no port yet.")
            self._port = int(self._port_file.read_text())
        return self._port

    @property
    def process(self) -> ProcessId | None:
        """The process of the last start, whether it still runs or not; None after a stop."""
        return ProcessId.load(self._pid_file)

    @property
    def running(self) -> bool:
        """Whether the process that we started still runs."""
        process = self.process
        return process is not None and process.alive()

    @property
    def stale(self) -> bool:
        """Whether a pid file is left of a process that runs no more."""
        return self._pid_file.exists() and not self.running

    @property
    def whereabouts(self) -> str:
        """Its pid."""
        process = self.process
        return "no process" if process is None else f"pid {process.pid}"

    def start(self) -> None:
        """Return when the server answers; one that runs already is left alone.

        Raises PortTakenError if somebody else has its port, NotReadyError if it does not answer in time; it is then
        stopped again.
        """
        began = time.monotonic()
        if self.running:
            self._wait(began)
            self.ready_seconds = None
            return
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._prepare()
        self._pid_file.unlink(missing_ok=True)
        fixed = self._port is not None or self._port_file.exists()
        for attempt in range(1, _FIRST_START_TRIES + 1):
            if not fixed:
                self._port = free_port()
            try:
                self._launch(began)
            except PortTakenError:
                # Somebody was faster between our look at the port and the server's own.
                if fixed or attempt == _FIRST_START_TRIES:
                    raise
            else:
                break
        self._finish()
        self.ready_seconds = time.monotonic() - began

    def move(self) -> None:
        """Forget the port: the next start takes a free one. For a stack whose old port somebody else has now."""
        self._port = None
        self._port_file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Let the server write what it must and end; it is killed if that takes too long."""
        if (process := self.process) is not None:
            process.stop(self.stop_seconds, self.stop_signal)
            self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process and its children with SIGKILL; the pid file stays, as after a crash."""
        if (process := self.process) is not None:
            process.kill()

    def log_tail(self) -> str:
        """Return the last lines of the server's log, for an error message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(lines[-_LOG_LINES:]) or "(empty log)"

    def _launch(self, began: float) -> None:
        if not is_free(self.port):
            raise self._port_taken()
        process = spawn(self._command(), log=self.log, environment=self._environment())
        process.save(self._pid_file)
        try:
            self._wait(began)
        except BaseException:
            still_up = process.alive()
            self.stop()
            if not still_up and not is_free(self.port):
                raise self._port_taken() from None
            raise
        self._port_file.write_text(f"{self.port}\n")

    def _wait(self, began: float) -> None:
        problem: str | None = "it was not asked yet"
        while problem is not None:
            if not self.running:
                raise NotReadyError(
                    f"{self.name} ended while it was starting. Its log, {self.log}, ends with:\n{self.log_tail()}"
                    f"{self._advice()}"
                )
            if time.monotonic() - began > self.start_seconds:
                raise NotReadyError(
                    f"{self.name} on port {self.port} was expected to answer within {self.start_seconds:.0f} s, and "
                    f"does not: {problem}. Its log, {self.log}, ends with:\n{self.log_tail()}"
                )
            problem = self.problem()
            if problem is not None:
                time.sleep(_POLL_SECONDS)

    def _port_taken(self) -> PortTakenError:
        return PortTakenError(
            f"{self.name} was to listen on {HOST}:{self.port}, and another process does. Stop that one "
            f"(`ss -ltnp 'sport = :{self.port}'` names it), or remove {self._port_file} to let it take another port."
        )

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the program, with its whole path, and its arguments."""

    def _environment(self) -> dict[str, str] | None:
        """Return the server's environment; None for ours."""
        return None

    def _advice(self) -> str:
        """Return what else to say when it does not start, in a line of its own; nothing if its log says it all."""
        return ""

    def _prepare(self) -> None:
        """Make what must exist before the first start; must be harmless if it exists."""

    def _finish(self) -> None:
        """Make what can only be made on a server that answers; must be harmless if it exists."""
