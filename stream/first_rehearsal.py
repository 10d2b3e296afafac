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

from features.compiled import directories, sources

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
    root = Path(__file__).parents[1]
    kept = directories(Path(__file__).parent, f"rehearsed-{sources(root / 'stream' / 'rehearsal.py', root)}")
    noted = [directory / _DONE for directory in (*kept.read, kept.write) if directory is not None]
    if kept.write is None or any(note.exists() for note in noted):
        yield lambda: None
        return
    with _alone(kept.write / "lock"):
        if (kept.write / _DONE).exists():
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
        (kept.write / _DONE).touch()


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
