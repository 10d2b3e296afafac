"""Payments/s and CPU microseconds a payment of the worker and its peers, from one backlog, in one run.

One backlog is published; every contestant works on it from its beginning, as a consumer group of its own, with an empty
Redis and a fresh database. The first seconds are warm-up; then it is measured for so long, or until the backlog ends.
Contestants take turns, every other round in the opposite order, and medians are printed. A slow one sees only the
beginning of the backlog, where histories are short: that is to its advantage.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Protocol

import psycopg
import redis

from bench import machine
from bench.peers.contestant import PEERS, SCRAPED, UPIFRAUD, WORKER, Contestant, ContestantError
from bench.peers.progress import Done
from local import kafka_admin
from local.kafka_jvm import JvmKafkaServer
from local.postgres import PostgresServer, drop_database, make_database
from local.valkey import ValkeyServer
from stream.settings import Settings
from stream.verdict_store import migrate
from upifraud.local_stack import topics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local.server import ProcessServer

START_SECONDS = 180.0
WARM_BROKER_SECONDS = 5.0
POLL_SECONDS = 0.05
SCRAPE_SECONDS = 0.5


class Servers(Protocol):
    """Three servers that run on this machine; what Redis holds is lost."""

    kafka: JvmKafkaServer
    redis: ValkeyServer
    postgres: PostgresServer


@dataclass(frozen=True, slots=True)
class Backlog:
    """What everybody works on."""

    payments: int
    payers: int = 4_000
    seed: int = 3


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that is counted, at one moment."""

    at: float
    payments: int
    cpu: dict[str, float]


@dataclass(frozen=True, slots=True)
class Round:
    """One contestant's turn."""

    payments: int
    seconds: float
    us: dict[str, float]
    """CPU microseconds a payment: `own` for the contestant, and by server."""
    rss: int

    @property
    def rate(self) -> float:
        """Payments a second."""
        return self.payments / self.seconds


@dataclass(slots=True)
class PeerResult:
    """The rounds of one contestant; its figures are their medians."""

    name: str
    rounds: list[Round] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Payments a second."""
        return median(one.rate for one in self.rounds)

    @property
    def us(self) -> dict[str, float]:
        """CPU microseconds a payment."""
        return {name: median(one.us[name] for one in self.rounds) for name in self.rounds[0].us}


def run(
    servers: Servers,
    names: Sequence[str] = (WORKER, *PEERS),
    *,
    backlog: Backlog = Backlog(400_000),
    seconds: float = 20.0,
    warm_up: float = 3.0,
    rounds: int = 3,
    say: Callable[[str], None] = lambda _line: None,
    failed: dict[str, str] | None = None,
) -> list[PeerResult]:
    """Publish a backlog in topics of its own and measure every contestant on it; the worker should be among them.

    seconds: measured of each, behind the warm_up; `say` is told of every turn. Raises ContestantError where one ends or
    the backlog is too short for it; with `failed` its message is put there, and the others go on without it.
    """
    results = {name: PeerResult(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory:
        topics = publish(servers, backlog)
        _warm_broker(servers, topics, Path(directory))
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                if failed is not None and name in failed:
                    continue
                try:
                    with _fresh_state(servers, topics) as environment:
                        contestant = Contestant(name, environment, Path(directory))
                        turn = _measure(servers, contestant, environment, backlog, seconds, warm_up)
                except ContestantError as error:
                    if failed is None:
                        raise
                    failed[name] = str(error)
                    say(f"round {number + 1} of {rounds}: {name} FAILED: {error}")
                    continue
                results[name].rounds.append(turn)
                us = sum(turn.us.values())
                say(f"round {number + 1} of {rounds}: {name}, {turn.rate:,.0f} payments/s, {us:,.0f} us each in all")
    return [result for result in results.values() if result.rounds]


def _warm_broker(servers: Servers, topics: dict[str, str], directory: Path) -> None:
    """Let the worker have a turn that is not measured: the broker compiles what it does when it first does it."""
    with _fresh_state(servers, topics) as environment, Contestant(WORKER, environment, directory) as contestant:
        contestant.wait_for(Done(1, 0), START_SECONDS)
        time.sleep(WARM_BROKER_SECONDS)


def publish(servers: Servers, backlog: Backlog) -> dict[str, str]:
    """Publish the backlog into new topics and return the settings that name them."""
    mark = uuid.uuid4().hex[:8]
    kinds = ("transactions", "outcomes", "alerts")
    names = {f"topic_{kind}": f"bench-{kind}-{mark}" for kind in kinds}
    kafka_admin.make_topics(servers.kafka.bootstrap_servers, topics_of(Settings(**names)))
    topics = {f"UPIFRAUD_{name.upper()}": topic for name, topic in names.items()}
    command = [
        UPIFRAUD, "simulate", "--seed", str(backlog.seed), "--payers", str(backlog.payers),
        "--payments", str(backlog.payments), "--rate", "200000", "--buffered",
    ]  # fmt: skip
    environment = {
        **os.environ,
        **topics,
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
    }
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return topics


@contextlib.contextmanager
def own_servers() -> Iterator[Servers]:
    """Start the servers that the benchmarks use, in a directory that goes away with them."""

    class Own:
        def __init__(self, directory: Path) -> None:
            self.kafka = JvmKafkaServer(directory / "kafka")
            self.redis = ValkeyServer(directory / "redis")
            self.postgres = PostgresServer(directory / "postgres")

    with tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory:
        servers = Own(Path(directory))
        try:
            for server in vars(servers).values():
                server.start()
            yield servers
        finally:
            for server in vars(servers).values():
                server.kill()


@contextlib.contextmanager
def _fresh_state(servers: Servers, topics: dict[str, str]) -> Iterator[dict[str, str]]:
    """Empty Redis, make a database, and let Postgres write down what the one before has left it to write."""
    with redis.Redis.from_url(servers.redis.url, socket_timeout=60) as client:
        client.flushall()
    maintenance, database = servers.postgres.database_url("postgres"), f"bench_{uuid.uuid4().hex}"
    make_database(maintenance, database)
    migrate(servers.postgres.database_url(database))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    environment = {
        **topics,
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
        "UPIFRAUD_REDIS_URL": servers.redis.url,
        "UPIFRAUD_POSTGRES_URL": servers.postgres.database_url(database),
        "UPIFRAUD_CONSUMER_GROUP": f"bench-{uuid.uuid4().hex}",
        "UPIFRAUD_LOG_LEVEL": "WARNING",
    }
    try:
        yield environment
    finally:
        drop_database(maintenance, database)


def _measure(
    servers: Servers,
    contestant: Contestant,
    environment: dict[str, str],
    backlog: Backlog,
    seconds: float,
    warm_up: float,
) -> Round:
    with contestant:
        first = _first_look(servers, contestant, backlog.payments, warm_up)
        last = _last_look(servers, contestant, first, backlog.payments, seconds)
        rss = machine.rss_bytes(contestant.pid)
    with psycopg.connect(environment["UPIFRAUD_POSTGRES_URL"]) as connection:
        rows = connection.execute("SELECT count(*) FROM verdicts_by_day").fetchone()
    if rows is None or rows[0] < last.payments:
        raise ContestantError(f"{contestant.name} says that {last.payments} payments are done, Postgres has {rows}.")
    payments = last.payments - first.payments
    us = {name: (cpu - first.cpu[name]) / payments * 1e6 for name, cpu in last.cpu.items()}
    return Round(payments, last.at - first.at, us, rss)


def _first_look(servers: Servers, contestant: Contestant, payments: int, warm_up: float) -> Look:
    """Look at the first progress behind the warm-up, which begins with the first payment done."""
    deadline = time.monotonic() + START_SECONDS
    warm_at = None
    before = 0
    while True:
        done = contestant.done().payments
        now = time.monotonic()
        if done >= payments:
            raise _too_little(contestant, payments)
        if done and warm_at is None:
            warm_at = now + warm_up
        if warm_at is not None and now >= warm_at and done > before:
            return _look(servers, contestant, done)
        if now > deadline:
            raise ContestantError(f"{contestant.name} did not get going in {START_SECONDS} s:\n{contestant.tail()}")
        before = done
        time.sleep(_interval(contestant))


def _last_look(servers: Servers, contestant: Contestant, first: Look, payments: int, seconds: float) -> Look:
    """Look at the last progress within the time, before the backlog ends: what comes then is partly waiting."""
    last = first
    while time.monotonic() < first.at + seconds or last is first:
        time.sleep(_interval(contestant))
        done = contestant.done().payments
        if done >= payments:
            break
        if done > last.payments:
            last = _look(servers, contestant, done)
        if time.monotonic() > first.at + seconds + START_SECONDS:
            raise ContestantError(f"{contestant.name} does not get on:\n{contestant.tail()}")
    if last is first:
        raise _too_little(contestant, payments)
    return last


def _too_little(contestant: Contestant, payments: int) -> ContestantError:
    return ContestantError(
        f"{contestant.name} was through with {payments:,} payments before it could be measured: use more (--payments), "
        "or less warm-up (--warm-up)."
    )


def _interval(contestant: Contestant) -> float:
    return SCRAPE_SECONDS if contestant.name in SCRAPED else POLL_SECONDS


def _look(servers: Servers, contestant: Contestant, payments: int) -> Look:
    pids = {"own": contestant.pid}
    by_name: dict[str, ProcessServer] = {
        "kafka": servers.kafka, "redis": servers.redis, "postgres": servers.postgres
    }  # fmt: skip
    pids |= {name: server.process.pid for name, server in by_name.items() if server.process is not None}
    return Look(time.monotonic(), payments, {name: machine.cpu_seconds(pid) for name, pid in pids.items()})


def table(results: Sequence[PeerResult]) -> str:
    """Return the results as lines, ratios to the worker in them where it was measured."""
    worker = next((one for one in results if one.name == WORKER), None)
    lines = [
        (
            f"{'':14} {'payments/s':>10} {'worker is':>10}   CPU us a payment: {'own':>8} {'kafka':>7} {'redis':>7} "
            f"{'postgres':>8} {'all':>8} {'of worker':>10}"
        )
    ]
    for one in results:
        us, total = one.us, sum(one.us.values())
        faster = f"{worker.rate / one.rate:9.2f}x" if worker else ""
        dearer = f"{total / sum(worker.us.values()):9.2f}x" if worker else ""
        lines.append(
            f"{one.name:14} {one.rate:10,.0f} {faster:>10} {'':20} {us['own']:8.1f} {us['kafka']:7.1f} "
            f"{us['redis']:7.1f} {us['postgres']:8.1f} {total:8.1f} {dearer:>10}"
        )
    by_name = {one.name: one for one in results}
    if worker and "plain" in by_name:
        plain = by_name["plain"]
        lines.append(
            f"worker / plain loop around the same stages: CPU of the process {worker.us['own'] / plain.us['own']:.2f}, "
            f"rate {worker.rate / plain.rate:.2f}"
        )
    return "\n".join(lines)


def as_json(results: Sequence[PeerResult]) -> list[dict[str, object]]:
    """Return the results as JSON takes them, medians beside the rounds."""
    return [{**asdict(one), "rate": one.rate, "us": one.us} for one in results]


def write_json(path: Path, results: Sequence[PeerResult], facts: dict[str, object]) -> None:
    """Write the results with what is to be known of the run."""
    path.write_text(json.dumps({**facts, "peers": as_json(results)}, indent=2) + "\n")
