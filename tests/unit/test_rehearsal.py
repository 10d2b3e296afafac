"""A rehearsal leaves no kernel of the payments' way to be loaded or compiled, and nothing on the meters."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc, sys

import msgspec
import numpy as np
from numba.core.registry import CPUDispatcher
from prometheus_client import REGISTRY, generate_latest

from features.identity import Identities
from features.store.memory_store import MemoryEntityStore
from features.online import OnlineFeatures
from features.store.messages import Claims
from features.schema import SCHEMA_HASH
from features.store.contract import Origin
from model.artifact import DEFAULT_DIR, load
from stream.decode import decode_payments
from stream.judge import Judge, verdict_rows
from stream.rehearsal import rehearse
from stream.schemas.examples import PAYMENT
from stream.verdict_store.copy_rows import copy_buffer


def meters():
    own = ("#", "process_", "python_")
    return [line for line in generate_latest(REGISTRY).decode().splitlines() if not line.startswith(own)]


def loaded():
    return {
        f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}": len(kernel.signatures)
        for kernel in gc.get_objects()
        if isinstance(kernel, CPUDispatcher) and kernel.signatures
    }


artifact, identities, before = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH), Identities(bytes(16)), meters()
if "rehearse" in sys.argv:
    rehearse(artifact, identities)
assert meters() == before, "the meters moved"
rehearsed = loaded()

n, judge, features = 40, Judge(artifact, model_key=0, include_allow=False), OnlineFeatures(MemoryEntityStore(), 1 << 22)
values = [
    msgspec.json.encode(msgspec.structs.replace(
        PAYMENT, transaction_id=f"t{row}", payer_vpa=f"p{row}@x", device_id=f"d{row % 7}", amount_paise=100 + row))
    for row in range(n)
]
decoded = decode_payments(values, 2_000_000_000_000, identities)
places = np.zeros(n, dtype=np.int32), np.arange(n)
claims = Claims(np.zeros(n, dtype=np.uint16), places[1])
measured = features.process(decoded.payments, claims, [Origin(b"t:0", 0, n)])
judged = judge.judge(measured.vectors)
copy_buffer(verdict_rows(
    judge, decoded, decoded.rows, measured, judged, decided_at=1, partition=places[0], offset=places[1]))
missing = {name for name, count in loaded().items() if rehearsed.get(name, 0) < count}
print(len(missing), *sorted(missing))
"""


def kernels_missing(*arguments: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    count, *names = ran.stdout.split()
    assert int(count) == len(names)
    return names


def test_no_kernel_is_left_to_be_loaded() -> None:
    assert kernels_missing("rehearse") == []


def test_without_a_rehearsal_there_are_some() -> None:
    assert "features.measure.vector._vectors" in kernels_missing()
