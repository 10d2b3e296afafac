"""The records of a micro-batch in one run."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE

from stream.kafka.arrivals import Arrivals
from stream.kafka.fetch import Fetch, Slice


def arrivals(*stamps: tuple[int, int]) -> Arrivals:
    records: list[Any] = [
        SimpleNamespace(value=lambda: b"", offset=lambda at=at: at, timestamp=lambda stamp=stamp: stamp)
        for at, stamp in enumerate(stamps)
    ]
    return Arrivals.of(Fetch("transactions", [Slice(0, records)]))


def test_a_record_without_a_timestamp_has_no_age() -> None:
    """Kafka says -1 where there is none, and a producer may write anything, 0 most often."""
    now = int(time.time() * 1000)
    ages = arrivals(
        (TIMESTAMP_NOT_AVAILABLE, -1),
        (TIMESTAMP_CREATE_TIME, 0),
        (TIMESTAMP_CREATE_TIME, now - 86_400_000),
        (TIMESTAMP_CREATE_TIME, now // 1000),
        (TIMESTAMP_CREATE_TIME, now + 86_400_000),
    ).ages()
    assert len(ages) == 2
    assert ages[0] >= 86_400
    assert ages[1] == 0


def test_where_no_record_has_a_timestamp_there_are_no_ages() -> None:
    assert arrivals((TIMESTAMP_CREATE_TIME, 0)).ages().tolist() == []
