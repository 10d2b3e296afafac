"""CPU of the process by kind of thread: what the event loop, the poll threads, the ways and librdkafka each take.

Divided by `micro_batch_records_count` it is what a micro-batch costs there. Linux tells it of every thread; elsewhere
there is nothing to show.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

_TASKS = Path("/proc/self/task")
_LIBRDKAFKA = "rdk:"
_KINDS = {"MainThread": "event-loop", "poll-": "poll", "way-": "ways"}
_REST = "rest"


class ThreadCpu(Collector):
    """Reads the kernel's clocks whenever it is asked; a thread that has ended keeps what it had taken by then."""

    def __init__(self, tasks: Path = _TASKS) -> None:
        self._tasks = tasks
        self._seconds: dict[int, tuple[str, float]] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the seconds of each kind."""
        named = {thread.native_id: thread.name for thread in threading.enumerate()}
        for number, command, seconds in self._read():
            self._seconds[number] = _kind(command, named.get(number, "")), seconds
        kinds: dict[str, float] = defaultdict(float)
        for kind, seconds in self._seconds.values():
            kinds[kind] += seconds
        family = CounterMetricFamily(
            "thread_cpu_seconds", "CPU time of the process, by kind of thread.", None, ["thread"]
        )
        for kind, seconds in sorted(kinds.items()):
            family.add_metric([kind], seconds)
        yield family

    def _read(self) -> Iterator[tuple[int, str, float]]:
        if not self._tasks.is_dir():
            return
        for task in self._tasks.iterdir():
            try:
                nanoseconds = int((task / "schedstat").read_text().split()[0])
                yield int(task.name), (task / "comm").read_text(), nanoseconds / 1e9
            except (OSError, ValueError, IndexError):  # it has ended meanwhile
                continue


def _kind(command: str, name: str) -> str:
    if command.startswith(_LIBRDKAFKA):
        return "librdkafka"
    return next((kind for prefix, kind in _KINDS.items() if name.startswith(prefix)), _REST)
