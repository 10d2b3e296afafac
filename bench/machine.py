"""How fast this machine is now, and what processes have used of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def index() -> float:
    """Return seconds of CPU for 3 million steps of a plain loop, the least of three: to compare machines by."""
    least = float("inf")
    for _ in range(3):
        began, total = time.process_time(), 0
        for step in range(3_000_000):
            total += step * step
        least = min(least, time.process_time() - began)
    return least


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process and all that descend from it have used; 0 if it is gone."""
    return sum(_own(one) for one in (pid, *_descendants(pid)))


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _own(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, children):
        found += [child, *_descendants(child)]
    return found
