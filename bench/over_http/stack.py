"""One stack with the API or the plain handler on it, each a process that runs while it is measured."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from typing import TYPE_CHECKING, Self

import redis

from bench import machine
from bench.peers.contestant import ONE_THREAD
from bench.peers.environment import ROOT
from bench.whole import UPIFRAUD
from local.ports import free_port
from local.postgres import make_database
from stream.verdict_store import migrate
from stream.verdict_store.door import keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.whole import Bench

API, PLAIN = "api", "plain handler"
START_SECONDS = 120.0
RATE = 100_000
"""Requests a second that our key may make."""
OF_THE_API = ("worker", "redis", "postgres", "kafka")
OF_THE_PLAIN = ("redis", "postgres")


class Served:
    """A process that serves HTTP; `name` is API or PLAIN."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path, bench: Bench) -> None:
        self.name, self._bench, self._log = name, bench, log
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*command, "--port", str(port)], env=dict(environment), cwd=ROOT, stdout=out, stderr=out
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/readyz", timeout=2).close()
                return self
            time.sleep(0.1)
        self.__exit__()
        raise RuntimeError(f"The {self.name} was not ready within {START_SECONDS:.0f} s: {self.said()}")

    def __exit__(self, *_exc: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        """Return its last words."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of this process and of the servers that its answers need."""
        others = OF_THE_API if self.name == API else OF_THE_PLAIN
        pids = self._bench.pids()
        used = {name: sum(map(machine.cpu_seconds, pids[name])) for name in others if name in pids}
        return {self.name: machine.cpu_seconds(self.process.pid), **used}


class ApiStack:
    """What both handlers need of a bench: the API's key, and a Redis database and a Postgres database of their own."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench, self._directory = bench, directory
        self.key = keys.create(bench.postgres.url, "bench", ["payments:write"], rate=RATE).key
        database = f"plain_{uuid.uuid4().hex[:8]}"
        make_database(bench.postgres.database_url("postgres"), database)
        migrate(bench.postgres.database_url(database))
        self.plain_redis_url = f"{bench.redis.url.rstrip('/')}/1"
        with redis.Redis.from_url(self.plain_redis_url) as client:
            client.ping()
        self._plain = {
            **bench.environment,
            **ONE_THREAD,
            "PYTHONPATH": str(ROOT),
            "UPIFRAUD_REDIS_URL": self.plain_redis_url,
            "UPIFRAUD_POSTGRES_URL": bench.postgres.database_url(database),
        }

    def api(self, workers: int = 1) -> Served:
        """Begin `upifraud api`."""
        environment = {**self.bench.environment, "UPIFRAUD_API_HOST": "127.0.0.1", "UPIFRAUD_LOG_LEVEL": "WARNING"}
        command = [str(UPIFRAUD), "api", "--workers", str(workers)]
        return Served(API, command, environment, self._directory / "api.log", self.bench)

    def plain(self) -> Served:
        """Begin the plain handler."""
        command = [sys.executable, "-m", "bench.over_http.plain"]
        return Served(PLAIN, command, {**os.environ, **self._plain}, self._directory / "plain.log", self.bench)
