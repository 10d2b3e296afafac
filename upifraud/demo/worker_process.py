"""The demo's worker, and who compiles beside it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from local.ports import HOST, free_port
from upifraud.demo.program_process import ProgramProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class KernelProcess:
    """Compiles the kernels while the servers start; a worker that comes meanwhile waits for it, then loads them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "stream.rehearsal", "--no-alerts-of-allow"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whatever is wrong, the worker meets it too, and says so in its log
        )

    def close(self) -> None:
        """End it if it still runs; what it finished is kept, for numba replaces files whole."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class WorkerProcess(ProgramProcess):
    """One `upifraud worker`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "worker")
        self._metrics = ""

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it with these settings and a free port for its metrics."""
        port = free_port()
        variables = {"UPIFRAUD_METRICS_PORT": str(port), "UPIFRAUD_METRICS_HOST": HOST}
        self._metrics = f"http://{HOST}:{port}/metrics"
        self._start({**environment, **variables})

    def page(self) -> str | None:
        """Return what its metrics say now; None while it does not answer."""
        return self._get(self._metrics)
