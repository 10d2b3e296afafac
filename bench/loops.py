"""The two ways to load the whole job: a backlog that is worked off, and a schedule that nothing holds up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg

from bench import latency
from bench.run import Run, between, slices
from bench.whole import LINGER_MS, OBSERVER_SECONDS
from stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bench.whole import Bench

AT_ONCE = 200_000.0
"""Payments a second: as fast as the broker takes them."""
MADE_A_SECOND = 5_000
"""Payments that the switch makes at least, on the slowest of machines."""


WARM_RATE, WARM_SECONDS = 2_000.0, 60.0
"""Payments a second, and for how long: the broker's compilers fill half a core for a minute after its start."""


def warm(bench: Bench, seconds: float = WARM_SECONDS) -> None:
    """Let the broker compile what single small batches take; a backlog, in large ones, leaves that cold."""
    began, payments = bench.consumed(), int(WARM_RATE * seconds)
    bench.switch(payments, WARM_RATE).finish(seconds + 300)
    bench.wait_for(began + payments)


def settle(bench: Bench, payments: int, patience: float = 300.0) -> None:
    """Let a worker that was just started work off so many payments: it then has the logs of who pays often."""
    began = bench.consumed()
    bench.switch(payments, AT_ONCE).finish()
    bench.wait_for(began + payments, patience)


def drain(bench: Bench, payments: int, *, settings: Mapping[str, str] = {}) -> Run:
    """Publish a backlog while the worker is away, then measure how fast it is worked off, after a third of it."""
    bench.stop_worker()
    bench.switch(payments, AT_ONCE).finish(max(300, payments / MADE_A_SECOND))
    bench.start_worker(settings=settings)
    return _worked_off(bench, 0, payments)


def burst(bench: Bench, payments: int) -> Run:
    """Publish a backlog at once to workers that wait for it, and measure as `drain` does.

    Several workers that start with a backlog there take their shares one after the other: the first would be through
    before the last is ready.
    """
    began = bench.consumed()
    switch = bench.switch(payments, AT_ONCE)
    run = _worked_off(bench, began, payments)
    switch.finish()
    return run


def _worked_off(bench: Bench, began: float, payments: int) -> Run:
    bench.wait_for(began + payments // 3)
    first = bench.look()
    bench.wait_for(began + payments * 9 // 10)  # while it is still behind: the end of a backlog is not at full speed
    last = bench.look()
    if last.consumed - first.consumed < payments / 10:
        raise RuntimeError(f"{payments:,} payments were done before they could be measured: use more (--payments).")
    run = between("backlog", first, last)
    run.memory = bench.memory()
    bench.wait_for(began + payments)
    return run


def open_loop(
    bench: Bench,
    rate: float,
    seconds: float,
    *,
    warm_up: float = 3.0,
    observed: bool = False,
    patience: float = 120.0,
    linger_ms: float = LINGER_MS,
    look_seconds: float = OBSERVER_SECONDS,
    options: Sequence[str] = (),
) -> Run:
    """Publish on schedule, whatever the worker does, and measure from the scheduled time on, behind the warm-up.

    With `observed` the observer runs beside and its histograms are of every payment scheduled in that time. Where the
    worker does not keep up, what waits is worked off within `patience` seconds, so that the next run begins afresh.
    `look_seconds`: between two looks of the observer; `options`: more of `upifraud simulate`.
    """
    began = bench.consumed()
    payments = int(rate * (warm_up + seconds + 1))
    begin = (
        latency.ends(bench.kafka.bootstrap_servers, Settings().topic_transactions, bench.partitions) if observed else {}
    )
    observer = bench.observer(payments, look_seconds) if observed else None
    switch = bench.switch(payments, rate, linger_ms, options)
    bench.wait_for(began + 1, max(300, payments / MADE_A_SECOND))  # making the payments comes first
    time.sleep(warm_up)
    looks = [first := bench.look()]
    while looks[-1].at < first.at + seconds - 1:
        time.sleep(min(5.0, max(0.0, first.at + seconds - 1 - time.monotonic())))
        looks.append(bench.look())
    run = between(f"open loop {rate:.0f}/s", first, looks[-1])
    run.lags = [(look.at - first.at, look.lag) for look in looks]
    run.slices, run.wanted, run.memory = slices(looks), rate, bench.memory()
    run.punctuality = switch.finish()
    bench.wait_for(began + payments, patience)
    if observer is not None:
        time.sleep(0.5)  # for the last alerts
        run.observed = _seen(bench, observer.finish(), begin, warm_up, seconds)
    return run


def _seen(
    bench: Bench, found: dict[str, Any], begin: Mapping[int, int], warm_up: float, seconds: float
) -> dict[str, Any]:
    """Hold what the observer saw against the schedule."""
    bootstrap, topic = bench.kafka.bootstrap_servers, Settings().topic_transactions
    schedule = latency.read_schedule(bootstrap, topic, begin, latency.ends(bootstrap, topic, bench.partitions))
    start = int(schedule.due_us.min()) + int(warm_up * 1e6)
    span, until = (start, start + int(seconds * 1e6)), int(found["looks_us"][-1])
    verdicts = latency.keys(found["partition"], found["offset"])
    with psycopg.connect(bench.postgres.url) as connection:
        overlooked = _stored(connection, schedule.unseen(verdicts, span))
        durable, undone = latency.latencies(
            schedule.without(overlooked), verdicts, found["seen_us"], span_us=span, until_us=until
        )
        rows = connection.execute(
            "SELECT transaction_id, source_partition, source_offset FROM verdicts_by_day"
            " WHERE event_time >= %s AND event_time < %s AND alert IS NOT NULL",
            bench.run_span,
        ).fetchall()
    key_of = {row[0]: latency.key(row[1], row[2]) for row in rows}
    alerts, seen_us = latency.keyed(key_of, found["alert_id"].tolist(), found["alert_seen_us"])
    readable, unread = latency.latencies(
        schedule.only(list(key_of.values())), alerts, seen_us, span_us=span, until_us=until
    )
    return {
        "verdict durable": latency.histogram(durable) | {"never seen": undone, "overlooked": len(overlooked)},
        "alert readable": latency.histogram(readable) | {"never seen": unread},
        "alert behind its row": latency.behind((verdicts, found["seen_us"]), (alerts, seen_us), found["looks_us"]),
        "looks apart": latency.resolution_ms(found["looks_us"]),
    }


def _stored(connection: psycopg.Connection[Any], wanted: latency.Schedule) -> NDArray[np.int64]:
    """Return the keys of those records whose verdict is stored, though the observer did not see when.

    Postgres puts a small row into what is free in an old page now and then, where no look goes.
    """
    rows = connection.execute(
        "SELECT source_partition, source_offset FROM verdicts_by_day"
        " WHERE (source_partition, source_offset) IN (SELECT * FROM unnest(%s::int[], %s::int8[]))",
        (wanted.partition.tolist(), wanted.offset.tolist()),
    ).fetchall()
    return np.array([latency.key(partition, offset) for partition, offset in rows], dtype=np.int64)
