"""`python -m bench.named_threads worker` is `upifraud worker` whose threads have their names in /proc, too.

Python of before 3.14 keeps the names of threads to itself, and the kernel then knows them all by the program's. This
costs a call when a thread starts, and nothing afterwards.
"""

from __future__ import annotations

import ctypes
import runpy
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PR_SET_NAME = 15
LONGEST = 15

KINDS = {"way": "ways", "poll": "poll thread", "rdk": "librdkafka", "probes": "probes"}
"""What names begin with, and whose threads these are."""


def name_threads() -> None:
    """Let every thread that starts from now on tell the kernel its name."""
    libc = ctypes.CDLL(None)
    plain: Any = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]  # noqa: SLF001

    def named(thread: threading.Thread) -> None:
        libc.prctl(PR_SET_NAME, thread.name.encode()[:LONGEST], 0, 0, 0)
        plain(thread)

    threading.Thread._bootstrap_inner = named  # type: ignore[attr-defined]  # noqa: SLF001


def by_kind(pid: int, names: Mapping[int, str], seconds: Mapping[int, float]) -> dict[str, float]:
    """Return the CPU seconds of a worker's threads by what they do; the main thread runs the event loop."""
    found = dict.fromkeys((*KINDS.values(), "event loop", "other"), 0.0)
    for thread, used in seconds.items():
        begins = next((kind for begins, kind in KINDS.items() if names.get(thread, "").startswith(begins)), "other")
        found["event loop" if thread == pid else begins] += used
    return found


if __name__ == "__main__":
    name_threads()
    runpy.run_module("upifraud", run_name="__main__", alter_sys=True)
