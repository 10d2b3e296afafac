"""The servers that other tests build on keep what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer

from local import kafka_admin

if TYPE_CHECKING:
    from local.kafka import Broker
    from local.postgres import PostgresServer
    from local.valkey import ValkeyServer
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers


def test_topic_factory_makes_topics_that_nobody_else_uses(kafka: Broker, topic_factory: TopicFactory) -> None:
    first, second = topic_factory("payments", partitions=3), topic_factory("payments", partitions=12)
    counts = kafka_admin.partitions(kafka.bootstrap_servers)
    assert first != second
    assert (counts[first], counts[second]) == (3, 12)


def test_stack_env_has_empty_topics_store_and_database_every_time(stack_env: dict[str, str]) -> None:
    servers = stack_env["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]
    counts = kafka_admin.partitions(servers)
    assert counts["transactions"] == counts["outcomes"] == 12
    with redis.Redis.from_url(stack_env["UPIFRAUD_REDIS_URL"]) as client:
        assert client.dbsize() == 0
        client.set("left", "over")
    with psycopg.connect(stack_env["UPIFRAUD_POSTGRES_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)
        connection.execute("CREATE TABLE left_over (x int)")
    assert records(servers, "transactions", group=stack_env["UPIFRAUD_CONSUMER_GROUP"], count=1, seconds=2) == []
    produce(servers, "transactions", [b"left over"])


# The same again: whichever of the two runs second would find what the first left.
test_stack_env_has_empty_topics_store_and_database_again = test_stack_env_has_empty_topics_store_and_database_every_time


def test_redis_comes_back_on_the_same_port_with_its_data_while_a_client_is_connected(
    redis_server: ValkeyServer, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("payer", "kept")
        redis_server.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("payer")
        redis_server.start()
        assert redis_server.url == redis_url
        assert client.get("payer") == b"kept"


def test_postgres_comes_back_after_a_kill_with_what_was_committed(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE verdict (id int)")
        connection.execute("INSERT INTO verdict VALUES (1)")
        postgres_server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres_server.start()
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM verdict").fetchone() == (1,)


@pytest.mark.apache
def test_kafka_comes_back_after_a_kill_with_acknowledged_records_and_committed_offsets(
    kafka: Broker, topic_factory: TopicFactory
) -> None:
    topic = topic_factory("payments")
    servers = kafka.bootstrap_servers
    produce(servers, topic, [b"1", b"2"])
    assert records(servers, topic, group=topic, count=2) == [b"1", b"2"]
    kafka.kill()
    kafka.start()
    assert kafka.bootstrap_servers == servers
    produce(servers, topic, [b"3"])
    assert records(servers, topic, group=topic, count=1) == [b"3"]


def produce(servers: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


def records(servers: str, topic: str, *, group: str, count: int, seconds: float = 60) -> list[bytes]:
    """Consume so many records as a member of the group, and commit them."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": "roundrobin",
        }
    )
    consumer.subscribe([topic])
    try:
        found = consumer.consume(count, timeout=seconds)
        assert [record.error() for record in found] == [None] * len(found)
        if found:
            consumer.commit(asynchronous=False)
        return [record.value() for record in found]
    finally:
        consumer.close()
