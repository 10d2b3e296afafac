"""Watches the worker: its metrics four times a second, one reading after the other, and what lies between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from upifraud.demo.reading import Reading, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from upifraud.demo.reading import Buckets


_KEPT: Final = 1_200
"""Readings; the oldest are forgotten. Four a second make five minutes, more than any terminal is wide."""
RECENT_SECONDS: Final = 5.0
"""What counts as now for quantiles: long enough for a p99 of a slow machine, short enough to follow a stall."""


class Course:
    """Keeps readings in the order of their times; whatever is asked of it is asked as of the last one."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=_KEPT)
        self._part = 0.0
        self.most_behind = 0
        """The largest lag that was read, in records."""

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        self._readings.append(reading)
        self.most_behind = max(self.most_behind, reading.lag_records)

    def begin_part(self) -> None:
        """Let no figure reach back beyond the last reading: what comes now is not to be measured with what was."""
        if self._readings:
            self._part = self._readings[-1].at

    @property
    def last(self) -> Reading | None:
        """The last reading; None before the first."""
        return self._readings[-1] if self._readings else None

    def rate(self, seconds: float = 2.0) -> float:
        """Return the records done a second, over the last seconds."""
        if not self._readings:
            return 0.0
        first, last = self._before(seconds), self._readings[-1]
        return (last.consumed - first.consumed) / (last.at - first.at) if last.at > first.at else 0.0

    def rates(self, steps: int, seconds: float = 1.0) -> list[float]:
        """Return the records done a second in each of the last steps of so many seconds, the oldest first."""
        if not self._readings:
            return []
        found: list[float] = []
        newer = self._readings[-1]
        for older in reversed(self._readings):
            if newer.at - older.at >= seconds * 0.99:  # readings are a little apart from their times
                found.append((newer.consumed - older.consumed) / (newer.at - older.at))
                newer = older
                if len(found) == steps:
                    break
        return found[::-1]

    def end_to_end(self) -> Buckets | None:
        """Return the latencies of the last seconds; None before the first reading."""
        last = self.last
        return None if last is None else last.end_to_end.since(self._before(RECENT_SECONDS).end_to_end)

    def stage(self, name: str) -> Buckets | None:
        """Return the times of a stage within the last seconds; None where there are none yet."""
        last = self.last
        if last is None or name not in last.stages:
            return None
        before = self._before(RECENT_SECONDS).stages.get(name)
        return last.stages[name] if before is None else last.stages[name].since(before)

    def _before(self, seconds: float) -> Reading:
        """Return the newest reading that is at least so old or ends the part before, else the oldest there is."""
        last = self._readings[-1]
        for reading in reversed(self._readings):
            if last.at - reading.at >= seconds or reading.at <= self._part:
                return reading
        return self._readings[0]


SECONDS: Final = 0.25


class Watcher:
    """Reads pages from construction until close; `course` is to be used under `lock` by everybody else."""

    def __init__(self, page: Callable[[], str | None], topic: str) -> None:
        """`page` returns what the metrics say now, None while nobody answers."""
        self.lock = threading.Lock()
        self.course = Course()
        self.judged_at: float | None = None
        """When the first verdict was seen (monotonic seconds)."""
        self.moved_at = time.monotonic()
        """When records were last seen to have been finished; the beginning, before any."""
        self._page = page
        self._topic = topic
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="metrics")
        self._thread.start()

    def last(self) -> Reading:
        """Return the last reading; one of nothing before the first."""
        with self.lock:
            return self.course.last or Reading(time.monotonic())

    def look(self) -> Reading:
        """Read once more, now, and return the last reading."""
        page = self._page()
        if page is not None:
            reading = read(page, time.monotonic(), self._topic)
            with self.lock:
                last = self.course.last
                if last is None or reading.at > last.at:
                    if last is None or reading.consumed > last.consumed:
                        self.moved_at = reading.at
                    self.course.add(reading)
                if self.judged_at is None and reading.judged:
                    self.judged_at = reading.at
        return self.last()

    def close(self) -> None:
        """Read no more; the course stays as it is."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(SECONDS):
            self.look()
