"""The whole job on one machine: servers, workers, switch and observer side by side, and what is counted of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
import redis
from prometheus_client.parser import text_string_to_metric_families

from bench import grown, machine
from bench.latency import ends
from bench.load import Switch
from bench.named_threads import by_kind
from bench.observer import Observer
from bench.peers.environment import ROOT
from bench.run import Look
from local import kafka_admin
from local.kafka_jvm import JvmKafkaServer
from local.ports import free_port
from local.postgres import PostgresServer
from local.valkey import ValkeyServer
from stream.settings import Settings
from stream.verdict_store import migrate
from upifraud.local_stack import topics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

UPIFRAUD = Path(sys.executable).with_name("upifraud")
PAYMENTS_A_DAY = grown.PAYMENTS_A_DAY
"""By this the days that a run's payments spread over are known."""
LINGER_MS, LONG_LINGER_MS = 5.0, 25.0
"""How long the switch's client gathers records: for latency, and for throughput. A request for each of four partitions
every 5 ms costs the switch and Kafka 40 us a payment at 10,000/s, every 25 ms 22."""
CALENDAR = timedelta(days=90)
"""How long ago the first run begins: the runs of a stack follow each other, and none may reach into the future."""
OBSERVER_SECONDS = 0.01
READY_SECONDS = 600.0
"""For a worker to be ready: the first one of a checkout compiles its kernels."""
PARTITIONS = 4
"""For up to four workers on a small machine. The switch's librdkafka sends a request for each partition
(librdkafka issue 1700), and what costs Kafka most is requests."""


class Bench:
    """A fresh stack, workers, and the switch."""

    def __init__(
        self,
        directory: Path,
        *,
        payers: int,
        seed: int = 3,
        partitions: int = PARTITIONS,
        calendar: timedelta = CALENDAR,
        alert_partitions: int | None = None,
    ) -> None:
        """`alert_partitions`: as many as payments have, unless told."""
        self.partitions = partitions
        self._of_alerts = {} if alert_partitions is None else {"of_alerts": alert_partitions}
        self._payers, self._seed, self._directory = payers, seed, directory
        self._log = directory / "worker.log"
        self.kafka = JvmKafkaServer(directory / "kafka")
        self.redis = ValkeyServer(directory / "redis")
        self.postgres = PostgresServer(directory / "postgres")
        self._servers = {"kafka": self.kafka, "redis": self.redis, "postgres": self.postgres}
        self._workers: list[tuple[subprocess.Popen[bytes], int]] = []
        self._given: list[subprocess.Popen[bytes]] = []
        self._switch: Switch | None = None
        self._observer: Observer | None = None
        self._runs = 0
        self._now = datetime.now(UTC) - calendar
        """When the next run begins, by the switch's clock."""
        self.run_span = (self._now, self._now)
        """Of the last run, by the switch's clock."""

    def __enter__(self) -> Self:
        try:
            for server in self._servers.values():
                server.start()
            kafka_admin.make_topics(
                self.kafka.bootstrap_servers, topics_of(Settings(), self.partitions, **self._of_alerts)
            )
            migrate(self.postgres.url)
        except BaseException:
            self._end()
            raise
        self.environment = {
            **os.environ,
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "UPIFRAUD_REDIS_URL": self.redis.url,
            "UPIFRAUD_POSTGRES_URL": self.postgres.url,
            "UPIFRAUD_METRICS_HOST": "127.0.0.1",
        }
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end()

    def _end(self) -> None:
        workers = [*(worker for worker, _ in self._workers), *self._given]
        for worker in workers:
            worker.terminate()
        for worker in workers:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        for beside in (self._switch, self._observer):
            if beside is not None:
                beside.kill()
        for server in self._servers.values():
            server.kill()

    def fill(self, days: float, say: Callable[[str], None], cache: Path | None = None) -> grown.Filled:
        """Give Redis the logs of so many days of these payers, which end where the next run begins."""
        self._now = self._now.replace(hour=0, minute=0, second=0, microsecond=0)  # so that a cached history fits
        end = int(self._now.timestamp() * 1_000)
        history = grown.History(self._payers, self._seed, end - int(days * grown.DAY_MS), end)
        return grown.fill(self.redis.url, history, say, cache)

    def start_worker(self, count: int = 1, settings: Mapping[str, str] = {}) -> None:
        """Start workers, all at once, and wait until they are ready."""
        started = [self._launch(settings) for _ in range(count)]
        for worker, port in started:
            self._workers.append((worker, port))
        for worker, port in started:
            self._wait_ready(worker, port)

    @property
    def metrics_urls(self) -> list[str]:
        """Where the workers count."""
        return [f"http://127.0.0.1:{port}/metrics" for _, port in self._workers]

    @property
    def has_workers(self) -> bool:
        """Whether any were started and not stopped."""
        return bool(self._workers)

    def wait_shared(self, seconds: float = 60.0) -> None:
        """Wait until every worker has partitions of payments and all of them are taken."""
        deadline = time.monotonic() + seconds
        while True:
            shares = [
                sum(s.value for s in _scraped(port) if s.name == "partitions_assigned" and _of_payments(s))
                for _, port in self._workers
            ]
            if all(shares) and sum(shares) == self.partitions:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"Expected {self.partitions} partitions to be shared by all workers, got {shares}.")
            time.sleep(0.2)

    def second_worker(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start another worker, wait until it is ready, and return it with its metrics port; the caller ends it."""
        worker, port = self._launch({})
        self._given.append(worker)
        self._wait_ready(worker, port)
        return worker, port

    def _launch(self, settings: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        environment = {**self.environment, "UPIFRAUD_METRICS_PORT": str(port), **settings}
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "bench.named_threads", "worker"]
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log), port

    def _wait_ready(self, worker: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and worker.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                return
            time.sleep(0.1)
        worker.kill()
        raise RuntimeError(f"The worker was not ready within {READY_SECONDS:.0f} s: {self._log.read_text()[-2000:]}")

    def stop_worker(self) -> None:
        """Drain the workers and wait for their end."""
        for worker, _ in self._workers:
            worker.terminate()
        for worker, _ in self._workers:
            worker.wait(60)
        self._workers = []

    def switch(self, payments: int, rate: float, linger_ms: float = LINGER_MS, options: Sequence[str] = ()) -> Switch:
        """Start the switch beside. A fraud rate of its own gives each run ids of its own, of the same population.

        Each run begins where the one before ended, as time does: runs that each ended now would leave every log with
        records from the future of the next one.
        """
        self._runs += 1
        began, self._now = self._now, self._now + self._span(payments)
        self.run_span = (began, self._now)
        self._switch = Switch(
            self.environment,
            *("--seed", str(self._seed), "--payers", str(self._payers), "--payments", str(payments)),
            *("--rate", str(rate), "--buffered", "--fraud-rate", str(0.003 + self._runs * 1e-6)),
            *("--start", began.isoformat(timespec="seconds"), "--linger-ms", str(linger_ms)),
            *options,
        )
        return self._switch

    def _span(self, payments: int) -> timedelta:
        return span(payments, self._payers)

    def observer(self, payments: int, every: float = OBSERVER_SECONDS) -> Observer:
        """Start the observer beside, with the days ready over which the next run of so many payments spreads."""
        first, last = self._now.date(), (self._now + self._span(payments)).date()
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(
                "SELECT make_verdict_day(day::date) FROM generate_series(%s::date, %s::date, '1 day') AS day",
                (first, last),
            )
            days = connection.execute(
                "SELECT partition::text FROM verdict_days WHERE day BETWEEN %s AND %s", (first, last)
            ).fetchall()
        self._observer = Observer(
            self.environment,
            self._directory,
            days=["verdicts_early", *(name for (name,) in days)],
            partitions=self.partitions,
            every=every,
        )
        return self._observer

    def look(self) -> Look:
        """Count everything now."""
        samples = [sample for _, port in self._workers for sample in _scraped(port)]
        buckets: dict[float, float] = {}
        stages: dict[str, float] = {}
        kinds: dict[str, float] = {}
        for sample in samples:
            if sample.name == "end_to_end_latency_seconds_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
            elif sample.name == "stage_cpu_seconds_total":
                stage = sample.labels["stage"]
                stages[stage] = stages.get(stage, 0.0) + sample.value
        cpu, threads = self._used()
        busy, stolen = machine.busy_seconds()
        for worker, _ in self._workers:
            own = machine.thread_names(worker.pid)
            seconds = {thread: used for thread, used in threads["worker"].items() if thread in own}
            for kind, used in by_kind(worker.pid, own, seconds).items():
                kinds[kind] = kinds.get(kind, 0.0) + used
        return Look(
            at=time.monotonic(),
            consumed=sum(s.value for s in samples if s.name == "transactions_consumed_total"),
            stage_cpu=stages,
            latency=sorted(buckets.items()),
            cpu=cpu,
            lag=sum(s.value for s in samples if s.name == "consumer_lag_records"),
            threads=threads,
            busy=busy,
            stolen=stolen,
            stored=self._stored(),
            rounds=sum(s.value for s in samples if s.name == "micro_batch_records_count"),
            kinds=kinds,
        )

    def _used(self) -> tuple[dict[str, float], dict[str, dict[int, float]]]:
        pids = self.pids()
        cpu = {name: sum(machine.cpu_seconds(pid) for pid in some) for name, some in pids.items()}
        threads = {
            name: {thread: seconds for pid in some for thread, seconds in machine.thread_seconds(pid).items()}
            for name, some in pids.items()
        }
        if self._observer is not None and self._observer.process.poll() is None:
            # What Postgres does for the observer is no part of the job.
            served = machine.own_cpu_seconds(self._observer.server_pid)
            cpu["postgres"] -= served
            cpu["observer"] += served
            threads["postgres"].pop(self._observer.server_pid, None)
        return cpu, threads

    def pids(self) -> dict[str, list[int]]:
        """Return the processes that run, by name."""
        pids = {name: [server.process.pid] for name, server in self._servers.items() if server.process}
        pids["worker"] = [worker.pid for worker, _ in self._workers]
        if self._switch is not None and self._switch.process.poll() is None:
            pids["switch"] = [self._switch.pid]
        if self._observer is not None and self._observer.process.poll() is None:
            pids["observer"] = [self._observer.process.pid]
        return pids

    def _stored(self) -> dict[str, int]:
        with redis.Redis.from_url(self.redis.url) as client, psycopg.connect(self.postgres.url) as connection:
            in_redis = client.info("memory")["used_memory_dataset"]
            row = connection.execute(
                "SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn"
            ).fetchone()
        assert row is not None
        return {"redis": int(in_redis), "postgres": int(row[0]), "write-ahead log": int(row[1])}

    def wait_for(self, consumed: float, seconds: float = 300) -> None:
        """Wait until so many records are done."""
        deadline = time.monotonic() + seconds
        while (done := self.consumed()) < consumed:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Expected {consumed:.0f} records to be done within {seconds:.0f} s, got {done:.0f}: "
                    f"{self._log.read_text()[-1000:]}"
                )
            if self._switch is not None and self._switch.process.poll():
                self._switch.finish()  # says what went wrong
            time.sleep(0.25)

    def consumed(self) -> float:
        """Return the records done; a look at the metrics costs a worker some milliseconds."""
        return sum(
            s.value for _, port in self._workers for s in _scraped(port) if s.name == "transactions_consumed_total"
        )

    def accounted(self) -> dict[str, int]:
        """Count the records that were ever published, and the verdicts that are stored."""
        records = ends(self.kafka.bootstrap_servers, Settings().topic_transactions, self.partitions)
        with psycopg.connect(self.postgres.url) as connection:
            row = connection.execute("SELECT count(*) FROM verdicts_by_day").fetchone()
        assert row is not None
        return {"records": sum(records.values()), "verdicts": int(row[0])}

    def memory(self) -> dict[str, int]:
        """Return the resident bytes of the workers and the servers, what is shared counted once."""
        return {name: sum(machine.pss_bytes(pid) for pid in some) for name, some in self.pids().items()}


def span(payments: int, payers: int) -> timedelta:
    """Return the time in which so many payers make so many payments, and some more: no day is like another."""
    return timedelta(days=1.1 * payments / (payers * PAYMENTS_A_DAY) + 0.1)


def _of_payments(sample: Any) -> bool:
    return bool(sample.labels["topic"] == Settings().topic_transactions)


def _scraped(port: int) -> list[Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return [sample for family in families for sample in family.samples]


@contextlib.contextmanager
def fresh(
    payers: int,
    partitions: int = PARTITIONS,
    calendar: timedelta = CALENDAR,
    *,
    alert_partitions: int | None = None,
) -> Iterator[Bench]:
    """Yield a bench in a directory that goes away with it."""
    with (
        tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory,
        Bench(
            Path(directory),
            payers=payers,
            partitions=partitions,
            calendar=calendar,
            alert_partitions=alert_partitions,
        ) as bench,
    ):
        yield bench
