"""Calls on schedule (open loop): each is begun when it is due, whatever became of those before it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

MOST_OPEN: Final = 2_000
"""Calls that may be open at once; further ones wait, and their waiting counts."""


async def on_schedule(
    call: Callable[[float], Coroutine[None, None, object]],
    began: float,
    end: float,
    rate: float,
    late: Callable[[float, float], None],
    *,
    goes_on: Callable[[], bool] = lambda: True,
) -> None:
    """Make `rate` calls a second from `began` until `end` (`time.perf_counter`), and wait for the last ones.

    `call` gets the time at which it is due. `late` gets that time, and by how many seconds the call was begun later.
    """
    open_calls: set[asyncio.Task[object]] = set()
    number = 0
    while (due := began + number / rate) < end and goes_on():
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        while len(open_calls) >= MOST_OPEN:
            await asyncio.wait(open_calls, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(call(due))
        open_calls.add(task)
        task.add_done_callback(open_calls.discard)
        late(due, max(0.0, time.perf_counter() - due))
        number += 1
    if open_calls:
        await asyncio.wait(open_calls)
