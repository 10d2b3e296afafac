"""A rehearsal before a worker joins its group: two micro-batches through every kernel, on nobody's data.

Kernels are loaded from their cache, or compiled, at their first call. The first micro-batch of a worker that joined
without rehearsing took as long as that, while the partitions that it had taken over stood still. Where nothing was
compiled yet another process takes half of it (`python -m stream.rehearsal`): a compiler works on one core.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from features.columns import PaymentColumns
from features.identity import Identities
from features.memory_store import MemoryEntityStore
from features.online import Claims, FeatureBatch, OnlineFeatures
from features.provenance import PROVENANCE
from features.schema import SCHEMA_HASH
from features.store import Origin
from features.vector import is_compiled
from model.artifact import DEFAULT_DIR, load
from stream.decode import decode_payments
from stream.judge import Judge, verdict_rows
from stream.schemas.examples import PAYMENT
from stream.verdict_store.copy_rows import copy_buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from model.artifact import Artifact

PAYMENTS: Final = 32
"""Of one payer to one payee: from the fifth micro-batch on their logs are long ones, which replicas are kept of."""

_MICRO_BATCHES: Final = 6
_REPLICA_BYTES: Final = 1 << 22

log = logging.getLogger(__name__)


def rehearse(artifact: Artifact, identities: Identities) -> None:
    """Decode, measure, judge, explain and lay out payments that nobody made; no server and no meter hears of them."""
    with _helped():
        _measure()
    _decode_and_judge(artifact, identities)


@contextmanager
def _helped() -> Iterator[None]:
    """Let another process compile the other half meanwhile, if there is a core for it and anything to compile."""
    if is_compiled() or (os.cpu_count() or 1) < 2:
        yield
        return
    log.info("Kernels are compiled for the first time, which takes most of a minute.")
    helper = subprocess.Popen([sys.executable, "-m", "stream.rehearsal"], stdin=subprocess.DEVNULL)
    try:
        yield
        if helper.wait():
            log.warning("The process that helps to compile ended with %d; this one compiles all.", helper.returncode)
    finally:
        helper.kill()
        helper.wait()


def _measure() -> None:
    features = OnlineFeatures(MemoryEntityStore(), _REPLICA_BYTES)
    for first in range(0, _MICRO_BATCHES * PAYMENTS, PAYMENTS):
        offset = np.arange(first, first + PAYMENTS, dtype=np.int64)
        claims = Claims(np.zeros(PAYMENTS, dtype=np.bool_), np.zeros(PAYMENTS, dtype=np.uint16), offset)
        features.process(_columns(offset), claims, [Origin(b"rehearsal:0", first, first + PAYMENTS)])


def _columns(offset: NDArray[np.int64]) -> PaymentColumns:
    def column(value: int, dtype: type) -> NDArray[Any]:
        return np.full(PAYMENTS, value, dtype=dtype)

    return PaymentColumns(
        payment_id=(offset + 1).astype(np.uint64),
        event_time=offset + 1_764_000_000_000,
        amount_paise=offset + 100,
        payer=column(1, np.uint64),
        payee=column(2, np.uint64),
        device=column(3, np.uint64),
        place=column(0, np.uint32),
        kind=column(0, np.uint32),
        mcc=column(-1, np.int32),
        device_bound_at=column(0, np.int64),
        sim_changed_at=column(0, np.int64),
        same_bank=column(0, np.int8),
    )


def _decode_and_judge(artifact: Artifact, identities: Identities) -> None:
    judge = Judge(artifact, model_key=0, include_allow=True)
    now_ms = int(time.time() * 1000)
    values: list[bytes | None] = [
        msgspec.json.encode(msgspec.structs.replace(PAYMENT, transaction_id=f"rehearsal-{number}"))
        for number in range(PAYMENTS)
    ]
    decoded = decode_payments(values, now_ms, identities)
    measured = FeatureBatch(
        np.zeros((PAYMENTS, len(artifact.feature_names)), dtype=np.float32),
        np.zeros(PAYMENTS, dtype=np.uint8),
        np.zeros(PAYMENTS, dtype=PROVENANCE),
    )
    rows = verdict_rows(
        judge,
        decoded,
        decoded.rows,
        measured,
        judge.judge(measured.vectors),
        decided_at=now_ms,
        partition=np.zeros(PAYMENTS, dtype=np.int32),
        offset=np.arange(PAYMENTS, dtype=np.int64),
    )
    copy_buffer(rows)


if __name__ == "__main__":
    _decode_and_judge(load(DEFAULT_DIR, schema_hash=SCHEMA_HASH), Identities(bytes(16)))
