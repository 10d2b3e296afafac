"""Lanes keep the order of micro-batches: in each of them one at a time, and none overtakes another.

A way leads through lanes, step by step, and is taken to its end by one thread. While it is in one lane others are in
the lanes before and behind it, so that they overlap; where nobody is in the way it goes on without a pause. A thread
for each lane would be woken for each step, five times a micro-batch, with the interpreter's lock wanted by all.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Step(NamedTuple):
    """A call that a way makes in a lane."""

    lane: Lane
    call: Callable[[], Any]


Way: TypeAlias = Generator[Step, Any, T]
"""Yields steps, is sent what each of them returned or thrown what it raised, and returns what comes of it all."""


class Lane:
    """Lets one in at a time, in the order in which they queued."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        """The first is whose turn it is; the places of those that wait are locked."""

    def step(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Step:
        """Return a call in this lane, for a way to yield."""
        return Step(self, partial(call, *args, **kwargs))

    def queue(self) -> Callable[[], object]:
        """Take the last place and return what waits for its turn; whoever took one must wait and `leave`."""
        place = threading.Lock()
        with self._guard:
            if self._queue:
                place.acquire()
            self._queue.append(place)
        return place.acquire

    def leave(self) -> None:
        """Let the next one in."""
        with self._guard:
            self._queue.popleft()
            if self._queue:
                self._queue[0].release()


class Ways:
    """The threads that take ways to their ends; at most `threads` ways can be begun at a time.

    No way waits for a thread: those that have one might wait for it in a lane, behind its place.
    """

    def __init__(self, threads: int) -> None:
        self._free = threading.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="way")
        self.closed = threading.Event()

    async def follow(self, way: Way[T]) -> T:
        """Take a way to its end and return what it returns.

        Ways that lead through the same lanes go through each of them in the order in which they were begun. When the
        caller is cancelled, no further step is begun.
        """
        if self.closed.is_set():
            way.close()
            raise RuntimeError("No way can be begun: the threads were told to end.")
        end: Future[T] = Future()
        try:
            step = next(way)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if not self._free.acquire(blocking=False):
            way.close()
            raise RuntimeError("More ways were begun than there are threads for.")
        # The place is taken here, where ways begin in order, and not in the thread.
        self._threads.submit(self._take, way, step, step.lane.queue(), end)
        return await asyncio.wrap_future(end)

    async def run(self, lane: Lane, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make one call in a lane and return what it returns."""
        return await self.follow(_one_step(lane.step(call, *args, **kwargs)))

    def close(self) -> None:
        """Let steps that were begun finish and begin no other."""
        self.closed.set()
        self._threads.shutdown(wait=True)

    def _take(self, way: Way[T], step: Step, turn: Callable[[], object], end: Future[T]) -> None:
        while True:
            turn()
            try:
                step, left = self._next(way, step, end), step
            except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits for the end must hear of it
                step.lane.leave()
                self._free.release()
                if end.set_running_or_notify_cancel():
                    if isinstance(error, StopIteration):
                        end.set_result(error.value)
                    else:
                        end.set_exception(error)
                return
            turn = step.lane.queue()  # before the lane is left, so that nobody overtakes
            left.lane.leave()

    def _next(self, way: Way[T], step: Step, end: Future[T]) -> Step:
        if self.closed.is_set():
            end.cancel()
        if end.cancelled():
            way.close()
            raise asyncio.CancelledError
        try:
            result = step.call()
        except BaseException as error:  # noqa: BLE001 - the way decides
            return way.throw(error)
        return way.send(result)


def _one_step(step: Step) -> Way[Any]:
    return (yield step)
