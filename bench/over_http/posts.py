"""Posts on schedule or by callers in a loop, and how they were answered; arrays are counted by their items.

On schedule (open loop) a call's time counts from when it was due. The CPU of the servers is read when the warm-up is
over and once the last call is answered, with the calls answered at either moment.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from upifraud.load.schedule import MOST_OPEN, on_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NO_ANSWER = "no answer"
ANSWER_SECONDS = 15.0
FINAL = "200"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, for how long, and where to; one of rate and callers."""

    url: str
    size: int = 1
    """Payments of a call; more than one go in an array."""
    rate: float | None = None
    """Calls a second."""
    callers: int | None = None
    seconds: float = 8.0
    warm_up: float = 2.0
    deadline_ms: int | None = None
    key: str | None = field(default=None, repr=False)


class Answered(NamedTuple):
    """One call."""

    due: float
    seconds: float
    statuses: Sequence[str]
    """Of its payments."""


@dataclass(frozen=True, slots=True)
class Posted:
    """How calls were answered that were due after the warm-up."""

    calls: int
    payments: int
    seconds: float
    """From the first look at the CPU to the last."""
    statuses: dict[str, int]
    """Payments by the status of their answer, or by `no answer`."""
    ms: dict[str, float]
    """Quantiles of all calls."""
    final_ms: dict[str, float]
    """Quantiles of the calls of which every payment has its final verdict."""
    late_p99_ms: float
    """How late calls on schedule were begun: a rate that this client cannot keep says nothing of the server."""
    us: dict[str, float]
    """CPU microseconds a call, by process."""
    cores: dict[str, float]

    @property
    def final_share(self) -> float:
        """Share of the payments that have their final verdict."""
        return self.statuses.get(FINAL, 0) / max(1, self.payments)

    @property
    def rate(self) -> float:
        """Calls answered a second."""
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class Used:
    """What processes have used until a moment, and the calls that were answered by then."""

    at: float
    answered: int
    cpu: dict[str, float]
    """CPU seconds by process."""


def counted(answers: Sequence[Answered], late: Sequence[float], begin: float, first: Used, last: Used) -> Posted:
    """Put together what came of the calls that were due from `begin` on, and what they cost.

    Cost is that of the calls answered between the two looks, wherever they were due.
    """
    measured = [one for one in answers if one.due >= begin]
    statuses = Counter(status for one in measured for status in one.statuses)
    final = [one.seconds for one in measured if set(one.statuses) == {FINAL}]
    seconds, calls = max(last.at - first.at, 1e-9), max(1, last.answered - first.answered)
    used = {name: cpu - first.cpu.get(name, 0.0) for name, cpu in last.cpu.items()}
    return Posted(
        calls=len(measured),
        payments=statuses.total(),
        seconds=seconds,
        statuses=dict(sorted(statuses.items())),
        ms=quantiles([one.seconds for one in measured if NO_ANSWER not in one.statuses]),
        final_ms=quantiles(final),
        late_p99_ms=float(np.quantile(late, 0.99)) * 1e3 if len(late) else 0.0,
        us={name: cpu / calls * 1e6 for name, cpu in used.items()},
        cores={name: cpu / seconds for name, cpu in used.items()},
    )


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return quantiles in ms; none of nothing."""
    if not seconds:
        return {}
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: float(np.quantile(seconds, share)) * 1e3 for name, share in shares.items()}


def statuses_of(status: int, body: bytes, size: int) -> list[str]:
    """Return the status of every payment of a call: an array's are in its body."""
    if size == 1 or status != 200:
        return [str(status)] * size
    return [str(item.get("status", status)) for item in msgspec.json.decode(body)]


def run(plan: Plan, bodies: Iterator[bytes], cpu: Callable[[], dict[str, float]]) -> Posted:
    """Post until the time is over; `cpu` returns the CPU seconds of every process that is measured."""
    return asyncio.run(_Poster(plan, bodies, cpu).run())


class _Poster:
    def __init__(self, plan: Plan, bodies: Iterator[bytes], cpu: Callable[[], dict[str, float]]) -> None:
        self._plan, self._bodies, self._cpu = plan, bodies, cpu
        self._answers: list[Answered] = []
        self._late: list[float] = []
        self._query = {} if plan.deadline_ms is None else {"deadline_ms": str(plan.deadline_ms)}
        self._session: Any

    async def run(self) -> Posted:
        import aiohttp

        plan = self._plan
        headers = {"Content-Type": "application/json"}
        if plan.key is not None:
            headers["Authorization"] = f"Bearer {plan.key}"
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_OPEN), headers=headers, timeout=timeout
        ) as self._session:
            began = time.perf_counter()
            begin = began + plan.warm_up
            first = asyncio.create_task(self._look_at(begin))
            if plan.rate is None:
                await asyncio.gather(*(self._caller(begin + plan.seconds) for _ in range(plan.callers or 1)))
            else:

                def note_late(due: float, seconds: float) -> None:
                    if due >= begin:
                        self._late.append(seconds)

                await on_schedule(self._post, began, begin + plan.seconds, plan.rate, note_late)
            last = await self._look_at(0.0)
        return counted(self._answers, self._late, begin, await first, last)

    async def _look_at(self, due: float) -> Used:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answered = len(self._answers)
        return Used(time.perf_counter(), answered, await asyncio.to_thread(self._cpu))

    async def _caller(self, end: float) -> None:
        while (now := time.perf_counter()) < end:
            await self._post(now)

    async def _post(self, due: float) -> None:
        import aiohttp

        plan, statuses = self._plan, [NO_ANSWER] * self._plan.size
        try:
            async with self._session.post(plan.url, params=self._query, data=next(self._bodies)) as answer:
                statuses = statuses_of(answer.status, await answer.read(), plan.size)
        except (aiohttp.ClientError, OSError, TimeoutError):
            await asyncio.sleep(0.1)  # counted as no answer; a caller that tries at once would only take the CPU
        self._answers.append(Answered(due, time.perf_counter() - due, statuses))
