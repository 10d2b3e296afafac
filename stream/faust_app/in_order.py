"""The loop of an agent: micro-batches may overlap, their acknowledgements may not."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stream.kafka.fetch import Fetch


class FetchEvent(Protocol):
    """A Faust event whose value is a fetch."""

    @property
    def value(self) -> Fetch:
        """The fetch."""

    def ack(self) -> bool:
        """Declare all its effects done."""


async def work_in_order(
    events: AsyncIterator[FetchEvent], process: Callable[[Fetch], Awaitable[None]], *, in_flight: int
) -> None:
    """Process fetches as they come, at most `in_flight` at a time, and acknowledge each one after all before it.

    Returns when the events have ended and all work is done. A fetch that fails ends it with its exception, and stays
    unacknowledged like all after it. Whatever is still at work then, or when it is cancelled, is cancelled.
    """
    order = _Order(process)
    try:
        async for event in events:
            order.begin(event)
            await order.until_at_work(in_flight - 1)
        await order.until_at_work(0)
    except asyncio.CancelledError:
        if order.failure is None:
            raise
        raise order.failure from None
    finally:
        await order.abandon()


class _Order:
    """What is at work, in the order in which it was begun. A callback sees to its end: a task that waits costs more."""

    def __init__(self, process: Callable[[Fetch], Awaitable[None]]) -> None:
        self._process = process
        self._at_work: deque[tuple[FetchEvent, asyncio.Future[None]]] = deque()
        self._agent = asyncio.current_task()
        self._fewer: asyncio.Future[None] | None = None
        self.failure: BaseException | None = None
        """What one has failed with; the agent was cancelled then, wherever it waits."""

    def begin(self, event: FetchEvent) -> None:
        work = asyncio.ensure_future(self._process(event.value))
        self._at_work.append((event, work))
        work.add_done_callback(self._ended)

    async def until_at_work(self, most: int) -> None:
        """Wait until at most so many are at work."""
        while len(self._at_work) > most:
            self._fewer = asyncio.get_running_loop().create_future()
            await self._fewer

    async def abandon(self) -> None:
        """Cancel what is at work."""
        abandoned = [work for _, work in self._at_work]
        self._at_work.clear()
        for work in abandoned:
            work.cancel()
        await asyncio.gather(*abandoned, return_exceptions=True)

    def _ended(self, work: asyncio.Future[None]) -> None:
        failure = asyncio.CancelledError() if work.cancelled() else work.exception()
        if failure is not None:
            self._fail(failure)
        while self._at_work and self.failure is None and self._at_work[0][1].done():
            self._at_work.popleft()[0].ack()
        if self._fewer is not None and not self._fewer.done():
            self._fewer.set_result(None)

    def _fail(self, failure: BaseException) -> None:
        """End the agent, even while an older fetch is still at work."""
        if self._at_work and self.failure is None and self._agent is not None:
            self.failure = failure
            self._agent.cancel()


def unless(
    forgotten: Callable[[Fetch], bool], process: Callable[[Fetch], Awaitable[None]]
) -> Callable[[Fetch], Awaitable[None]]:
    """Return `process` for fetches that are not forgotten; it never comes back from one that is.

    Faust may hand a last fetch to an agent after its queues were cleared for the stop. The drain does not wait for it,
    so its records would have some of their effects and no commit. Not to come back leaves it, and all after it,
    unacknowledged until the agent is cancelled.
    """

    def guarded(fetch: Fetch) -> Awaitable[None]:
        return asyncio.get_running_loop().create_future() if forgotten(fetch) else process(fetch)

    return guarded
