"""The meters of micro-batches count as the client library's own do, whenever somebody asks."""

import threading

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from stream.batch_histogram import MOST_WAITING, BatchHistogram, LabelledCounter, LabelledHistogram

BUCKETS = (0.005, 0.1, 1.0)


def page(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line]


def test_it_exposes_what_the_library_would():
    values = np.array([0.0, 0.005, 0.0051, 0.1, 0.5, 1.0, 7.0])
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    batch = BatchHistogram("wait_seconds", "Waits.", BUCKETS, registry=ours)
    single = Histogram("wait_seconds", "Waits.", buckets=BUCKETS, registry=theirs)

    batch.observe_all(values[:3])
    batch.observe_all(values[3:])
    batch.observe_all(np.empty(0))
    for value in values:
        single.observe(value)

    assert sorted(page(ours)) == sorted(page(theirs))


def test_labelled_ones_expose_what_the_library_would():
    laps = [("a", 0.004), ("b", 0.1), ("a", 2.0), ("a", 0.1)]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = LabelledHistogram("wait_seconds", "Waits.", BUCKETS, "step", registry=ours)
    counter = LabelledCounter("work_seconds", "Work.", "step", ("a", "b", "c"), registry=ours)
    single = Histogram("wait_seconds", "Waits.", ["step"], buckets=BUCKETS, registry=theirs)
    plain = Counter("work_seconds", "Work.", ["step"], registry=theirs)

    histogram.observe(*laps[0])
    histogram.observe_each(laps[1:])
    counter.add_each(laps)
    for step in "abc":
        plain.labels(step)
    for step, value in laps:
        single.labels(step).observe(value)
        plain.labels(step).inc(value)

    assert sorted(page(ours)) == sorted(page(theirs))


def test_nothing_is_lost_or_counted_twice_while_somebody_asks():
    registry = CollectorRegistry()
    batch = BatchHistogram("wait_seconds", "Waits.", BUCKETS, registry=registry)
    rounds = 20 * MOST_WAITING

    def work() -> None:
        for _ in range(rounds):
            batch.observe_all(np.array([0.01, 0.5, 7.0]))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    counts = [registry.get_sample_value("wait_seconds_count") for _ in range(200)]
    for thread in threads:
        thread.join()
    assert counts == sorted(counts)
    assert registry.get_sample_value("wait_seconds_count") == 3 * 3 * rounds
    assert registry.get_sample_value("wait_seconds_bucket", {"le": "1.0"}) == 3 * 2 * rounds
