"""The first rehearsal on a machine compiles every kernel: two processes share that work, and all others wait for it.

What is compiled is kept on disk, kernel by kernel, so whoever comes later loads it. numba compiles one kernel at a time
in a process. So the first process starts a second one, which meanwhile compiles the kernels of vectors and scores.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from features.compiled import candidates, directories, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HELP: Final = "--vectors"
PATIENCE_SECONDS: Final = 300.0
"""Who has waited so long for another process compiles by itself: that one may be stopped, and hold its lock."""
_LOOK_SECONDS: Final = 0.05
_DONE: Final = "done"


@contextmanager
def shared_rehearsal() -> Iterator[Callable[[], None]]:
    """Rehearse inside. Before vectors and scores call what this yields: it returns when their kernels are there.

    Whether they are is noted beside the kernels. Where nothing can be written, a process compiles for itself.
    """
    root, folder = Path(__file__).parents[1], Path(__file__).parent
    name = f"rehearsed-{sources(folder / 'rehearsal.py', root)}"
    write = directories(folder, name).write
    if write is None or _is_noted(folder, name, write):
        yield lambda: None
        return
    with _alone(write / "lock"):
        if (write / _DONE).exists():
            yield lambda: None
            return
        # Its input ends when this process does, however that ends; then the helper ends, too.
        with subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "stream.rehearsal", HELP], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as helper:
            try:
                yield lambda: _ended(helper)
            finally:
                helper.kill()
        (write / _DONE).touch()


def _is_noted(folder: Path, name: str, write: Path) -> bool:
    """Tell whether a rehearsal ended where kernels are looked for: down to the first directory that can be written."""
    for candidate in candidates(folder):
        directory = candidate.directory / name
        if (directory / _DONE).exists():
            return True
        if directory == write:
            break
    return False


def _ended(helper: subprocess.Popen[bytes]) -> None:
    helper.wait()  # if it failed, this process compiles what is missing


def end_with_parent() -> None:
    """Let this process end when its input does."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that no other process holds; the system lets it go if this process dies."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(_LOOK_SECONDS)
            except OSError:
                break  # a file system without locks
            else:
                break
        yield
