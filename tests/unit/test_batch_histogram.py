"""The histogram of micro-batches counts as the client library's own does."""

import numpy as np
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from stream.batch_histogram import BatchHistogram

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
