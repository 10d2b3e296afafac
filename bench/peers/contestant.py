"""One contestant as a process: the worker or a peer, on servers that are given, in state of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from bench.peers import progress
from bench.peers.environment import QUIX_PYTHON, ROOT
from bench.peers.progress import Done
from local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

WORKER = "worker"
PEERS = ("textbook", "quix", "quix-compiled", "plain", "plain-single")
SCRAPED = (WORKER, "plain", "plain-single")
"""Who counts on the worker's metrics port; asking there costs a contestant milliseconds, and these alike."""

UPIFRAUD = Path(sys.executable).with_name("upifraud")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""For one row scikit-learn's threads only wait for each other, spinning: whoever calls it per payment is better off."""


class ContestantError(RuntimeError):
    """A contestant ended, or did not get on."""


class Contestant:
    """Runs from `start` until `stop`; `done` says how far it has come."""

    def __init__(self, name: str, environment: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self._log, self._progress = directory / f"{name}.log", directory / f"{name}.progress"
        self._port = free_port()
        self._environment = {
            **os.environ,
            **ONE_THREAD,
            **environment,
            "PYTHONPATH": str(ROOT),
            "UPIFRAUD_METRICS_PORT": str(self._port),
            "UPIFRAUD_METRICS_HOST": "127.0.0.1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process, from `start` on."""
        if self._process is None:
            raise ContestantError(f"{self.name} was not started.")
        return self._process.pid

    def start(self) -> None:
        """Start it; it is not ready yet."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command(), env=self._environment, stdout=log, stderr=log, cwd=ROOT)

    def _command(self) -> list[str]:
        if self.name == WORKER:
            return [str(UPIFRAUD), "worker"]
        python = Path(sys.executable)
        if self.name.startswith("quix"):
            if not QUIX_PYTHON.exists():
                raise ContestantError(f"{self.name} needs the environment in {QUIX_PYTHON}: run `make install-bench`.")
            python = QUIX_PYTHON
        return [str(python), "-m", "bench.peers", self.name, "--progress", str(self._progress)]

    def done(self) -> Done:
        """Return the records whose effects are all done; raises ContestantError if it has ended."""
        if self._process is None or self._process.poll() is not None:
            raise ContestantError(f"{self.name} has ended. Its last words:\n{self.tail()}")
        if self.name not in SCRAPED:
            return progress.read(self._progress)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                families = text_string_to_metric_families(answer.read().decode())
        except OSError:
            return Done(0, 0)  # not there yet
        found = {sample.name: sample.value for family in families for sample in family.samples}
        counts = (found.get(f"{topic}_consumed_total", 0) for topic in ("transactions", "outcomes"))
        return Done(*map(int, counts))

    def wait_for(self, wanted: Done, seconds: float) -> Done:
        """Return as soon as so much is done."""
        deadline = time.monotonic() + seconds
        while (done := self.done()) and (done.payments < wanted.payments or done.outcomes < wanted.outcomes):
            if time.monotonic() > deadline:
                raise ContestantError(
                    f"{self.name}: expected {wanted} within {seconds:.0f} s, got {done}. Its last words:\n{self.tail()}"
                )
            time.sleep(0.05)
        return done

    def stop(self) -> None:
        """Ask it to end; end it after half a minute."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tail(self) -> str:
        """Return the last words of its log."""
        return self._log.read_text(errors="replace")[-3000:]
