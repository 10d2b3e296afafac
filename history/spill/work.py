"""Pieces of work on all cores, so many at a time that memory stays bounded; stopped between two steps of one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from multiprocessing.synchronize import Event

Result = TypeVar("Result")
Task = tuple["Callable[..., Result]", tuple[Any, ...]]

_stop: Event | None = None


class StoppedError(Exception):
    """The work was given up meanwhile."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def check() -> None:
    """Return if the work goes on; raises StoppedError otherwise."""
    if _stop is not None and _stop.is_set():
        raise StoppedError


class Inline:
    """Works on tasks in this process, one after the other."""

    def run(self, tasks: Iterable[Task[Result]]) -> Iterator[Result]:
        """Yield the results of functions and their arguments."""
        for function, arguments in tasks:
            yield function(*arguments)


class Workers:
    """Processes that work on tasks; leaving by an error ends what they are at."""

    def __init__(self, count: int) -> None:
        self.count = count
        context = multiprocessing.get_context("spawn")  # what threads hold in this process is not inherited
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(self._stop,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=error is not None)

    def run(self, tasks: Iterable[Task[Result]]) -> Iterator[Result]:
        """Yield the results of functions and their arguments as they come; takes tasks as there is room for them."""
        waiting: set[Future[Result]] = set()
        for function, arguments in tasks:
            waiting.add(self._pool.submit(function, *arguments))
            while len(waiting) > self.count:  # one more than are at work, so that none waits
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)


def _begin(stop: Event) -> None:
    """Make a process one of the workers: it is told to stop by them, and its libraries use no cores of others."""
    global _stop  # noqa: PLW0603 - a process's own
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # there are no circles, and to look for them among the rows of a piece takes a tenth of the time
    import pyarrow as pa

    pa.set_cpu_count(1)
