"""The observer sees every verdict once, whatever the size of its micro-batch, its day, and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from msgspec.structs import replace

from bench.latency import keys
from bench.observer import ALL_DAYS_EVERY, Verdicts
from bench.verdicts import Payments
from stream.verdict_store import Model, VerdictStore, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.verdict_store import VerdictRows

pytestmark = pytest.mark.servers

DAY_MS = 86_400_000
PARTITIONS = 3


class Stored:
    """Rows that go to the store as a worker's do: in every partition in order of their offsets."""

    def __init__(self, url: str) -> None:
        self._store = VerdictStore(url)
        self._payments = Payments(self._store.model_key(Model("bench", "0", 0.0, ("a", "b"))))
        self._next = np.zeros(PARTITIONS, dtype=np.int64)
        self.keys: list[int] = []

    def insert(self, count: int, days_back: int = 0) -> None:
        rows = self._of(self._payments.rows(count), days_back)
        self._store.insert(rows)
        self.keys += keys(rows.source_partition, rows.source_offset).tolist()

    def _of(self, rows: VerdictRows, days_back: int) -> VerdictRows:
        partition = np.arange(len(rows)) % PARTITIONS
        offset = self._next[partition] + np.arange(len(rows)) // PARTITIONS
        self._next = np.maximum(
            self._next, np.array([offset[partition == p].max(initial=-1) for p in range(PARTITIONS)]) + 1
        )
        numbers = rows.numbers.copy()
        numbers["event_time"] -= days_back * DAY_MS
        numbers["source_partition"], numbers["source_offset"] = partition, offset
        return replace(rows, numbers=numbers)

    def close(self) -> None:
        self._store.close()


@pytest.fixture
def stored(postgres_url: str) -> Iterator[Stored]:
    migrate(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT make_verdict_day((now() AT TIME ZONE 'UTC')::date - b) FROM generate_series(0, 3) AS b"
        )
    stored = Stored(postgres_url)
    yield stored
    stored.close()


def days(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT partition::text FROM verdict_days").fetchall()]


def seen(verdicts: Verdicts) -> list[int]:
    return keys(np.array(verdicts.partitions), np.array(verdicts.offsets)).tolist()


@pytest.fixture
def verdicts(postgres_url: str, stored: Stored) -> Iterator[Verdicts]:
    stored.insert(100)  # what was there before is not new
    stored.keys.clear()
    verdicts = Verdicts(postgres_url, days(postgres_url), PARTITIONS)
    yield verdicts
    verdicts.close()


def test_every_row_is_seen_once_and_at_once(stored: Stored, verdicts: Verdicts) -> None:
    verdicts.look()
    assert seen(verdicts) == []
    draw = np.random.default_rng(1)
    for _ in range(40):
        stored.insert(int(draw.choice([3, 60, 700, 2_000])))
        verdicts.look()
        assert sorted(seen(verdicts)) == sorted(stored.keys)


def test_rows_of_other_days_are_seen_soon(stored: Stored, verdicts: Verdicts) -> None:
    for back in (3, 2, 2, 1, 0, 3):
        stored.insert(30, days_back=back)
        for _ in range(ALL_DAYS_EVERY):
            verdicts.look()
        assert sorted(seen(verdicts)) == sorted(stored.keys)


def test_a_row_of_a_distant_day_is_seen_though_later_ones_were_seen_before(stored: Stored, verdicts: Verdicts) -> None:
    stored.insert(30)
    verdicts.look()
    verdicts.look()  # looks at all days only now and then
    for _ in range(3):
        stored.insert(3, days_back=3)
        stored.insert(30)
        verdicts.look()
    for _ in range(ALL_DAYS_EVERY):
        verdicts.look()
    assert sorted(seen(verdicts)) == sorted(stored.keys)
