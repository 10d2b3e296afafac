"""The whole job measured on one machine: servers, switch and worker side by side, rate, latency and CPU a payment."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from prometheus_client.parser import text_string_to_metric_families

from bench.machine import cpu_seconds, rss_bytes
from local import kafka_admin
from local.kafka_jvm import JvmKafkaServer
from local.postgres import PostgresServer
from local.valkey import ValkeyServer
from stream.settings import Settings
from stream.verdict_store import migrate
from upifraud.local_stack import topics_of

if TYPE_CHECKING:
    from collections.abc import Iterator

UPIFRAUD = Path(sys.executable).with_name("upifraud")
STAGES = ("decode", "claim", "features", "score", "explain", "store", "publish")


@dataclass
class Look:
    """Everything that is counted, at one moment."""

    at: float
    consumed: float
    stage_cpu: dict[str, float]
    latency: list[tuple[float, float]]
    """Upper bound and cumulative count of the end-to-end histogram."""
    cpu: dict[str, float]
    lag: float
    """Records published and not done."""


@dataclass
class Run:
    """What happened between two looks."""

    name: str
    payments: int
    seconds: float
    us: dict[str, float]
    """CPU microseconds a payment, by process."""
    stage_us: dict[str, float]
    latency_ms: dict[str, float] = field(default_factory=dict)
    """Quantiles, interpolated within the histogram's buckets."""
    lags: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the first look, and the records that waited then."""

    @property
    def rate(self) -> float:
        """Payments a second."""
        return self.payments / self.seconds


class Bench:
    """A fresh stack, one worker, and the switch."""

    def __init__(self, directory: Path, *, payers: int, seed: int = 3) -> None:
        self._payers, self._seed, self._log = payers, seed, directory / "worker.log"
        self.kafka = JvmKafkaServer(directory / "kafka")
        self.redis = ValkeyServer(directory / "redis")
        self.postgres = PostgresServer(directory / "postgres")
        self._servers = {"kafka": self.kafka, "redis": self.redis, "postgres": self.postgres}
        self.worker: subprocess.Popen[bytes] | None = None
        self._runs = 0

    def __enter__(self) -> Self:
        for server in self._servers.values():
            server.start()
        kafka_admin.make_topics(self.kafka.bootstrap_servers, topics_of(Settings()))
        migrate(self.postgres.url)
        self._port = free_port()
        self.environment = {
            **os.environ,
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "UPIFRAUD_REDIS_URL": self.redis.url,
            "UPIFRAUD_POSTGRES_URL": self.postgres.url,
            "UPIFRAUD_METRICS_PORT": str(self._port),
            "UPIFRAUD_METRICS_HOST": "127.0.0.1",
        }
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop_worker()
        for server in self._servers.values():
            server.kill()

    def start_worker(self) -> None:
        """Start the worker and wait until it is ready."""
        self.worker = self._launch(self._port)

    def second_worker(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start another worker, wait until it is ready, and return it with its metrics port; the caller ends it."""
        port = free_port()
        return self._launch(port), port

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        environment = {**self.environment, "UPIFRAUD_METRICS_PORT": str(port)}
        with self._log.open("ab") as log:
            worker = subprocess.Popen([UPIFRAUD, "worker"], env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                return worker
            time.sleep(0.1)
        worker.kill()
        raise RuntimeError(f"The worker was not ready within 120 s: {self._log.read_text()[-2000:]}")

    def stop_worker(self) -> None:
        """Drain the worker and wait for its end."""
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(60)
            self.worker = None

    def switch(self, payments: int, rate: float) -> subprocess.Popen[bytes]:
        """Start the switch beside. A fraud rate of its own gives each run ids of its own, of the same population."""
        self._runs += 1
        arguments = [
            "simulate", "--seed", str(self._seed), "--payers", str(self._payers), "--payments", str(payments),
            "--rate", str(rate), "--buffered", "--fraud-rate", str(0.003 + self._runs * 1e-6),
        ]  # fmt: skip
        return subprocess.Popen(
            [UPIFRAUD, *arguments], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def look(self, switch: subprocess.Popen[bytes] | None = None) -> Look:
        """Count everything now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [sample for family in families for sample in family.samples]
        assert self.worker is not None
        pids = {name: server.process.pid for name, server in self._servers.items() if server.process}
        pids["worker"] = self.worker.pid
        if switch is not None:
            pids["switch"] = switch.pid
        return Look(
            at=time.monotonic(),
            consumed=sum(s.value for s in samples if s.name == "transactions_consumed_total"),
            stage_cpu={s.labels["stage"]: s.value for s in samples if s.name == "stage_cpu_seconds_total"},
            latency=[
                (float(s.labels["le"]), s.value) for s in samples if s.name == "end_to_end_latency_seconds_bucket"
            ],
            cpu={name: cpu_seconds(pid) for name, pid in pids.items()},
            lag=sum(s.value for s in samples if s.name == "consumer_lag_records"),
        )

    def wait_for(self, consumed: float, seconds: float = 300) -> None:
        """Wait until so many records are done."""
        deadline = time.monotonic() + seconds
        while self.look().consumed < consumed:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The worker did not get to {consumed:.0f} records within {seconds:.0f} s.")
            time.sleep(0.5)  # a look at the metrics costs the worker 12 ms

    def memory(self) -> dict[str, int]:
        """Return the resident bytes of the worker and the servers."""
        pids = {name: server.process.pid for name, server in self._servers.items() if server.process}
        if self.worker is not None:
            pids["worker"] = self.worker.pid
        return {name: rss_bytes(pid) for name, pid in pids.items()}


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def between(name: str, first: Look, last: Look) -> Run:
    """Return the difference of two looks."""
    payments = max(1, int(last.consumed - first.consumed))
    us = {one: (cpu - first.cpu.get(one, 0.0)) / payments * 1e6 for one, cpu in last.cpu.items()}
    stages = {one: (last.stage_cpu[one] - first.stage_cpu.get(one, 0.0)) / payments * 1e6 for one in last.stage_cpu}
    counts = [(bound, count - before) for (bound, count), (_, before) in zip(last.latency, first.latency, strict=True)]
    latency = {
        label: _quantile(counts, share) * 1e3 for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }
    return Run(name, payments, last.at - first.at, us, stages, latency)


def _quantile(counts: list[tuple[float, float]], share: float) -> float:
    wanted = share * counts[-1][1]
    below, start = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            inside = count - below
            return (
                start
                if bound == float("inf")
                else start + (bound - start) * ((wanted - below) / inside if inside else 1)
            )
        below, start = count, bound
    return start


def drain(bench: Bench, payments: int) -> Run:
    """Publish a backlog while the worker is away, then measure how fast it is worked off, after a third of it."""
    bench.stop_worker()
    bench.switch(payments, 200_000).wait(300)
    bench.start_worker()
    bench.wait_for(payments // 3)
    first = bench.look()
    bench.wait_for(payments * 9 // 10)  # while it is still behind: the end of a backlog is not at full speed
    run = between("backlog", first, bench.look())
    bench.wait_for(payments)
    return run


def open_loop(bench: Bench, rate: float, seconds: float) -> Run:
    """Publish on schedule, whatever the worker does, and measure from the scheduled time on; 3 s are warm-up."""
    began = bench.look().consumed
    payments = int(rate * (seconds + 3))
    switch = bench.switch(payments, rate)
    bench.wait_for(began + rate * 3, 600)  # making the payments comes first
    first = last = bench.look(switch)
    lags: list[tuple[float, float]] = []
    while last.at < first.at + seconds - 1:
        time.sleep(min(5.0, max(0.0, first.at + seconds - 1 - time.monotonic())))
        last = bench.look(switch)
        lags.append((last.at - first.at, last.lag))
    run = between(f"open loop {rate:.0f}/s", first, last)
    run.lags = lags
    switch.wait(120)
    bench.wait_for(began + payments)
    return run


@contextlib.contextmanager
def fresh(payers: int) -> Iterator[Bench]:
    """Yield a bench in a directory that goes away with it."""
    with (
        tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory,
        Bench(Path(directory), payers=payers) as bench,
    ):
        yield bench
