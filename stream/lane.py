"""A lane runs blocking calls one after the other in a thread of its own, so a stage keeps micro-batch order.

A way leads through lanes, step by step. From one lane to the next it goes without the event loop, which hears of its
end only: a stop there costs two wake-ups of a thread and a turn of the loop, with the interpreter's lock wanted by all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, NamedTuple, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Step(NamedTuple):
    """A call that a way waits for."""

    lane: Lane
    call: Callable[[], Any]


Way: TypeAlias = Generator[Step, Any, T]
"""Yields steps, is sent what each of them returned or thrown what it raised, and returns what comes of it all."""


class Lane:
    """One thread and its queue: what is submitted first runs first, a failure does not stop what follows."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def step(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Step:
        """Return a call in this lane, for a way to yield."""
        return Step(self, partial(call, *args, **kwargs))

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in the lane and return what it returns."""
        return await asyncio.wrap_future(self.submit(partial(call, *args, **kwargs)))

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Let a call run when all before it are done."""
        return self._executor.submit(call)

    def close(self) -> None:
        """Let what is running finish; what waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


async def follow(way: Way[T]) -> T:
    """Take a way to its end and return what it returns; its code between two steps runs in the lane of the first.

    Steps that several ways take in the same lanes keep the order in which the ways were begun. When the caller is
    cancelled, no further step is begun.
    """
    walk = _Walk(way)
    walk.go_on(partial(next, way))
    return await asyncio.wrap_future(walk.end)


class _Walk(Generic[T]):
    """Somebody on a way: in one lane at a time."""

    def __init__(self, way: Way[T]) -> None:
        self._way = way
        self.end: Future[T] = Future()

    def go_on(self, to_next: Callable[[], Step]) -> None:
        """Find the next step and queue for its lane, or end."""
        try:
            step = to_next()
            step.lane.submit(partial(self._take, step.call))
        except StopIteration as stop:
            if self.end.set_running_or_notify_cancel():
                self.end.set_result(stop.value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits for the end must hear of it
            if self.end.set_running_or_notify_cancel():
                self.end.set_exception(error)

    def _take(self, call: Callable[[], Any]) -> None:
        if self.end.cancelled():
            self._way.close()
            return
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - the way decides
            self.go_on(partial(self._way.throw, error))
        else:
            self.go_on(partial(self._way.send, result))
