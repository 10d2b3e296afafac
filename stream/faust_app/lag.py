"""How far behind the worker is, in records and in seconds, from numbers that cost no request."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from stream import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from faust.types import TP

    from stream.kafka.ledger import Ledger


def measure(
    ledger: Ledger, end_of: Callable[[TP], int | None], held_back_of: Callable[[TP], int], *, now: float
) -> int:
    """Set the lag metrics of every partition in the ledger and return the records behind altogether.

    `end_of` returns the end of what can be read of a partition, None where it is not known; `held_back_of` how much
    stands behind that, in open transactions, which no worker can shorten. `now` is epoch seconds. A topic's lag in
    seconds is that of the partition furthest behind: the age of the newest record done there, or the time since the
    worker has it where none is done yet, for as long as records follow.
    """
    total = 0
    ages: dict[str, float] = defaultdict(float)
    for tp in ledger.partitions():
        following = ledger.next_offset(tp) or 0
        behind = max(0, (end_of(tp) or 0) - following)
        total += behind
        metrics.CONSUMER_LAG_RECORDS.labels(tp.topic, tp.partition).set(behind)
        metrics.CONSUMER_HELD_BACK_RECORDS.labels(tp.topic, tp.partition).set(held_back_of(tp))
        metrics.CONSUMER_NEXT_OFFSET.labels(tp.topic, tp.partition).set(following)
        age = now - ledger.newest_ms(tp) / 1000 if behind else 0.0
        ages[tp.topic] = max(ages[tp.topic], age)
    for topic, age in ages.items():
        metrics.CONSUMER_LAG_SECONDS.labels(topic).set(age)
    return total


def count_partitions(ledger: Ledger, topics: Iterable[str]) -> None:
    """Set how many partitions of each topic the worker has."""
    tps = ledger.partitions()
    for topic in topics:
        metrics.PARTITIONS_ASSIGNED.labels(topic).set(sum(tp.topic == topic for tp in tps))


def forget(tps: Iterable[TP]) -> None:
    """Take the lag of partitions away that the worker no longer has: another worker shows it."""
    for tp in tps:
        metrics.CONSUMER_LAG_RECORDS.remove(tp.topic, tp.partition)
        metrics.CONSUMER_HELD_BACK_RECORDS.remove(tp.topic, tp.partition)
        metrics.CONSUMER_NEXT_OFFSET.remove(tp.topic, tp.partition)
