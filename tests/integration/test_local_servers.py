"""Every server starts, answers, keeps its data and port, and is told from whatever else runs."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from local import allocator, kafka_admin, postgres, valkey
from local.allocator import Allocator
from local.errors import FatalError, NotReadyError, PortTakenError
from local.ports import HOST, free_port
from local.postgres import PostgresServer
from local.process import ProcessId, spawn
from local.tansu import TansuServer
from local.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.kafka import Broker
    from local.server import ProcessServer

pytestmark = pytest.mark.servers

SERVERS = {"redis": ValkeyServer, "postgres": PostgresServer, "tansu": TansuServer}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, server_directory: Path, tmp_path: Path) -> Iterator[ProcessServer]:
    """One server of each kind, in turn, never started before."""
    found = SERVERS[request.param](tmp_path / request.param)
    yield found
    found.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of our own that starts fast."""
    found = ValkeyServer(tmp_path / "redis")
    yield found
    found.kill()


def test_server_starts_once_and_stops_once(server: ProcessServer) -> None:
    assert not server.running
    server.stop()
    server.start()
    first = server.process
    assert server.running
    assert server.problem() is None
    assert server.ready_seconds is not None
    server.start()
    assert server.process == first
    assert server.ready_seconds is None
    server.stop()
    assert not server.running
    assert not server.stale
    assert server.problem() is not None
    server.stop()


def test_server_that_was_killed_is_stale_and_comes_back_on_its_port(server: ProcessServer) -> None:
    server.start()
    address = server.address
    server.kill()
    assert not server.running
    assert server.stale
    server.start()
    assert server.address == address
    assert not server.stale


def test_another_program_takes_over_from_the_directory_alone(server: ProcessServer) -> None:
    server.start()
    other = type(server)(server.directory)
    assert other.running
    assert other.address == server.address
    other.stop()
    assert not server.running


def test_pid_of_the_last_run_that_somebody_else_has_now_is_left_alone(store: ValkeyServer, tmp_path: Path) -> None:
    """A crash, then a pid file whose number the kernel has given to another program."""
    store.start()
    dead = store.process
    store.kill()
    stranger = spawn(["/bin/sleep", "300"], log=tmp_path / "log")
    try:
        assert dead is not None
        ProcessId(stranger.pid, dead.started_ticks, dead.boot_id).save(store.directory / "server.pid")
        assert store.stale
        store.stop()
        store.start()
        store.kill()
        assert stranger.alive()
    finally:
        stranger.kill()


def test_port_that_somebody_took_is_told(store: ValkeyServer) -> None:
    store.start()
    port = store.port
    store.stop()
    with (
        socket.create_server((HOST, port)),
        pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port}, and another process does"),
    ):
        store.start()
    assert not store.running
    store.start()
    assert store.port == port


def test_server_that_moves_takes_another_port_and_keeps_its_data(store: ValkeyServer) -> None:
    store.start()
    port = store.port
    with redis.Redis.from_url(store.url) as client:
        client.set("payer", "kept")
    store.stop()
    store.move()
    with socket.create_server((HOST, port)):
        store.start()
        with redis.Redis.from_url(store.url) as client:
            assert client.get("payer") == b"kept"


def test_another_server_on_our_port_is_not_taken_for_ours(store: ValkeyServer, tmp_path: Path) -> None:
    """Ours runs and does not listen, and a stranger of the same kind has its port."""
    store.start()
    assert store.process is not None
    pretender = ValkeyServer(tmp_path / "pretender", port=store.port)
    pretender.directory.mkdir()
    ours = spawn(["/bin/sleep", "300"], log=tmp_path / "log")
    try:
        ours.save(pretender.directory / "server.pid")
        assert pretender.problem() == f"process {store.process.pid} answers, expected {ours.pid}"
    finally:
        ours.kill()


def test_server_that_cannot_start_says_what_its_log_says(server_directory: Path, tmp_path: Path) -> None:
    class Broken(ValkeyServer):
        def _command(self) -> list[str]:
            return [*super()._command(), "--maxmemory-policy", "sometimes"]

    server = Broken(tmp_path / "broken")
    with pytest.raises(NotReadyError, match=r"ended while it was starting(.|\n)*maxmemory-policy"):
        server.start()
    assert not server.running
    assert not server.stale


def test_server_that_does_not_answer_in_time_is_stopped_again(tmp_path: Path) -> None:
    class Mute(ValkeyServer):
        start_seconds = 0.3

        def _command(self) -> list[str]:
            return ["/bin/sleep", "300"]

    server = Mute(tmp_path / "mute")
    with pytest.raises(NotReadyError, match="does not: ConnectionError"):
        server.start()
    assert not server.running


def test_redis_never_evicts_and_keeps_what_it_was_given_over_a_power_cut(redis_url: str) -> None:
    assert valkey.setting(redis_url, "maxmemory-policy") == "noeviction"
    assert valkey.setting(redis_url, "appendonly") == "yes"
    assert valkey.setting(redis_url, "appendfsync") == "everysec"


def test_redis_with_a_damaged_file_says_how_to_go_on(store: ValkeyServer) -> None:
    store.start()
    with redis.Redis.from_url(store.url) as client:
        for number in range(2_000):
            client.set(f"key-{number}", b"x" * 100)
    store.stop()
    (file,) = (store.data / "appendonlydir").glob("*.incr.aof")
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size // 2)
        damaged.write(bytes(4_096))
    with pytest.raises(NotReadyError, match=r"appendonlydir away.*`upifraud rebuild-features`"):
        store.start()
    (store.data / "appendonlydir").rename(store.data / "damaged")
    store.start()
    with redis.Redis.from_url(store.url) as client:
        assert client.dbsize() == 0


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Say which allocators this machine has."""

    def say(*libraries: str) -> None:
        allocator.choose.cache_clear()
        monkeypatch.setattr(allocator, "libraries", lambda: iter(libraries))

    yield say
    allocator.choose.cache_clear()


@pytest.mark.parametrize("library", list(allocator.libraries()))
def test_redis_takes_memory_from_each_allocator_that_is_there(
    library: str, store: ValkeyServer, at_hand: Callable[..., None]
) -> None:
    at_hand(library)
    store.start()
    assert store.process is not None
    found = valkey.memory_of(store.url)
    assert found is not None
    assert found.preloaded is not None
    assert Path(found.preloaded).name.startswith(Path(library).name.partition(".")[0])
    assert found.preloaded in Path(f"/proc/{store.process.pid}/maps").read_text()
    assert not found.is_slow
    assert store.whereabouts == f"pid {store.process.pid}, memory from {found}"
    assert list(store.remarks()) == [f"it takes its memory from {found}"]


def test_redis_starts_without_an_allocator_that_cannot_be_loaded_and_says_so(
    store: ValkeyServer, at_hand: Callable[..., None], tmp_path: Path
) -> None:
    library = tmp_path / "libjemalloc.so.2"
    library.write_text("for another machine")
    at_hand(str(library))
    store.start()
    assert store.problem() is None
    assert valkey.memory_of(store.url) == Allocator("libc")
    first, to_do, refused = store.remarks()
    assert first == "it takes its memory from the C library"
    assert "libjemalloc2" in to_do
    assert refused.startswith(f"{library} cannot be preloaded: ")
    assert store.whereabouts.endswith(", memory from the C library (`upifraud doctor` says what to do)")


def test_a_redis_that_does_not_answer_tells_nothing_of_its_memory(store: ValkeyServer) -> None:
    store.start()
    store.kill()
    assert valkey.memory_of(store.url) is None
    assert list(store.remarks()) == []


def test_postgres_has_the_settings_that_are_asked_for(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        found = dict(connection.execute("SELECT name, current_setting(name) FROM pg_settings").fetchall())
    expected = postgres.SETTINGS
    assert {name: found[name.lower() if name != "timezone" else "TimeZone"] for name in expected} == expected
    assert found["server_version"].startswith("18")
    assert found["data_checksums"] == "on"


def test_postgres_refuses_who_does_not_know_the_password(postgres_server: PostgresServer) -> None:
    port = postgres_server.port
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:guess@{HOST}:{port}/upifraud")
    assert (postgres_server.directory / "password").stat().st_mode & 0o077 == 0


def test_postgres_starts_after_a_reboot_that_gave_its_pid_to_somebody_else(
    tmp_path: Path, server_directory: Path
) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.start()
    try:
        last = server.process
        server.kill()
        assert last is not None
        ProcessId(last.pid, last.started_ticks, "the boot before").save(server.directory / "server.pid")
        lock = server.data / "postmaster.pid"
        # A process of the server's own user, as PostgreSQL would find it.
        stranger = spawn([*postgres._as_nobody(), "/bin/sleep", "300"], log=tmp_path / "log")
        try:
            lines = lock.read_text().splitlines()
            lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            server.start()
            assert server.problem() is None
            assert stranger.alive()
        finally:
            stranger.kill()
    finally:
        server.stop()


def test_interrupted_initdb_is_done_again(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.data.mkdir(parents=True)
    (server.data / "base").mkdir()
    server.start()
    assert server.problem() is None
    server.stop()


def test_postgres_database_is_made_once_and_dropped_with_its_clients(postgres_server: PostgresServer) -> None:
    maintenance = postgres_server.database_url("postgres")
    assert postgres.make_database(maintenance, "once")
    assert not postgres.make_database(maintenance, "once")
    with psycopg.connect(postgres_server.database_url("once"), autocommit=True) as connection:
        postgres.drop_database(maintenance, "once")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres.drop_database(maintenance, "once")


def test_embedded_broker_forgets_its_topics_and_says_so(tmp_path: Path) -> None:
    server = TansuServer(tmp_path / "tansu")
    server.start()
    try:
        assert kafka_admin.make_topics(server.bootstrap_servers, {"payments": 3}) == ["payments"]
        assert kafka_admin.make_topics(server.bootstrap_servers, {"payments": 3}) == []
        assert kafka_admin.partitions(server.bootstrap_servers)["payments"] == 3
        server.stop()
        server.start()
        assert "payments" not in kafka_admin.partitions(server.bootstrap_servers)
        assert not server.durable
    finally:
        server.kill()


@pytest.mark.apache  # the embedded broker makes any topic that is asked for
def test_topic_that_the_broker_refuses_is_told(kafka: Broker) -> None:
    with pytest.raises(FatalError, match="Topic a b with 1 partitions was to be made"):
        kafka_admin.make_topics(kafka.bootstrap_servers, {"a b": 1})


def test_broker_that_is_not_there_is_told_in_words() -> None:
    port = free_port()
    assert kafka_admin.ask(f"{HOST}:{port}") == f"nobody listens on {HOST}:{port}"


def test_broker_of_another_cluster_is_not_taken_for_ours(kafka: Broker) -> None:
    problem = kafka_admin.ask(kafka.bootstrap_servers, cluster_id="somebody-elses")
    assert problem is not None
    assert "expected 'somebody-elses'" in problem


def test_stop_lets_clients_finish_nothing_but_ends_in_time(store: ValkeyServer) -> None:
    """A client that is connected does not hold the server up."""
    store.start()
    with redis.Redis.from_url(store.url) as client:
        client.ping()
        assert store.process is not None
        assert store.process.stop(10, signal.SIGTERM)
