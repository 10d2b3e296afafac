"""What must be known of a run to compare it with another: the machine, its speed, versions and the commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from typing import TYPE_CHECKING

from bench import machine
from bench.peers.environment import QUIX_PYTHON, ROOT
from local import valkey

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "redis", "psycopg", "scikit-learn", "shap", "numba")


def facts() -> dict[str, object]:
    """Return them."""
    return {
        "index": machine.index(),
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "redis_allocator": _allocator(),
        "settings": settings(os.environ),
        "packages": {name: version(name) for name in PACKAGES} | _of_quix(),
        "commit": _output(["git", "rev-parse", "HEAD"]),
    }


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment sets of the program, as far as it is a number or a flag: no secret is one."""
    mine = {name: value for name, value in sorted(environment.items()) if name.startswith("UPIFRAUD_")}
    return {name: value for name, value in mine.items() if re.fullmatch(r"[0-9.]{1,12}|true|false", value)}


def _allocator() -> str:
    """Return the library that our Redis is started with; an earlier checkout knows jemalloc alone."""
    known = getattr(valkey, "library", None) or valkey.jemalloc
    return known() or "the C library's"


def _of_quix() -> dict[str, str]:
    if not QUIX_PYTHON.exists():
        return {}
    ask = "from importlib.metadata import version as v; print(v('quixstreams'), v('confluent-kafka'))"
    found = _output([str(QUIX_PYTHON), "-c", ask]).split()
    return dict(zip(("quixstreams", "confluent-kafka of quixstreams"), found, strict=True)) if found else {}


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
