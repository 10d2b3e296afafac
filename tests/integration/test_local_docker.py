"""Apache Kafka in a container: what the engine is asked for, and what becomes of the container."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from local import docker_engine, kafka_admin, maven
from local.errors import NotReadyError, RetryableError
from local.kafka_docker import DockerKafkaServer
from local.machine import Machine
from local.ports import free_port
from local.resolver import Kind, Wanted
from local.stack import Configured, Stack
from tests.fixtures.docker_engine import Container, DockerEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import PostgresServer

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.servers,
    pytest.mark.apache,
    pytest.mark.skipif(Machine().jvm_problem() is not None, reason="the engine of these tests runs Kafka as a JVM"),
]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerEngine]:
    found = DockerEngine(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{found.socket_path}")
    docker_engine.engine_problem.cache_clear()
    yield found
    docker_engine.engine_problem.cache_clear()
    found.close()


@pytest.fixture
def server(engine: DockerEngine, tmp_path: Path) -> DockerKafkaServer:
    return DockerKafkaServer(tmp_path / "kafka")


def test_container_is_made_once_and_keeps_records_and_address(engine: DockerEngine, server: DockerKafkaServer) -> None:
    server.start()
    (container,) = engine.containers.values()
    host, port = server.address.split(":")
    assert container.image == f"apache/kafka:{maven.kafka_version()}"
    assert engine.pulled == [container.image]
    assert container.bindings == {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}
    assert host == "127.0.0.1"
    assert server.running
    assert server.ready_seconds is not None
    kafka_admin.make_topics(server.address, {"payments": 1})
    producer = Producer({"bootstrap.servers": server.address, "acks": "all"})
    producer.produce("payments", b"1")
    assert producer.flush(30) == 0

    address = server.address
    server.stop()
    assert not server.running
    assert not server.stale
    other = DockerKafkaServer(server.directory)  # another program takes over
    other.start()
    assert other.address == address
    assert list(engine.containers.values()) == [container]
    consumer = Consumer({"bootstrap.servers": address, "group.id": "test"})
    try:
        assert consumer.get_watermark_offsets(TopicPartition("payments", 0), timeout=30) == (0, 1)
    finally:
        consumer.close()
    other.remove()
    assert engine.containers == {}
    assert not other.running


def test_container_that_was_killed_is_stale_and_one_that_was_removed_is_made_anew(
    engine: DockerEngine, server: DockerKafkaServer
) -> None:
    server.start()
    server.kill()
    assert not server.running
    assert server.stale
    (container,) = engine.containers.values()
    container.remove()
    del engine.containers[container.id]
    assert server.stale
    server.start()
    assert server.problem() is None
    assert [made.id for made in engine.containers.values()] != [container.id]


def test_broker_that_ends_while_it_starts_says_what_its_log_says(
    engine: DockerEngine, server: DockerKafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.kafka_docker.APACHE_HEAP", ("-Xmx0k",))
    with pytest.raises(NotReadyError, match=r"ended while it was starting. Its log ends with:\n(.|\n)*Xmx0k"):
        server.start()


def test_stack_takes_docker_for_apache_kafka_where_an_engine_answers(
    engine: DockerEngine, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    said: list[str] = []
    stack = Stack(tmp_path / "state", Machine(), said.append)
    record = stack.up(Wanted.APACHE, Configured(postgres=postgres_server.url), {"payments": 2})
    try:
        assert record.kafka.kind is Kind.APACHE_DOCKER
        assert "kafka: apache-docker, because Apache Kafka was asked for, and a Docker engine answers" in said
        (state,) = [state for state in stack.states() if state.name == "kafka"]
        assert state.condition.startswith("container ")
        assert state.problem is None
    finally:
        stack.down(wipe=True)
    assert engine.containers == {}


def test_engine_that_refuses_is_told(engine: DockerEngine, server: DockerKafkaServer) -> None:
    engine.refuses = "no space left on device"
    with pytest.raises(RetryableError, match=r"The Docker engine was asked and answered: .*no space left on device"):
        server.start()
    assert not server.running


def test_kafka_of_the_compose_file_starts_and_answers_on_both_listeners(tmp_path: Path) -> None:
    """Its variables as they are, but for the names and ports that only a container of its own has."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["kafka"]
    host, internal = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    names = {
        "${KAFKA_PORT:-9092}": "9092",
        "${KAFKA_CLUSTER_ID:-": "",
        "}": "",
        "127.0.0.1:9092": host,
        "HOST://:9092": f"HOST://{host}",
        "kafka:19092": internal,
        "INTERNAL://:19092": f"INTERNAL://{internal}",
        "kafka:29093": "localhost:9093",
        "CONTROLLER://:29093": "CONTROLLER://localhost:9093",
    }
    environment = {}
    for variable, value in service["environment"].items():
        for theirs, ours in names.items():
            value = value.replace(theirs, ours)
        environment[variable] = value
    container = Container(tmp_path, "apache/kafka", environment, {})
    container.start()
    try:
        deadline = time.monotonic() + 120
        for address in (host, internal):
            while (problem := kafka_admin.ask(address, cluster_id=environment["CLUSTER_ID"])) is not None:
                assert container.running, container.log.read_text()
                assert time.monotonic() < deadline, problem
                time.sleep(0.1)
    finally:
        container.remove()
