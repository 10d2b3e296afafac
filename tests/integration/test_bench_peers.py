"""The peers of the benchmarks do the worker's job: same vectors, same scores, same verdicts, same alerts.

The sample is delivered through one partition, so that everybody sees the same order, and no entity of it is dense, so
that exact windows are what the worker has too (bench/peers/README.md says where they differ otherwise).
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from confluent_kafka import Consumer, Producer

from bench.peers.contestant import WORKER, Contestant
from bench.peers.environment import QUIX_PYTHON
from bench.peers.progress import Done
from features.schema import FEATURE_NAMES
from local import kafka_admin
from local.postgres import drop_database, make_database
from simulator.dirt import Dirt
from simulator.parameters import Parameters
from simulator.records import TRANSACTIONS
from simulator.run import Extent, Extras, compressed
from stream.verdict_store import migrate
from stream.wire import decode_alert

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.kafka import Broker
    from local.postgres import PostgresServer
    from stream.wire import Alert

pytestmark = [pytest.mark.apache, pytest.mark.servers]

PAYMENTS = 1_200
PAYERS = 600
PATIENCE = 240.0
DENSE = 256


@dataclass(frozen=True)
class Verdict:
    vector: np.ndarray
    verdict: int
    score: float
    margin: float
    feature_state: int
    alert: Alert | None


class Sample:
    """Payments in two halves, some of them late or delivered twice, and outcomes on the first half between them."""

    def __init__(self) -> None:
        parameters = Parameters(seed=11, payers=PAYERS, fraud_rate=0.02)
        extras = Extras(Dirt(duplicates=0.01, late=0.02))
        now = int(time.time() * 1000)
        run = compressed(parameters, Extent(PAYMENTS, None, None), None, now, extras)
        payments = [
            value
            for records in run.records
            for topic, value in zip(records.topic.tolist(), records.values, strict=True)
            if topic == TRANSACTIONS
        ]
        half = len(payments) // 2
        self.halves = payments[:half], payments[half:]
        known = [json.loads(value) for value in self.halves[0]]
        reported_at = max(payment["event_time"] for payment in known)
        self.outcomes = [
            json.dumps(
                {
                    "transaction_id": payment["transaction_id"],
                    "outcome": "FRAUD" if number % 3 else "GENUINE",
                    "reported_at": reported_at - len(known) + number,
                }
            ).encode()
            for number, payment in enumerate({payment["transaction_id"]: payment for payment in known}.values())
            if number % 4 == 0
        ]
        self.ids = {json.loads(value)["transaction_id"] for value in payments}

    def busiest(self) -> int:
        """Payments of the busiest entity."""
        counts: dict[tuple[str, str], int] = {}
        for value in (*self.halves[0], *self.halves[1]):
            payment = json.loads(value)
            for field in ("payer_vpa", "payee_vpa", "device_id"):
                entity = field, payment.get(field, "")
                counts[entity] = counts.get(entity, 0) + bool(entity[1])
        return max(counts.values())


class Stage:
    """One topic of each kind with one partition, and a database and a Redis database for each contestant."""

    def __init__(self, kafka: Broker, redis_url: str, postgres: PostgresServer) -> None:
        self._bootstrap, self._redis_url, self._postgres = kafka.bootstrap_servers, redis_url, postgres
        name = uuid.uuid4().hex[:12]
        self._topics = {kind: f"peers-{kind}-{name}" for kind in ("transactions", "outcomes")}
        kafka_admin.make_topics(self._bootstrap, dict.fromkeys(self._topics.values(), 1))
        self._assignment = kafka.assignment
        self._databases: dict[str, str] = {}
        self._alerts: dict[str, str] = {}

    def environment(self, contestant: str) -> dict[str, str]:
        """Settings of a contestant: it reads what all read, and writes where no other does."""
        database = f"peers_{uuid.uuid4().hex}"
        make_database(self._postgres.database_url("postgres"), database)
        self._databases[contestant] = database
        migrate(self._postgres.database_url(database))
        self._alerts[contestant] = alerts = f"peers-alerts-{uuid.uuid4().hex[:12]}"
        kafka_admin.make_topics(self._bootstrap, {alerts: 1})
        redis_url, _, _ = self._redis_url.rpartition("/")
        return {
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": self._bootstrap,
            "UPIFRAUD_KAFKA_ASSIGNMENT": self._assignment,
            "UPIFRAUD_REDIS_URL": f"{redis_url}/{len(self._databases)}",
            "UPIFRAUD_POSTGRES_URL": self._postgres.database_url(database),
            "UPIFRAUD_CONSUMER_GROUP": f"peers-{uuid.uuid4().hex}",
            "UPIFRAUD_TOPIC_TRANSACTIONS": self._topics["transactions"],
            "UPIFRAUD_TOPIC_OUTCOMES": self._topics["outcomes"],
            "UPIFRAUD_TOPIC_ALERTS": alerts,
        }

    def publish(self, kind: str, values: list[bytes]) -> None:
        producer = Producer({"bootstrap.servers": self._bootstrap, "enable.idempotence": True})
        for value in values:
            key = json.loads(value).get("payer_vpa" if kind == "transactions" else "transaction_id")
            producer.produce(self._topics[kind], value, key)
        assert producer.flush(30) == 0

    def verdicts(self, contestant: str) -> dict[str, Verdict]:
        with psycopg.connect(self._postgres.database_url(self._databases[contestant])) as connection:
            rows = connection.execute(
                "SELECT transaction_id, vector, verdict, score, margin, feature_state, alert FROM verdicts_by_day"
            ).fetchall()
        return {
            row[0]: Verdict(np.frombuffer(row[1], dtype="<f4"), *row[2:6], decode_alert(row[6]) if row[6] else None)
            for row in rows
        }

    def published_alerts(self, contestant: str) -> dict[str, set[bytes]]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": uuid.uuid4().hex,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            }
        )
        consumer.subscribe([self._alerts[contestant]])
        found: dict[str, set[bytes]] = {}
        deadline = time.monotonic() + 30
        while (record := consumer.poll(1.0)) is None or record.error() is None:
            assert time.monotonic() < deadline
            if record is not None:
                found.setdefault(decode_alert(record.value()).transaction_id, set()).add(record.value())
        consumer.close()
        return found

    def close(self) -> None:
        for database in self._databases.values():
            drop_database(self._postgres.database_url("postgres"), database)
        kafka_admin.delete_topics(self._bootstrap, [*self._topics.values(), *self._alerts.values()])


@pytest.fixture
def stage(kafka: Broker, redis_url: str, postgres_server: PostgresServer) -> Iterator[Stage]:
    stage = Stage(kafka, redis_url, postgres_server)
    yield stage
    stage.close()


def differences(ours: dict[str, Verdict], theirs: dict[str, Verdict]) -> list[str]:
    """What a peer says otherwise."""
    found = []
    for transaction_id, our in ours.items():
        their = theirs[transaction_id]
        wrong = np.flatnonzero(~((our.vector == their.vector) | (np.isnan(our.vector) & np.isnan(their.vector))))
        found += [f"{FEATURE_NAMES[at]} {our.vector[at]} {their.vector[at]}" for at in wrong.tolist()]
        for name in ("verdict", "feature_state"):
            if getattr(our, name) != getattr(their, name):
                found.append(f"{name} {getattr(our, name)} {getattr(their, name)}")
        for name in ("score", "margin"):
            if abs(getattr(our, name) - getattr(their, name)) > 1e-9:
                found.append(f"{name} {getattr(our, name)} {getattr(their, name)}")
        found += alert_differences(our.alert, their.alert)
    return found


def alert_differences(our: Alert | None, their: Alert | None) -> list[str]:
    if our is None or their is None:
        return [] if our is their else [f"alert {our} {their}"]
    found = [
        f"{name} {getattr(our, name)} {getattr(their, name)}"
        for name in ("alert_id", "event_time", "verdict", "payer_vpa", "payee_vpa", "amount_paise", "model_id")
        if getattr(our, name) != getattr(their, name)
    ]
    pairs = [(reason.feature, reason.code, reason.text) for reason in our.reasons]
    if pairs != [(reason.feature, reason.code, reason.text) for reason in their.reasons]:
        found.append(f"reasons {our.reasons} {their.reasons}")
    elif any(abs(a.contribution - b.contribution) > 1e-9 for a, b in zip(our.reasons, their.reasons, strict=True)):
        found.append(f"contributions {our.reasons} {their.reasons}")
    return found


def contest(stage: Stage, sample: Sample, peers: tuple[str, ...], directory: Path) -> None:
    contestants = [
        Contestant(name, {**stage.environment(name), "UPIFRAUD_LOG_LEVEL": "WARNING"}, directory)
        for name in (WORKER, *peers)
    ]
    try:
        for contestant in contestants:
            contestant.start()
        first, second = sample.halves
        for kind, values, wanted in (
            ("transactions", first, Done(len(first), 0)),
            ("outcomes", sample.outcomes, Done(len(first), len(sample.outcomes))),
            ("transactions", second, Done(len(first) + len(second), len(sample.outcomes))),
        ):
            stage.publish(kind, values)
            for contestant in contestants:
                contestant.wait_for(wanted, PATIENCE)
    finally:
        for contestant in contestants:
            contestant.stop()


def check(stage: Stage, sample: Sample, peers: tuple[str, ...]) -> None:
    ours = stage.verdicts(WORKER)
    assert set(ours) == sample.ids
    rates = np.array([verdict.vector[FEATURE_NAMES.index("payee_fraud_rate_30d")] for verdict in ours.values()])
    assert (rates > 0).sum() > 20, "outcomes must show in vectors"
    assert sum(verdict.alert is not None for verdict in ours.values()) > 5
    for peer in peers:
        theirs = stage.verdicts(peer)
        assert set(theirs) == sample.ids
        assert differences(ours, theirs) == [], peer
        alerts = stage.published_alerts(peer)
        assert set(alerts) == {id_ for id_, verdict in theirs.items() if verdict.alert is not None}, peer


@pytest.fixture(scope="module")
def sample() -> Sample:
    sample = Sample()
    assert sample.busiest() < DENSE
    return sample


def test_textbook_and_plain_loops_give_the_verdicts_of_the_worker(stage: Stage, sample: Sample, tmp_path: Path) -> None:
    peers = ("textbook", "plain", "plain-single")
    contest(stage, sample, peers, tmp_path)
    check(stage, sample, peers)


def test_quix_gives_the_verdicts_of_the_worker(stage: Stage, sample: Sample, tmp_path: Path) -> None:
    if not QUIX_PYTHON.exists():
        # Left out in CI too: a minute of packages that nothing but the benchmarks needs.
        pytest.skip("Quix Streams has an environment of its own: run `make install-bench`")
    peers = ("quix", "quix-compiled")
    contest(stage, sample, peers, tmp_path)
    check(stage, sample, peers)
