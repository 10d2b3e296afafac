"""A stack comes up, comes up again, goes down, and leaves everybody else alone."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition

from local import kafka_admin, postgres, valkey
from local.errors import FatalError, NotReadyError
from local.machine import Machine
from local.ports import HOST, free_port
from local.resolver import Kind, Wanted
from local.stack import Configured, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.kafka import Broker
    from local.postgres import PostgresServer
    from local.valkey import ValkeyServer

pytestmark = pytest.mark.servers

TOPICS = {"transactions": 3, "alerts": 2}
NOTHING = Configured()


@pytest.fixture
def said() -> list[str]:
    """What the stacks of this test said."""
    return []


@pytest.fixture
def new_stack(tmp_path: Path, said: list[str]) -> Iterator[Callable[[str], Stack]]:
    """Make stacks in directories of a test's own; all are wiped afterwards."""
    made = []

    def make(name: str = "state") -> Stack:
        made.append(Stack(tmp_path / name, Machine(), said.append))
        return made[-1]

    yield make
    for stack in made:
        stack.down(wipe=True)


@pytest.fixture
def no_postgres(postgres_server: PostgresServer) -> Configured:
    """Settings that name a PostgreSQL, where a test is not about it: making one takes the longest."""
    return Configured(postgres=postgres_server.url)


def up(stack: Stack, configured: Configured = NOTHING, wanted: Wanted = Wanted.AUTO) -> dict[str, str]:
    return stack.up(wanted, configured, TOPICS).variables()


def pids(stack: Stack) -> dict[str, str]:
    return {state.name: state.condition for state in stack.states()}


def test_up_makes_servers_and_topics_and_again_leaves_them_alone(
    new_stack: Callable[..., Stack], said: list[str]
) -> None:
    stack = new_stack()
    variables = up(stack)
    assert [state.problem for state in stack.states()] == [None, None, None]
    counts = kafka_admin.partitions(variables["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"])
    assert {name: counts[name] for name in TOPICS} == TOPICS
    assert variables["UPIFRAUD_KAFKA_ASSIGNMENT"] == "roundrobin"
    assert "kafka: embedded, because the settings name no other, and it needs neither Docker nor Java" in said
    before = pids(stack)
    said.clear()
    assert up(stack) == variables
    assert pids(stack) == before
    assert {"kafka: runs already", "redis: runs already", "postgres: runs already", "topics: all there"} <= set(said)


def test_down_keeps_data_and_addresses_for_the_next_up(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    variables = up(stack)
    with redis.Redis.from_url(variables["UPIFRAUD_REDIS_URL"]) as client:
        client.set("payer", "kept")
    with psycopg.connect(variables["UPIFRAUD_POSTGRES_URL"]) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    assert sorted(stack.down()) == ["kafka", "postgres", "redis"]
    assert set(pids(stack).values()) == {"stopped"}
    assert stack.down() == []
    assert up(stack) == variables
    with redis.Redis.from_url(variables["UPIFRAUD_REDIS_URL"]) as client:
        assert client.get("payer") == b"kept"
    assert postgres.tables(variables["UPIFRAUD_POSTGRES_URL"]) == ["kept"]


def test_stacks_in_two_directories_do_not_meet(new_stack: Callable[..., Stack], no_postgres: Configured) -> None:
    one, two = new_stack("one"), new_stack("two")
    first, second = up(one, no_postgres), up(two, no_postgres)
    own = ["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS", "UPIFRAUD_REDIS_URL"]
    assert not {first[name] for name in own} & {second[name] for name in own}
    with redis.Redis.from_url(first["UPIFRAUD_REDIS_URL"]) as client:
        client.set("payer", "of the first")
    with redis.Redis.from_url(second["UPIFRAUD_REDIS_URL"]) as client:
        assert client.get("payer") is None
    one.down()
    assert [state.problem for state in two.states()] == [None, None, None]


def test_servers_that_crashed_are_seen_and_started_again_with_their_data(
    new_stack: Callable[..., Stack], said: list[str]
) -> None:
    stack = new_stack()
    variables = up(stack)
    with psycopg.connect(variables["UPIFRAUD_POSTGRES_URL"]) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    stack._postgres.kill()
    stack._redis.kill()
    crashed = {state.name: (state.condition, state.problem) for state in stack.states()}
    assert crashed["postgres"] == crashed["redis"] == ("crashed", "it is crashed")
    assert crashed["kafka"][1] is None
    assert up(stack) == variables
    assert "postgres: its last run ended without being stopped; starting it again with its data" in said
    assert postgres.tables(variables["UPIFRAUD_POSTGRES_URL"]) == ["kept"]


def test_server_whose_port_was_taken_while_it_was_down_moves_with_its_data(
    new_stack: Callable[..., Stack], no_postgres: Configured, said: list[str]
) -> None:
    stack = new_stack()
    variables = up(stack, no_postgres)
    with redis.Redis.from_url(variables["UPIFRAUD_REDIS_URL"]) as client:
        client.set("payer", "kept")
    stack.down()
    port = stack._redis.port
    with socket.create_server((HOST, port)):
        moved = up(stack, no_postgres)
    assert moved["UPIFRAUD_REDIS_URL"] != variables["UPIFRAUD_REDIS_URL"]
    assert f"redis: somebody else has port {port} now; it took {stack._redis.port}" in said
    with redis.Redis.from_url(moved["UPIFRAUD_REDIS_URL"]) as client:
        assert client.get("payer") == b"kept"


def test_servers_that_the_settings_name_are_used_and_not_started(
    new_stack: Callable[..., Stack],
    kafka: Broker,
    redis_server: ValkeyServer,
    postgres_server: PostgresServer,
) -> None:
    stack = new_stack()
    named = Configured(kafka.bootstrap_servers, redis_server.url, postgres_server.url)
    variables = up(stack, named)
    assert variables == {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "UPIFRAUD_REDIS_URL": redis_server.url,
        "UPIFRAUD_POSTGRES_URL": postgres_server.url,
    }
    assert {(state.kind, state.problem) for state in stack.states()} == {(Kind.SETTINGS, None)}
    assert pids(stack) == {
        "kafka": "not ours",
        "redis": f"not ours{valkey.memory_from(redis_server.url)}",
        "postgres": "not ours",
    }
    assert "memory from" in pids(stack)["redis"]
    assert TOPICS.keys() <= kafka_admin.partitions(kafka.bootstrap_servers).keys()
    assert stack.down() == []
    assert redis_server.running
    kafka_admin.delete_topics(kafka.bootstrap_servers, list(TOPICS))


def test_up_in_a_shell_that_has_read_the_env_file_is_no_different(new_stack: Callable[..., Stack]) -> None:
    """The addresses in the environment are then the stack's own, also while it is down."""
    stack = new_stack()
    variables = up(stack)
    own = Configured(
        *(variables[f"UPIFRAUD_{name}"] for name in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "POSTGRES_URL"))
    )
    assert up(stack, own) == variables
    stack.down()
    assert up(stack, own) == variables
    assert {state.kind for state in stack.states()} == {Kind.EMBEDDED}


def test_address_that_nobody_answers_at_is_told_before_anything_is_started(
    new_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = new_stack()
    nowhere = f"redis://{HOST}:{free_port()}/0"
    with pytest.raises(NotReadyError, match="redis was expected to answer at the address in the settings"):
        up(stack, Configured(redis=nowhere))
    assert not any((tmp_path / "state").glob("*/server.pid"))


def test_other_broker_than_the_one_that_runs_is_refused(
    new_stack: Callable[..., Stack], no_postgres: Configured
) -> None:
    stack = new_stack()
    up(stack, no_postgres)
    with pytest.raises(FatalError, match=r"was to be apache, and this stack runs the broker embedded on .*down"):
        up(stack, wanted=Wanted.APACHE)
    with pytest.raises(FatalError, match="was to be kafka:9092, and this stack runs the broker embedded"):
        up(stack, Configured(kafka="kafka:9092"))
    assert [state.problem for state in stack.states()] == [None, None, None]


def test_tables_are_made_where_postgres_is_every_time(
    new_stack: Callable[..., Stack], no_postgres: Configured, said: list[str]
) -> None:
    stack = new_stack()
    urls = []

    def migrate(url: str) -> list[str]:
        urls.append(url)
        return [] if len(urls) > 1 else ["0001_first"]

    record = stack.up(Wanted.AUTO, no_postgres, TOPICS, migrate)
    stack.up(Wanted.AUTO, no_postgres, TOPICS, migrate)
    assert urls == [record.postgres.address] * 2
    assert [line for line in said if line.startswith("tables")] == ["tables: applied 0001_first", "tables: all there"]


def test_wipe_removes_what_the_stack_stored_and_nothing_else(new_stack: Callable[..., Stack], tmp_path: Path) -> None:
    stack = new_stack()
    up(stack)
    mine = tmp_path / "state" / "notes.txt"
    mine.write_text("mine")
    stack.down(wipe=True)
    assert stack.states() == []
    assert mine.read_text() == "mine"
    assert not [path for path in (tmp_path / "state").iterdir() if path.is_dir()]


def test_directory_that_never_was_a_stack_is_left_as_it_is(new_stack: Callable[..., Stack], tmp_path: Path) -> None:
    stack = new_stack()
    assert stack.down() == []
    assert stack.states() == []
    assert not (tmp_path / "state").exists()


@pytest.mark.apache
def test_apache_kafka_keeps_its_records_from_up_to_up(new_stack: Callable[..., Stack], no_postgres: Configured) -> None:
    stack = new_stack()
    variables = up(stack, no_postgres, Wanted.APACHE)
    servers = variables["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]
    assert variables["UPIFRAUD_KAFKA_ASSIGNMENT"] == "cooperative-sticky"
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    producer.produce("transactions", b"payment", partition=1)
    assert producer.flush(30) == 0
    stack.down()
    assert up(stack, no_postgres, Wanted.APACHE) == variables
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test"})
    try:
        assert consumer.get_watermark_offsets(TopicPartition("transactions", 1), timeout=30) == (0, 1)
    finally:
        consumer.close()
