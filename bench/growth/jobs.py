"""Growth of the whole job: several workers, and micro-batches of several sizes, each on a backlog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.growth.curve import Curve, Point
from bench.loops import burst, drain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.run import Run
    from bench.whole import Bench


def workers(bench: Bench, counts: Sequence[int], *, payments: int, say: Callable[[str], None]) -> Curve:
    """Let more workers share the partitions, on this one machine: what sharing costs, not what more machines give."""
    points = []
    for count in counts:
        bench.stop_worker()
        bench.start_worker(count)
        bench.wait_shared()
        points.append(_point(count, burst(bench, payments)))
        say(points[-1].line())
    about = "all workers together, on one machine; its cores do not grow with them"
    return Curve("workers", "workers", points, about, logarithmic=False)


def micro_batches(bench: Bench, payments: Mapping[int, int], *, say: Callable[[str], None]) -> Curve:
    """Let a micro-batch hold so many payments at most; `payments`: of the backlog, by that size."""
    points = []
    for size, count in payments.items():
        run = drain(bench, count, settings={"UPIFRAUD_MICRO_BATCH_RECORDS": str(size)})
        points.append(_point(size, run))
        say(points[-1].line())
    return Curve("micro-batch", "payments of a micro-batch at most", points, "the whole job on a backlog, one worker")


def _point(x: int, run: Run) -> Point:
    us = {name: cost for name, cost in run.us.items() if name in {"worker", "redis", "postgres", "kafka"}}
    stored = {f"{name.capitalize()} bytes a payment": size for name, size in run.stored.items()}
    return Point(x, us, {"payments/s": run.rate, **stored})
