"""What only the stores know of themselves: how full Redis is, how far ahead Postgres has partitions, what is held.

Asked at a low rate on connections of their own. What is not known is NaN, so that no rule compares it.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from stream import metrics
from stream.holds import show
from stream.running.periodic import Round
from stream.stages.feature_stage import WorkerErrors
from stream.verdict_store.housekeeping import days_ahead

if TYPE_CHECKING:
    from features.store.redis_store import RedisEntityStore
    from stream.holds import PostgresHolds

REDIS_SECONDS = 15.0
POSTGRES_SECONDS = 60.0
HOLDS_SECONDS = 15.0


def redis_round(store: RedisEntityStore) -> Round:
    """Return the round that asks Redis how full it is; the store is for it alone."""

    def ask() -> None:
        with WorkerErrors():
            state = store.memory()
        metrics.REDIS_MEMORY_USED.set(state.used_bytes)
        metrics.REDIS_MEMORY_MAX.set(state.max_bytes)
        metrics.REDIS_EVICTED_KEYS.set(state.evicted_keys)

    def lost() -> None:
        for gauge in (metrics.REDIS_MEMORY_USED, metrics.REDIS_MEMORY_MAX, metrics.REDIS_EVICTED_KEYS):
            gauge.set(math.nan)

    return Round("the memory of Redis", REDIS_SECONDS, ask, lost)


def postgres_round(url: str) -> Round:
    """Return the round that asks Postgres for how many days ahead there are partitions."""
    return Round(
        "the partitions in Postgres",
        POSTGRES_SECONDS,
        lambda: metrics.VERDICT_DAYS_AHEAD.set(days_ahead(url)),
        lambda: metrics.VERDICT_DAYS_AHEAD.set(math.nan),
    )


def holds_round(holds: PostgresHolds) -> Round:
    """Return the round that counts holds: a worker ends none, but sees where nobody does. `holds` is for it alone."""
    return Round("holds", HOLDS_SECONDS, lambda: show(holds, time.time_ns() // 1_000_000))
