"""One load test over HTTP: payments posted on schedule or by callers in a loop, and how they were answered.

The client is aiohttp, which Faust brings along. On schedule (open loop) a post's time counts from when it was due, so
what waits behind a slow answer is not left out. Callers in a loop each wait for their answer before they post again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
import numpy as np

from upifraud.load.schedule import MOST_OPEN, on_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER_SECONDS: Final = 15.0
"""Longer than the longest deadline of the API."""

POOL, POOL_A_PAYER = 20_000, 5
"""Simulated payments, at most, that are posted in turn, each time under a new id and at the time of its post."""

NO_ANSWER: Final = "no answer"


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """How much, for how long, and where to; one of rate and vus."""

    url: str
    key: str = field(repr=False)
    rate: float | None
    vus: int | None
    seconds: float
    warm_up: float
    """Seconds of the same load before anything is measured."""
    deadline_ms: int | None
    payers: int
    seed: int


@dataclass(frozen=True, slots=True)
class HttpMeasured:
    """What a load test over HTTP came to, the warm-up left out."""

    asked_rate: float | None
    vus: int | None
    rate: float
    """Posts answered a second."""
    posted: int
    statuses: dict[str, int]
    """Posts by the status of their answer, or by `no answer`."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    """Of answers of any status; None if there was none."""
    most_ms: float | None
    late_p99_ms: float | None
    """How late posts on schedule were begun: a rate that this client cannot keep says nothing of the API."""
    stopped: bool = False


def run(load: HttpLoad, moved: Callable[[int], None], stops: Callable[[Callable[[], None]], None]) -> HttpMeasured:
    """Post until the time is over; moved gets the seconds so far, stops a function that ends it early."""
    poster = _Poster(load, _bodies(load), moved)
    stops(poster.stop)
    asyncio.run(poster.run())
    return poster.measured()


class _Poster:
    def __init__(self, load: HttpLoad, bodies: Iterator[bytes], moved: Callable[[int], None]) -> None:
        self._load = load
        self._bodies = bodies
        self._moved = moved
        self._query = {} if load.deadline_ms is None else {"deadline_ms": str(load.deadline_ms)}
        self._statuses: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._late: list[float] = []
        self._measured_from = 0.0
        self._ended = 0.0
        self._stopping = False
        self._session: aiohttp.ClientSession

    def stop(self) -> None:
        """Begin no further post."""
        self._stopping = True

    async def run(self) -> None:
        """Post, and wait for the last answers."""
        headers = {"Authorization": f"Bearer {self._load.key}", "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=MOST_OPEN)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            self._session = session
            began = time.perf_counter()
            self._measured_from = began + self._load.warm_up
            end = self._measured_from + self._load.seconds
            if self._load.rate is None:
                await asyncio.gather(*(self._caller(end) for _ in range(self._load.vus or 1)))
            else:
                await on_schedule(self._post, began, end, self._load.rate, self._note_late, goes_on=self._goes_on)
            self._ended = min(time.perf_counter(), end)

    def measured(self) -> HttpMeasured:
        """Return what came of it."""
        times = np.array(self._seconds) * 1e3
        p50, p95, p99, most = np.quantile(times, (0.5, 0.95, 0.99, 1.0)).tolist() if times.size else (None,) * 4
        answered = self._statuses.total() - self._statuses[NO_ANSWER]
        lasted = max(self._ended - self._measured_from, 1e-9)
        return HttpMeasured(
            asked_rate=self._load.rate,
            vus=self._load.vus,
            rate=answered / lasted if answered else 0.0,
            posted=self._statuses.total(),
            statuses={status: count for status, count in sorted(self._statuses.items()) if count},
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            most_ms=most,
            late_p99_ms=float(np.quantile(self._late, 0.99)) * 1e3 if self._late else None,
            stopped=self._stopping,
        )

    async def _caller(self, end: float) -> None:
        while (now := time.perf_counter()) < end and self._goes_on():
            if await self._post(now) is None:
                await asyncio.sleep(0.1)  # nobody is there: a caller that tries at once would only take the CPU

    def _goes_on(self) -> bool:
        return not self._stopping

    def _note_late(self, due: float, seconds: float) -> None:
        if due >= self._measured_from:
            self._late.append(seconds)

    async def _post(self, begun: float) -> str | None:
        """Post the next payment and note the answer; None without one."""
        status: str | None = None
        try:
            async with self._session.post(
                self._load.url, params=self._query, data=next(self._bodies), allow_redirects=False
            ) as answer:
                await answer.read()
                status = str(answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass  # counted as no answer, below
        if begun >= self._measured_from:
            self._statuses[status or NO_ANSWER] += 1
            if status is not None:
                self._seconds.append(time.perf_counter() - begun)
        self._moved(int(time.perf_counter() - self._measured_from + self._load.warm_up))
        return status


def _bodies(load: HttpLoad) -> Iterator[bytes]:
    """Yield payments of simulated people for ever; each has an id of its own and the time at which it is asked for."""
    from simulator.parameters import Parameters
    from simulator.records import TRANSACTIONS
    from simulator.run import Extent, Extras, compressed

    now_ms = int(time.time() * 1000)
    made = compressed(
        Parameters(seed=load.seed, payers=load.payers),
        Extent(min(POOL, POOL_A_PAYER * load.payers)),
        None,
        now_ms,
        Extras(),
    )
    payments: list[dict[str, Any]] = [
        msgspec.json.decode(value)
        for records in made.records
        for topic, value in zip(records.topic.tolist(), records.values, strict=True)
        if topic == TRANSACTIONS and value is not None
    ]
    encode, mark = msgspec.json.encode, f"load-{now_ms:x}"
    return (
        encode(payment | {"transaction_id": f"{mark}-{number}", "event_time": int(time.time() * 1000)})
        for number, payment in enumerate(cycle(payments))
    )
