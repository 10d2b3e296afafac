"""Outcome reports that a lost Redis gets back from Postgres: all of them, in the order in which they came."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
import redis

from features.entities import KINDS, PAYEE
from features.measure.risk import MAX_REPORTS, REPORT_BYTES
from features.record import PAYMENT_ID_AT
from features.store import layout
from features.store.provenance import WRITTEN
from features.store.redis_store import RedisEntityStore
from stream.stages.entity_risk import packed_reports, reports_of
from stream.verdict_store import Model, OutcomeRow, VerdictStore, migrate
from tests.fixtures.verdict_rows import plain_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.verdict_store import VerdictRows

pytestmark = pytest.mark.servers

NOON = 1_764_000_000_000
PAYMENTS = 700
REPORTED = tuple(layout.key(kind.reports, b"") for kind in KINDS if kind.reports)


class World:
    """Both stores, as a worker uses them for outcomes."""

    def __init__(self, postgres_url: str, redis_url: str) -> None:
        self.postgres_url = postgres_url
        self.redis_url = redis_url
        self.verdicts = VerdictStore(postgres_url)
        self.entities = RedisEntityStore(redis_url)

    def outcomes(self, *outcomes: OutcomeRow) -> None:
        """Let a micro-batch of outcomes come."""
        known = self.verdicts.put_outcomes(outcomes)
        place = {outcome.transaction_id: number for number, outcome in enumerate(outcomes)}
        known.sort(key=lambda ref: place[ref.transaction_id])
        self.entities.report(reports_of(known))
        self.verdicts.settle(known)

    def payments(self, rows: VerdictRows) -> None:
        """Let payments come, for some of which outcomes wait."""
        waiting = self.verdicts.insert(rows).waiting
        self.entities.report(reports_of(waiting))
        self.verdicts.settle(waiting)

    def logs(self) -> dict[bytes, bytes]:
        with redis.Redis.from_url(self.redis_url) as client:
            return {key: client.get(key) for key in client.keys("*") if key.startswith(REPORTED)}

    def rebuild(self) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        for reports in self.verdicts.reports():
            self.entities.report(packed_reports(reports))


@pytest.fixture
def world(postgres_url: str, redis_url: str) -> Iterator[World]:
    migrate(postgres_url)
    opened = World(postgres_url, redis_url)
    yield opened
    opened.verdicts.close()
    opened.entities.close()


def payments(world: World, numbers: range, *, payees: int = 1) -> VerdictRows:
    """Return verdict rows whose logs are known: some payees, and a device for every other payment."""
    kept = np.zeros(len(numbers), dtype=WRITTEN)
    kept["version"], kept["kinds"] = 1, len(KINDS)
    kept["payer"], kept[PAYEE.name] = 1 + np.array(numbers), 77 + np.array(numbers) % payees
    kept["device"] = np.array(numbers) % 2 * 5
    kept["record"][:, PAYMENT_ID_AT : PAYMENT_ID_AT + 8] = np.array(numbers, dtype="<u8").view(np.uint8).reshape(-1, 8)
    key = world.verdicts.model_key(Model("m", "s", 0.0, ("a", "b")))
    names = [f"t{number:05d}" for number in numbers]
    return plain_rows(
        names, key, NOON + np.array(numbers), provenance=kept.view(np.uint8).reshape(len(kept), WRITTEN.itemsize)
    )


def outcome(number: int, reported_at: int, offset: int = 0, *, is_fraud: bool = True) -> OutcomeRow:
    return OutcomeRow(b"t%05d" % number, is_fraud, NOON + reported_at, None, None, 0, offset)


def test_more_reports_than_are_read_come_back_in_the_order_in_which_they_came(world: World) -> None:
    """Some wait for their payment, many have one time, some are replaced, some come again."""
    draw = random.Random(8)
    early, late = range(PAYMENTS // 2), range(PAYMENTS // 2, PAYMENTS)
    world.payments(payments(world, early, payees=2))
    told = [outcome(number, 1_000 * draw.randrange(4), is_fraud=draw.random() < 0.5) for number in range(PAYMENTS)]
    draw.shuffle(told)
    for start in range(0, len(told), 60):
        world.outcomes(*told[start : start + 60])
    world.payments(payments(world, late, payees=2))
    for one in draw.sample(told, 400):
        world.outcomes(outcome(int(one.transaction_id[1:]), 5_000, 1, is_fraud=not one.is_fraud))
    world.outcomes(*draw.sample(told, 100))
    held = world.logs()
    assert len(held) == 3
    assert max(map(len, held.values())) > MAX_REPORTS * REPORT_BYTES
    world.rebuild()
    assert world.logs() == held


def test_what_the_version_before_settled_comes_where_its_time_says(world: World) -> None:
    """It keeps what stands, and no order: by time, then by offset, between what came in a known order."""
    world.payments(payments(world, range(9)))
    with psycopg.connect(world.postgres_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO outcomes VALUES (%s, %s, timestamptz 'epoch' + %s * interval '1 ms', NULL, NULL, 0, %s, %s)",
            [
                ("t00003", "FRAUD", NOON + 30, 2, False),
                ("t00001", "GENUINE", NOON + 30, 1, False),
                ("t00002", "FRAUD", NOON + 20, 3, False),
                ("t00008", "FRAUD", NOON + 10, 4, True),  # it was about to be reported
            ],
        )
    for number, at in ((5, 25), (4, 5), (7, 40)):
        world.outcomes(outcome(number, at))
    world.rebuild()
    log = world.logs()[REPORTED[0] + (77).to_bytes(8, "little")]
    order = [log[at + 8] for at in range(0, len(log), REPORT_BYTES)]
    assert order == [2, 5, 4, 1, 3, 7, 8]
