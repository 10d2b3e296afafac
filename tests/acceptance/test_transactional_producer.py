"""A switch that publishes in transactions: store and group stand at the log's end, and a restart begins there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition

from features.store import layout
from stream.schemas.examples import PAYMENT
from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.apache, pytest.mark.timeout(600)]


def publish(deployment: Deployment, ids: list[str], *, commit: bool) -> None:
    servers = deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "switch"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for partition, name in enumerate(ids):
        payment = msgspec.structs.replace(PAYMENT, transaction_id=name)
        producer.produce("transactions", msgspec.json.encode(payment), partition=partition)
    producer.produce("outcomes", b"no outcome", partition=3)
    assert producer.flush(30) == 0
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def ends_and_committed(deployment: Deployment) -> tuple[dict[str, int], dict[str, int]]:
    """Return, by partition, the high watermarks of what was published to, and what the group has committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": deployment.environment["UPIFRAUD_CONSUMER_GROUP"],
            "isolation.level": "read_uncommitted",
        }
    )
    try:
        asked = [TopicPartition(topic, number) for topic in ("transactions", "outcomes") for number in range(12)]
        ends = {f"{at.topic}:{at.partition}": consumer.get_watermark_offsets(at, 10)[1] for at in asked}
        committed = {f"{at.topic}:{at.partition}": at.offset for at in consumer.committed(asked, timeout=10)}
    finally:
        consumer.close()
    used = {name: end for name, end in ends.items() if end}
    return used, {name: committed[name] for name in used}


def applied(deployment: Deployment) -> dict[str, int]:
    with redis.Redis.from_url(deployment.environment["UPIFRAUD_REDIS_URL"]) as store:
        names = store.smembers(layout.OFFSETS) - {layout.BY_PARTITION}
        return {name.decode(): int(store.get(layout.offset_key(name)) or 0) for name in names}


def test_store_and_group_stand_at_the_logs_end_and_a_restart_begins_there(deployment: Deployment) -> None:
    worker = deployment.start_worker()
    publish(deployment, ["one", "two", "three"], commit=True)
    publish(deployment, ["never"], commit=False)

    def settled() -> bool:
        ends, committed = ends_and_committed(deployment)
        return len(ends) == 4 and committed == ends and applied(deployment) == ends

    until(settled, "store and group at the end")
    assert worker.terminate() == 0
    again = deployment.start_worker()
    publish(deployment, ["four"], commit=True)
    until(settled, "store and group at the end again")
    assert "before its committed" not in again.said()
    with psycopg.connect(deployment.environment["UPIFRAUD_POSTGRES_URL"]) as connection:
        found = connection.execute("SELECT transaction_id FROM verdicts_by_day").fetchall()
    assert sorted(name for (name,) in found) == ["four", "one", "three", "two"]
    assert again.live()
