"""One load test: payments that are made as they are published, and what the workers made of them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upifraud.load.thresholds import Measured
from upifraud.load.workers import Fleet, Lookout, SilentWorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.settings import Settings

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """How much, for how long, and by whom."""

    rate: float
    seconds: float
    warm_up: float
    """Seconds of the same load before anything is measured."""
    patience: float
    """Seconds that the workers have after the last payment."""
    payers: int
    seed: int


def run(
    load: Load,
    settings: Settings,
    conf: Mapping[str, Any],
    lookout: Lookout,
    moved: Callable[[int], None],
    stops: Callable[[Callable[[], None]], None],
) -> Measured:
    """Publish, wait until the workers are done or patience ends, and return what was measured.

    moved gets the payments sent so far; stops is given a function that ends the publishing early. Raises
    SimulatorError where Kafka does not take the payments, SilentWorkerError where a worker is not there.
    """
    from simulator.kafka import Outlet
    from simulator.parameters import Parameters
    from simulator.publisher import Publisher
    from simulator.run import Extent, Extras, in_real_time

    topics = (settings.topic_transactions, settings.topic_outcomes)
    outlet = Outlet(conf)
    outlet.check(topics)
    payments = max(1, round(load.rate * (load.warm_up + load.seconds)))
    made = in_real_time(
        Parameters(seed=load.seed, payers=load.payers), Extent(payments), load.rate, _clock_ms, Extras()
    )
    began = lookout.look()
    publisher = Publisher(outlet, topics, moved)
    stops(publisher.stop)
    warm: list[Fleet] = []
    timer = threading.Timer(load.warm_up, _warmed, (lookout, warm))
    timer.daemon = True
    timer.start()
    try:
        summary = publisher.publish(made.records, made.schedule)
    finally:
        timer.cancel()
    published = summary.payments - summary.failed
    ended = _wait(lookout, began.consumed + published, load.patience)
    latency = ended.latency_since(warm[0] if warm else began)
    p50, p99 = latency.quantile(0.5), latency.quantile(0.99)
    return Measured(
        asked_rate=load.rate,
        rate=summary.rate,
        published=published,
        done=ended.consumed - began.consumed,
        dead_letters=ended.dead_letters - began.dead_letters,
        failed=summary.failed,
        p50_ms=None if p50 is None else p50 * 1e3,
        p99_ms=None if p99 is None else p99 * 1e3,
        lag=lookout.lag,
        lag_seconds=lookout.lag_seconds,
        late_p99_ms=summary.lateness_p99_ms,
        restarts=lookout.restarts,
        stopped=summary.stopped,
    )


def _warmed(lookout: Lookout, warm: list[Fleet]) -> None:
    try:
        warm.append(lookout.look())
    except SilentWorkerError:
        return  # measured from the beginning then
    lookout.forget()


def _wait(lookout: Lookout, consumed: int, patience: float) -> Fleet:
    deadline = time.monotonic() + patience
    while True:
        fleet = lookout.look()
        if fleet.consumed >= consumed or time.monotonic() > deadline:
            return fleet
        time.sleep(POLL_SECONDS)


def _clock_ms() -> int:
    return int(time.time() * 1000)
