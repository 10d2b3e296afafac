"""Both parts on one stack that is started for them: beside the stream first, which warms the broker up."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.loops import AT_ONCE
from bench.over_http import NAMES, beside, stream
from bench.over_http.payments import POOL, published, read_back, remember
from bench.over_http.stack import ApiStack
from bench.parts import Part
from bench.whole import fresh, span
from stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; by default under three minutes on two quiet cores."""

    payers: int = 10_000
    history: int = 40_000
    """Payments before, of these payers."""
    stream_seconds: float = 15.0
    crowd_seconds: float = 8.0
    beside: beside.Sizes = field(default_factory=beside.Sizes)


QUICK = Sizes(
    payers=4_000,
    history=12_000,
    stream_seconds=4.0,
    crowd_seconds=3.0,
    beside=beside.Sizes(rates=(50.0,), seconds=4.0, warm_up=1.0, idle=2.0),
)


class ApiBench:
    """The parts; all share one stack, which is started by the first of them that runs."""

    def __init__(self, sizes: Sizes, say: Callable[[str], None]) -> None:
        self._sizes, self._say = sizes, say
        self._open = ExitStack()
        self._stack: ApiStack | None = None
        self._pool: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def parts(self, only: list[str] | None = None) -> list[Part]:
        """Return the parts that are wanted, in the order of NAMES."""
        sizes = self._sizes
        every = [
            Part(
                NAMES[0],
                f"{stream.CALLS:.0f} calls/s beside {stream.STREAM:,.0f}/s on the topic",
                lambda: stream.measure(self.stack(), self._pool, sizes.stream_seconds, sizes.payers, self._say),
            ),
            Part(
                NAMES[1],
                f"{stream.CALLERS} callers in a closed loop",
                lambda: stream.crowd(self.stack(), self._pool, sizes.crowd_seconds, self._say),
            ),
            Part(NAMES[2], "the API beside the plain handler", self._beside),
        ]
        return [part for part in every if only is None or part.name in only]

    def stack(self) -> ApiStack:
        """Return the stack with its worker, and the history in it."""
        if self._stack is None:
            sizes = self._sizes
            calendar = span(sizes.history, sizes.payers)
            bench = self._open.enter_context(fresh(sizes.payers, calendar=calendar))
            directory = self._open.enter_context(tempfile.TemporaryDirectory(prefix="upifraud-bench-http-"))
            bench.start_worker()
            bench.switch(sizes.history, AT_ONCE).finish()
            bench.wait_for(sizes.history)
            self._pool = published(bench.kafka.bootstrap_servers, Settings().topic_transactions, bench.partitions)[
                -POOL:
            ]
            self._stack = ApiStack(bench, Path(directory))
        if not self._stack.bench.has_workers:
            self._stack.bench.start_worker()
        return self._stack

    def _beside(self) -> dict[str, Any]:
        stack, began = self.stack(), time.monotonic()
        remember(stack.plain_redis_url, *read_back(stack.bench.kafka.bootstrap_servers, stack.bench.partitions))
        self._say(f"the plain handler's sorted sets have the history after {time.monotonic() - began:.0f} s")
        rows = beside.measure(stack, self._pool, self._sizes.beside, self._say)
        return {"rounds": rows, "medians": beside.medians(rows)}
