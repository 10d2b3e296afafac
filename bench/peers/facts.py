"""What must be known of a run to compare it with another: the machine, its speed, versions and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import redis

from bench import machine
from bench.peers.environment import QUIX_PYTHON, ROOT
from local.errors import LocalError
from local.valkey import ValkeyServer

PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "redis", "psycopg", "scikit-learn", "shap", "numba")
ALLOCATORS = ("jemalloc", "mimalloc", "tcmalloc")


def facts() -> dict[str, object]:
    """Return them."""
    return {
        "index": machine.index(),
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "redis_allocator": redis_allocator(),
        "packages": {name: version(name) for name in PACKAGES} | _of_quix(),
        "commit": _output(["git", "rev-parse", "HEAD"]),
    }


def redis_allocator() -> str:
    """Return what our Redis allocates with, by itself and by a library loaded before: two fifths of its cost differ."""
    with tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory:
        server = ValkeyServer(Path(directory))
        try:
            server.start()
            with redis.Redis.from_url(server.url) as client:
                found = client.info()
            return " with ".join([found["mem_allocator"], *preloaded(found["process_id"])])
        except LocalError as error:
            return f"unknown: {type(error).__name__}"
        finally:
            server.kill()


def preloaded(pid: int) -> list[str]:
    """Return the names of the allocators' libraries that a process has loaded."""
    paths = {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/" in line}
    return sorted(name for path in paths if any(one in (name := Path(path).name) for one in ALLOCATORS))


def _of_quix() -> dict[str, str]:
    if not QUIX_PYTHON.exists():
        return {}
    ask = "from importlib.metadata import version as v; print(v('quixstreams'), v('confluent-kafka'))"
    found = _output([str(QUIX_PYTHON), "-c", ask]).split()
    return dict(zip(("quixstreams", "confluent-kafka of quixstreams"), found, strict=True)) if found else {}


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
