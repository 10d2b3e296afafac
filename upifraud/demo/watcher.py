"""Watches the worker: a reading of its metrics four times a second, in a thread of its own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from upifraud.demo.course import Course
from upifraud.demo.reading import Reading, read

if TYPE_CHECKING:
    from collections.abc import Callable

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
