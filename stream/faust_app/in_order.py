"""The loop of an agent: micro-batches may overlap, their acknowledgements may not."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

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
    at_work: deque[tuple[FetchEvent, asyncio.Future[None]]] = deque()
    following: asyncio.Future[FetchEvent] | None = None
    ended = False

    def left() -> list[asyncio.Future[Any]]:
        return [*(work for _, work in at_work), *([] if following is None else [following])]

    try:
        while at_work or not ended:
            if following is None and not ended and len(at_work) < in_flight:
                following = asyncio.ensure_future(anext(events))
            await asyncio.wait(left(), return_when=asyncio.FIRST_COMPLETED)
            for _, work in at_work:
                if work.done():
                    work.result()  # a failure ends the loop even while an older fetch is still at work
            while at_work and at_work[0][1].done():
                at_work.popleft()[0].ack()
            if following is not None and following.done():
                try:
                    event, following = following.result(), None
                except StopAsyncIteration:
                    ended, following = True, None
                else:
                    at_work.append((event, asyncio.ensure_future(process(event.value))))
    finally:
        abandoned = left()
        for work in abandoned:
            work.cancel()
        await asyncio.gather(*abandoned, return_exceptions=True)


def unless(
    forgotten: Callable[[Fetch], bool], process: Callable[[Fetch], Awaitable[None]]
) -> Callable[[Fetch], Awaitable[None]]:
    """Return `process` for fetches that are not forgotten; it never comes back from one that is.

    Faust may hand a last fetch to an agent after its queues were cleared for the stop. The drain does not wait for it,
    so its records would have some of their effects and no commit. Not to come back leaves it, and all after it,
    unacknowledged until the agent is cancelled.
    """

    async def guarded(fetch: Fetch) -> None:
        if forgotten(fetch):
            await asyncio.get_running_loop().create_future()
        await process(fetch)

    return guarded
