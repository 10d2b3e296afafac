"""Processes that outlive whoever started them, named so that a recycled pid is never signalled."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import FatalError, StillRunningError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_POLL_SECONDS = 0.02
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process of one boot of this machine: a pid alone is given to somebody else after a while."""

    pid: int
    started_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Name the process that has this pid now; None if there is none, or only a zombie."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, stat.started_ticks, _boot_id())

    def alive(self) -> bool:
        """Tell whether this very process still runs; a child of ours that ended is reaped."""
        if ProcessId.of(self.pid) == self:
            return True
        stat = _stat(self.pid, zombies=True)
        if stat is not None and stat.started_ticks == self.started_ticks:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        return False

    def of_this_boot(self) -> bool:
        """Tell whether the machine has not been started again since."""
        return self.boot_id == _boot_id()

    def send(self, number: int) -> None:
        """Send a signal to this very process; nothing happens if it has ended."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; False if it has not after so many seconds."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def descendants(self) -> list[ProcessId]:
        """List the running children of this process, theirs too."""
        children: dict[int, list[ProcessId]] = {}
        boot_id = _boot_id()
        for entry in _PROC.iterdir():
            if entry.name.isdecimal() and (stat := _stat(int(entry.name))) is not None:
                children.setdefault(stat.parent, []).append(ProcessId(int(entry.name), stat.started_ticks, boot_id))
        found: list[ProcessId] = []
        wanted = [self.pid]
        while wanted:
            next_children = children.get(wanted.pop(), [])
            found += next_children
            wanted += [child.pid for child in next_children]
        return found

    def stop(self, seconds: float, number: int = signal.SIGTERM) -> bool:
        """Ask the process to end, kill it and its children if it has not after so many seconds; True if it ended so."""
        if self.alive():
            self._must_be_spawned([self, *self.descendants()])
        self.send(number)
        if self.wait(seconds):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """End the process and all its children at once, as a power cut would; returns when they are gone.

        Raises FatalError if it is not a process that `spawn` can have started.
        """
        if not self.alive():
            return
        everyone = [self, *self.descendants()]
        self._must_be_spawned(everyone)
        for process in everyone:
            process.send(signal.SIGKILL)
        for process in everyone:
            if not process.wait(30):
                raise StillRunningError(
                    f"Process {process.pid} was killed and still runs after 30 s; it probably waits for a disk. "
                    "Look at it with `ps`, then try again."
                )

    def _must_be_spawned(self, family: Sequence[ProcessId]) -> None:
        """Refuse whatever does not lead a session of its own that we are no part of.

        A damaged pid file that names init or a shell must not take the whole machine along.
        """
        if self.pid <= 1 or not _leads_a_session(self.pid) or os.getpid() in (process.pid for process in family):
            raise FatalError(
                f"Process {self.pid} was to be ended with its {len(family) - 1} children, and is not one that was "
                "started here: expected the leader of a session that we are no part of. Correct or remove its pid file."
            )

    def save(self, path: Path) -> None:
        """Write the process's name to a pid file."""
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, path: Path) -> ProcessId | None:
        """Read a pid file; None if there is none or it was cut short by a crash."""
        try:
            fields = json.loads(path.read_text())
            return cls(int(fields["pid"]), int(fields["started_ticks"]), str(fields["boot_id"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def spawn(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> ProcessId:
    """Start a program in a session of its own, its output appended to a log; it outlives us and ignores our Ctrl-C."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        list(command),
        dict(os.environ if environment is None else environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        # Python ignores these two, and an ignored signal is inherited.
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
    )
    stat = _stat(pid, zombies=True)
    if stat is None:  # a child of ours keeps its entry until it is reaped
        raise StillRunningError(f"Process {pid} ({command[0]}) has no entry in /proc; only Linux is supported.")
    return ProcessId(pid, stat.started_ticks, _boot_id())


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    started_ticks: int


def _stat(pid: int, *, zombies: bool = False) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses, and may hold blanks and parentheses itself.
    fields = text.rpartition(")")[2].split()
    # A main thread that is a zombie while others still end has not let go of its ports and files.
    if fields[0] in "ZX" and int(fields[17]) <= 1 and not zombies:
        return None
    return _Stat(parent=int(fields[1]), started_ticks=int(fields[19]))


def _leads_a_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return True  # it has ended meanwhile, and nothing will be signalled


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
