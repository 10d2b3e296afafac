"""The online store on a real server, as several files here use it; others have stores of their own by these names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from features.store.redis_store import RedisEntityStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Return a plain client of an empty Redis."""
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisEntityStore]:
    """Return a store over the same Redis."""
    entity_store = RedisEntityStore(redis_url)
    yield entity_store
    entity_store.close()
