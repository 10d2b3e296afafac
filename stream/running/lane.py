"""Lanes keep the order of micro-batches: in each of them one at a time, and none overtakes another.

A micro-batch goes its way from the first lane to the last in one thread. While it is in one lane others are in the
lanes before and behind it, so that they overlap; where nobody is in the way it goes on without a pause. A thread for
each lane would be woken for each step, with the interpreter's lock wanted by all.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from stream.steps import Lap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.steps import Step

P = ParamSpec("P")
T = TypeVar("T")


class Lane:
    """Lets one in at a time, in the order in which they queued."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        """The first is whose turn it is; the turns of those that wait are locked."""

    def queue(self) -> threading.Lock:
        """Take the last turn: it can be acquired when its turn has come, and whoever took one must `leave` then."""
        turn = threading.Lock()
        with self._guard:
            if self._queue:
                turn.acquire()
            self._queue.append(turn)
        return turn

    def leave(self) -> None:
        """Let the next one in."""
        with self._guard:
            self._queue.popleft()
            if self._queue:
                self._queue[0].release()


class Way:
    """The way of one micro-batch: it is in one lane at a time. For one thread, but for the first turn."""

    def __init__(self, first: Lane, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Take the last turn in the first lane; `is_over` says that no further lane must be entered."""
        self._lane = first
        self._turn: threading.Lock | None = first.queue()
        self._is_over = is_over
        self._lap: Lap | None = None
        self._began = self._worked = 0.0
        self.laps: dict[Step, Lap] = {}
        """What the steps took, waiting for lanes left out."""

    def enter(self, lane: Lane, step: Step | None = None) -> None:
        """Go on in this lane, once all that queued there before have left it; what follows is timed as the step.

        The turn in it is taken before the last lane is left, so nobody overtakes. The first lane is where the way
        began. Raises CancelledError if nobody waits for the end of the way any more.
        """
        self._end_lap()
        self._wait()
        if lane is not self._lane:
            turn = lane.queue()
            self._lane.leave()
            self._lane, self._turn = lane, turn
            self._wait()
        if self._is_over():
            raise asyncio.CancelledError
        if step is not None:
            self._lap = self.laps.setdefault(step, Lap())

    def stop_timing(self) -> None:
        """Count what follows in this lane for no step."""
        self._end_lap()

    def end(self) -> None:
        """Leave the last lane; to be called whatever happened."""
        if self._lap is not None:
            self._end_lap()
        self._wait()
        self._lane.leave()

    def _wait(self) -> None:
        if self._turn is None:
            return
        if not self._turn.acquire(blocking=False):
            self._turn.acquire()
            self._began, self._worked = time.perf_counter(), time.thread_time()
        self._turn = None

    def _end_lap(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        if self._lap is not None:
            self._lap.wall += now - self._began
            self._lap.cpu += worked - self._worked
            self._lap = None
        self._began, self._worked = now, worked


class Ways:
    """The threads that take micro-batches their way.

    No way waits for a thread: those that have one might wait for it in a lane, behind its turn. So one is made where
    none is idle, and whoever begins ways bounds their number.
    """

    def __init__(self, meter: Callable[[Mapping[Step, Lap]], None] = lambda _laps: None) -> None:
        """`meter` hears of the laps of every way at its end, in its thread."""
        self._meter = meter
        self._threads: list[_Thread] = []
        self._idle: list[_Thread] = []
        self.closed = threading.Event()

    def follow(
        self, first: Lane, go: Callable[Concatenate[Way, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Call `go` with a way that begins in the lane `first`, in a thread; the future has what it returns.

        The turn in the first lane is taken here, where ways begin in order: ways that lead through the same lanes go
        through each of them in the order in which they were begun. When the future is cancelled, or the lanes are
        closed, no further lane is entered; what the way does in its last one is finished.
        """
        if self.closed.is_set():
            raise RuntimeError("No way can be begun: the threads were told to end.")
        loop = asyncio.get_running_loop()
        end: asyncio.Future[T] = loop.create_future()
        way = Way(first, is_over=lambda: self.closed.is_set() or end.cancelled())

        def walk() -> None:
            try:
                tell = partial(_succeed, end, self.walk(way, go, *args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits for the end must hear of it
                tell = partial(_fail, end, error)
            with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
                loop.call_soon_threadsafe(tell)

        self._thread().walks.put(walk)
        return end

    def run(self, lane: Lane, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Make one call in a lane; the future has what it returns."""

        def go(way: Way) -> T:
            way.enter(lane)
            return call(*args, **kwargs)

        return self.follow(lane, go)

    def walk(self, way: Way, go: Callable[Concatenate[Way, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Take a way to its end in the thread that asks, and put its laps on the meter."""
        try:
            return go(way, *args, **kwargs)
        finally:
            way.end()
            self._meter(way.laps)

    def close(self) -> None:
        """Let what ways do in their lanes finish, and let them enter no other."""
        self.closed.set()
        for thread in self._threads:
            thread.walks.put(None)
        for thread in self._threads:
            thread.join()

    def _thread(self) -> _Thread:
        """Return the thread that was idle last, whose memory is warm, or a new one."""
        if self._idle:
            return self._idle.pop()
        thread = _Thread(self._idle, name=f"way-{len(self._threads)}")
        self._threads.append(thread)
        return thread


class _Thread(threading.Thread):
    """Takes one way after the other; between them it is in the list of those that are idle."""

    def __init__(self, idle: list[_Thread], *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.walks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = idle
        self.start()

    def run(self) -> None:
        while (walk := self.walks.get()) is not None:
            walk()
            self._idle.append(self)


def _succeed(end: asyncio.Future[T], returned: T) -> None:
    if not end.done():  # cancelled
        end.set_result(returned)


def _fail(end: asyncio.Future[Any], error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        end.cancel()
    elif not end.done():
        # No future takes a StopIteration: it would end whoever awaits it as if all were well.
        end.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)
