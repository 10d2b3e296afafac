"""How fast this machine is now, and what processes have used of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


_LOOP = compile("s = 0\nfor i in range(3_000_000):\n    s += i * i\n", "<machine-speed index>", "exec")


def index() -> float:
    """Return seconds of CPU for 3 million steps of `s += i*i`, the least of three: to compare machines by.

    At the top level of a module, where names are looked up in a dictionary; within a function it takes half as long.
    """
    least = float("inf")
    for _ in range(3):
        began = time.process_time()
        exec(_LOOP, {})
        least = min(least, time.process_time() - began)
    return least


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process and all that descend from it have used, ended ones too; 0 if it is gone."""
    return sum(_seconds(Path(f"/proc/{one}/stat"), ended=True) for one in (pid, *_descendants(pid)))


def own_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process alone has used; 0 if it is gone."""
    return _seconds(Path(f"/proc/{pid}/stat"))


def thread_seconds(pid: int) -> dict[int, float]:
    """Return the CPU seconds of every thread of a process and of all that descend from it: each can fill one core."""
    found: dict[int, float] = {}
    for one in (pid, *_descendants(pid)):
        try:
            threads = list(Path(f"/proc/{one}/task").iterdir())
        except OSError:
            continue
        found |= {int(thread.name): _on_cpu(thread) for thread in threads}
    return found


def thread_names(pid: int) -> dict[int, str]:
    """Return the name of every thread of a process, by which the kernel knows it: 15 characters at most."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return {}
    return {int(thread.name): _text(thread / "comm").strip() for thread in threads}


def busy_seconds() -> tuple[float, float]:
    """Return the CPU seconds that all cores have worked since the start, and those that the host took away."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def pss_bytes(pid: int) -> int:
    """Return the memory of a process and all that descend from it, what they share counted once; 0 if it is gone."""
    return sum(_pss(one) for one in (pid, *_descendants(pid)))


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _on_cpu(thread: Path) -> float:
    """Return the CPU seconds of a thread: by the scheduler to a nanosecond, by ticks where it does not count."""
    text = _text(thread / "schedstat").split()
    return int(text[0]) / 1e9 if text else _seconds(thread / "stat")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended
        return ""


def _seconds(stat: Path, *, ended: bool = False) -> float:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime and stime; behind them those of the children that ended and were waited for
    return sum(map(int, fields[11 : 15 if ended else 13])) / TICKS


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, children):
        found += [child, *_descendants(child)]
    return found
