"""A rehearsal leaves no kernel of the payments' way to be loaded or compiled, and nothing on the meters."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import gc, sys

import msgspec
import numpy as np
from numba.core.registry import CPUDispatcher
from prometheus_client import REGISTRY, generate_latest

from features.identity import Identities
from features.entities import KINDS, PAYEE
from features.errors import StoreRolledBackError
from features.measure.risk import FRAUD, pack_report
from features.online import OnlineFeatures
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from features.schema import SCHEMA_HASH
from features.store.contract import Origin
from model.artifact import DEFAULT_DIR, load
from simulator.dirt import Dirt
from simulator.parameters import Parameters
from simulator.records import TRANSACTIONS
from simulator.run import Extent, Extras, compressed
from stream.kafka.arrivals import Arrivals
from stream.stages.claimed import Claimed
from stream.decode import decode_payments
from stream.stages.judge import AlertRules, Judge
from features.what_if.what_if import WhatIf
from stream.rehearsal import rehearse, rehearse_what_if
from stream.schemas.examples import PAYMENT
from stream.verdict_store.binary import text_array
from stream.verdict_store.claims import Claimants, contest
from stream.verdict_store.copy_rows import copy_buffer

# Few payers and a busy shop.
PARAMETERS = Parameters(seed=1, payers=400, payments_per_day=5, fraud_rate=0.02, hot_payee=0.2)


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
if "what-if" in sys.argv:
    rehearse_what_if()
assert meters() == before, "the meters moved"
rehearsed = loaded()

ALERTS = AlertRules(include_allow=True)
n, judge, features = 40, Judge(artifact, model_key=0, rules=ALERTS), OnlineFeatures(MemoryEntityStore(), 1 << 22)
values = [
    msgspec.json.encode(msgspec.structs.replace(
        PAYMENT, transaction_id=f"t{row}", payer_vpa=f"p{row}@x", device_id=f"d{row % 7}", amount_paise=100 + row))
    for row in range(n)
]
decode_payments([b"[" * 300, rb'"\\ud800"'], 1, identities)
decoded = decode_payments(values, 2_000_000_000_000, identities)
arrivals = Arrivals(
    "t", [], values, np.zeros(n, np.int32), np.arange(n), np.zeros(n, np.uint16), [(0, 0, n)])
contest(Claimants(decoded.ids128, decoded.fingerprint, arrivals.partition, arrivals.offset))
claimed = Claimed.of(arrivals, decoded, np.zeros(n, np.uint8))
claims = Claims(claimed.slice_of, claimed.offset)
measured = features.process(claimed.payments, claims, arrivals.origins({}))
copy_buffer(judge.judge(claimed, measured, decided_at=1).rows)

# A simulated switch, whose logs grow long enough to be folded, with reports of fraud and a second worker.
traffic = compressed(PARAMETERS, Extent(12_000), None, 2_000_000_000_000, Extras(Dirt(late=0.01, untidy=0.02)))
entities, at, kept = MemoryEntityStore(), 0, []
what_if = WhatIf(entities, 1 << 22)
workers = [OnlineFeatures(entities, 1 << 22) for _ in range(2)]
for number, records in enumerate(traffic.records):
    values = [value for topic, value in zip(records.topic, records.values) if topic == TRANSACTIONS]
    decoded = decode_payments(values, 2_000_000_000_000, identities)
    n = len(decoded.payments)
    offset = np.arange(at, at + n)
    claims = Claims(np.zeros(n, dtype=np.uint16), offset)
    if "what-if" in sys.argv:
        kept.append(decoded.payments)
        what_if.measure(decoded.payments.take(slice(0, 1)))
        what_if.measure(decoded.payments.take(slice(0, 5)), sequence=number % 2 == 0)
        what_if.measure(kept[number // 2].take(slice(0, 3)))
        for kind in KINDS:
            what_if.windows(kind, int(getattr(decoded.payments, kind.name)[0]), 2_000_000_000_000)
    measured = workers[number % 2].process(decoded.payments, claims, [Origin(b"t:0", at, at + n)])
    payee = PAYEE.reports + int(decoded.payments.payee[0]).to_bytes(8, "little")
    entities.report([(payee, pack_report(int(decoded.payments.event_time[0]), FRAUD, number + 1))])
    artifact.scorer.score(measured.vectors)
    at += n

# A store that lost what was applied to it: what was known of its logs is forgotten.
columns, claims = decoded.payments.take(slice(0, 1)), Claims(np.zeros(1, dtype=np.uint16), np.array([at]))
try:
    workers[0].process(columns, claims, [Origin(b"t:0", at, at + 1, at + 1_000)])
except StoreRolledBackError:
    workers[0].process(columns, claims, [Origin(b"t:0", at, at + 1)])
else:
    sys.exit("the store did not see that it was rolled back")
text_array((b"as Postgres gets it", None))
missing = {name for name, count in loaded().items() if rehearsed.get(name, 0) < count}
print(len(missing), *sorted(missing))
"""


def kernels_missing(*arguments: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    count, *names = ran.stdout.split()
    assert int(count) == len(names)
    return names


@pytest.mark.slow
def test_no_kernel_is_left_to_be_loaded() -> None:
    assert kernels_missing("rehearse") == []


@pytest.mark.slow
def test_no_kernel_of_a_what_if_is_left_to_be_loaded() -> None:
    assert kernels_missing("rehearse", "what-if") == []


@pytest.mark.slow
def test_without_a_rehearsal_there_are_some() -> None:
    assert "features.measure.vector.put_vectors" in kernels_missing()
