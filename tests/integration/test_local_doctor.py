"""What the doctor finds on real servers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from local import kafka_admin
from local.doctor import Addresses, Finding, Verdict, server_findings
from local.valkey import ValkeyServer
from tests.fixtures.hostile_batches import RawProducer, gzip_batch

if TYPE_CHECKING:
    from pathlib import Path

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers


def findings(addresses: Addresses, topics: dict[str, int], tables: tuple[str, ...] = ()) -> dict[str, Finding]:
    return {finding.subject: finding for finding in server_findings(addresses, topics, tables)}


def test_topics_are_counted(kafka: Broker, topic_factory: TopicFactory) -> None:
    enough, few = topic_factory("enough", partitions=3), topic_factory("few", partitions=2)
    found = findings(Addresses(kafka.address, None, None, {}), {enough: 3, few: 3, "missing": 3})
    assert found[f"topic {enough}"].verdict is Verdict.OK
    assert found[f"topic {few}"].verdict is Verdict.OPTIONAL
    assert found["topic missing"].verdict is Verdict.PROBLEM


@pytest.mark.apache
def test_a_topic_that_loses_records_by_itself_is_told(kafka: Broker, topic_factory: TopicFactory) -> None:
    topic = topic_factory("compacted")
    admin = AdminClient({"bootstrap.servers": kafka.address})
    changes = {"cleanup.policy": "compact", "retention.ms": "3600000"}
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in changes.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(timeout=30)
    found = {
        finding.subject: finding
        for finding in server_findings(Addresses(kafka.address, None, None, {}), {topic: 1}, (), [topic])
    }
    assert found[f"topic {topic}: cleanup"].verdict is Verdict.PROBLEM
    assert found[f"topic {topic}: retention"].verdict is Verdict.PROBLEM


@pytest.mark.apache
def test_a_topic_whose_batches_may_inflate_beyond_a_workers_memory_is_told(
    kafka: Broker, topic_factory: TopicFactory
) -> None:
    topic, bounded = topic_factory("open"), f"bounded-{uuid.uuid4().hex}"
    kafka_admin.make_topics(kafka.address, {bounded: 1}, settings=kafka_admin.BOUNDED)
    topics = {topic: 1, bounded: 1}
    try:
        told = list(server_findings(Addresses(kafka.address, None, None, {}), topics, (), list(topics)))
    finally:
        kafka_admin.delete_topics(kafka.address, [bounded])
    found = {finding.subject: finding for finding in told}
    assert found[f"topic {topic}: batches"].verdict is Verdict.OPTIONAL
    assert "compression.type=producer" in found[f"topic {topic}: batches"].found
    assert found[f"topic {bounded}: batches"].verdict is Verdict.OK


@pytest.mark.apache
def test_the_broker_measures_the_batches_of_bounded_topics_anew(kafka: Broker) -> None:
    """0.2 MB as gzip, which the topic's limit lets through, and 1.5 MB as LZ4, which it does not."""
    topic = f"bounded-{uuid.uuid4().hex}"
    kafka_admin.make_topics(kafka.address, {topic: 1}, settings=kafka_admin.BOUNDED)
    producer = RawProducer(kafka.address)
    try:
        producer.append(topic, 0, gzip_batch(b" " * 65_002, 100))
        with pytest.raises(AssertionError, match="answered 10"):
            producer.append(topic, 0, gzip_batch(b" " * 65_002, 6_000))
    finally:
        producer.close()
        kafka_admin.delete_topics(kafka.address, [topic])


def test_topics_that_the_broker_tells_nothing_of_are_left_out(kafka: Broker, topic_factory: TopicFactory) -> None:
    topic = topic_factory("plain")
    found = findings(Addresses(kafka.address, None, None, {}), {topic: 1, "missing": 1})
    assert found[f"topic {topic}"].verdict is Verdict.OK
    assert f"topic {topic}: cleanup" not in found


def test_redis_that_evicts_or_forgets_is_a_problem(redis_url: str) -> None:
    addresses = Addresses(None, redis_url, None, {})
    assert findings(addresses, {})["Redis eviction"].verdict is Verdict.OK
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        try:
            found = findings(addresses, {})
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("appendonly", "yes")
    assert found["Redis eviction"].verdict is Verdict.PROBLEM
    assert found["Redis persistence"].verdict is Verdict.PROBLEM


def test_redis_that_may_not_be_asked_is_no_problem(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser("guest", enabled=True, nopass=True, commands=["+ping"], keys=["*"])
        try:
            found = findings(Addresses(None, redis_url.replace("redis://", "redis://guest:x@"), None, {}), {})
        finally:
            client.acl_deluser("guest")
    assert found["Redis"].verdict is Verdict.OK
    assert found["Redis eviction"].verdict is Verdict.OPTIONAL
    assert found["Redis allocator"].found == "may not be read"


def test_redis_that_takes_memory_from_the_c_library_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ValkeyServer, "_environment", lambda _self: None)
    server = ValkeyServer(tmp_path / "redis")
    server.start()
    try:
        found = findings(Addresses(None, server.url, None, {}), {})["Redis allocator"]
    finally:
        server.kill()
    assert (found.verdict, found.found) == (Verdict.OPTIONAL, "libc, and no library is preloaded")
    assert "libjemalloc2" in found.to_do


def test_missing_tables_are_named(postgres_url: str) -> None:
    addresses = Addresses(None, None, postgres_url, {})
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE outcomes (x int)")
    found = findings(addresses, {}, ("outcomes", "verdicts"))
    assert found["tables"].found == "missing: verdicts"
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE VIEW verdicts AS SELECT 1 AS x")
    assert findings(addresses, {}, ("outcomes", "verdicts"))["tables"].verdict is Verdict.OK
