"""All curves, one after the other; small by default, `full` to the end of the scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.growth import logs, models
from bench.growth.curve import Curve, Point
from bench.loops import burst, drain
from bench.whole import fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.run import Run
    from bench.whole import Bench


def curve_of_workers(bench: Bench, counts: Sequence[int], *, payments: int, say: Callable[[str], None]) -> Curve:
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


def curve_of_micro_batches(bench: Bench, payments: Mapping[int, int], *, say: Callable[[str], None]) -> Curve:
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


KINDS = ("payments per entity", "entities", "trees", "depth", "workers", "micro-batch")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Where each curve is measured."""

    rounds: int = 5
    per_day: Sequence[int] = (100, 1_000, 10_000, 100_000, 1_000_000)
    entities: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000)
    trees: Sequence[int] = (25, 50, 100, 200)
    depths: Sequence[int] = (3, 4, 5, 6, 8)
    workers: Sequence[int] = (1, 2, 4)
    shared_backlog: int = 120_000
    """Many times what all workers have in flight, which is counted as done all at once."""
    backlog: int = 40_000
    micro_batches: Mapping[int, int] = field(
        default_factory=lambda: {16: 4_000, 128: 16_000, 512: 30_000, 2_048: 40_000}
    )
    payers: int = 20_000


FULL = Sizes(
    rounds=9,
    entities=(1_000, 10_000, 100_000, 1_000_000, 5_000_000),
    trees=(25, 50, 100, 200, 400),
    depths=(3, 4, 5, 6, 7, 8, 9, 10),
    workers=(1, 2, 3, 4),
    shared_backlog=240_000,
    backlog=120_000,
    micro_batches={1: 2_000, 4: 6_000, 16: 15_000, 64: 40_000, 256: 80_000, 1_024: 120_000, 4_096: 120_000},
)
TINY = Sizes(
    rounds=1,
    per_day=(100, 1_000),
    entities=(300, 3_000),
    trees=(2, 4),
    depths=(2, 3),
    workers=(1, 2),
    shared_backlog=24_000,
    backlog=24_000,
    micro_batches={64: 6_000},
    payers=500,
)


def curves(sizes: Sizes, say: Callable[[str], None]) -> dict[str, Callable[[], Curve]]:
    """Return what measures each curve, by its name; each starts the servers that it needs."""

    def workers() -> Curve:
        with fresh(sizes.payers) as bench:
            drain(bench, sizes.backlog)  # warms the broker
            return curve_of_workers(bench, sizes.workers, payments=sizes.shared_backlog, say=say)

    def micro_batches() -> Curve:
        with fresh(sizes.payers) as bench:
            drain(bench, sizes.backlog // 2)
            return curve_of_micro_batches(bench, sizes.micro_batches, say=say)

    return {
        "payments per entity": lambda: logs.busy(sizes.per_day, rounds=sizes.rounds, say=say),
        "entities": lambda: logs.entities(sizes.entities, rounds=sizes.rounds, say=say),
        "trees": lambda: models.trees(sizes.trees, rounds=sizes.rounds, say=say),
        "depth": lambda: models.depths(sizes.depths, rounds=sizes.rounds, say=say),
        "workers": workers,
        "micro-batch": micro_batches,
    }
