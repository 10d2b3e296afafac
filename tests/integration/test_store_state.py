"""What the worker asks the stores about themselves."""

from __future__ import annotations

import math
import time

import psycopg
import pytest

from features.store.redis_store import RedisEntityStore
from stream import metrics
from stream.errors import RetryableError
from stream.store_state import postgres_round, redis_round
from stream.verdict_store import housekeeping, migrate
from stream.verdict_store.migrations import DAYS_AHEAD

pytestmark = pytest.mark.servers


def test_redis_tells_how_full_it_is(redis_url: str) -> None:
    import redis

    store = RedisEntityStore(redis_url)
    asked = redis_round(store)
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", 64 * 2**20)
        asked.call()
        client.config_set("maxmemory", 0)
    assert metrics.REDIS_MEMORY_MAX._value.get() == 64 * 2**20
    assert 2**19 < metrics.REDIS_MEMORY_USED._value.get() < 64 * 2**20
    assert metrics.REDIS_EVICTED_KEYS._value.get() == 0
    store.close()


def test_a_redis_that_is_gone_is_not_known_to_be_empty(redis_server) -> None:
    store = RedisEntityStore(redis_server.url)
    asked = redis_round(store)
    asked.call()
    redis_server.kill()
    with pytest.raises(RetryableError):
        asked.call()
    asked.lost()
    assert math.isnan(metrics.REDIS_MEMORY_USED._value.get())
    store.close()


def test_postgres_tells_for_how_many_days_there_are_partitions(postgres_url: str) -> None:
    migrate(postgres_url)
    asked = postgres_round(postgres_url)
    asked.call()
    assert metrics.VERDICT_DAYS_AHEAD._value.get() == DAYS_AHEAD
    today = int(time.time()) // 86_400
    housekeeping.make_days(postgres_url, today + 5, today + 6)  # behind a gap: they do not count
    assert housekeeping.days_ahead(postgres_url) == DAYS_AHEAD
    housekeeping.make_days(postgres_url, today + 4, today + 4)
    assert housekeeping.days_ahead(postgres_url) == 6
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.execute(
            "SELECT partition::text FROM verdict_days WHERE day = (now() AT TIME ZONE 'UTC')::date"
        ).fetchone()[0]
        connection.execute(f"DROP TABLE {name}")
    assert housekeeping.days_ahead(postgres_url) == -1
