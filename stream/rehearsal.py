"""A rehearsal before a worker joins its group: two micro-batches through every kernel, on nobody's data.

Kernels are loaded from their cache, or compiled, at their first call. The first micro-batch of a worker that joined
without rehearsing took as long as that, while the partitions that it had taken over stood still.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from features.online import OnlineFeatures
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from features.windows import BLOCK
from stream.decode import decode_payments
from stream.judge import Judge, verdict_rows
from stream.schemas.examples import PAYMENT
from stream.verdict_store.copy_rows import copy_buffer

if TYPE_CHECKING:
    from features.identity import Identities
    from model.artifact import Artifact

PAYMENTS: Final = 3 * BLOCK // 4
"""Of one payer to one payee: their logs grow over a block, and are known from the second micro-batch on."""

_REPLICA_BYTES: Final = 1 << 22


def rehearse(artifact: Artifact, identities: Identities) -> None:
    """Decode, measure, judge, explain and lay out payments that nobody made; no server and no meter hears of them."""
    judge = Judge(artifact, model_key=0, include_allow=True)
    features = OnlineFeatures(MemoryEntityStore(), _REPLICA_BYTES)
    now_ms = int(time.time() * 1000)
    for first in (0, PAYMENTS):
        offset = np.arange(first, first + PAYMENTS, dtype=np.int64)
        values: list[bytes | None] = [
            msgspec.json.encode(msgspec.structs.replace(PAYMENT, transaction_id=f"rehearsal-{number}"))
            for number in offset
        ]
        decoded = decode_payments(values, now_ms, identities)
        claims = Claims(np.zeros(PAYMENTS, dtype=np.uint16), offset)
        measured = features.process(decoded.payments, claims, [Origin(b"rehearsal:0", first, first + PAYMENTS)])
        rows = verdict_rows(
            judge,
            decoded,
            decoded.rows,
            measured,
            judge.judge(measured.vectors),
            decided_at=now_ms,
            partition=np.zeros(PAYMENTS, dtype=np.int32),
            offset=offset,
        )
        copy_buffer(rows)
