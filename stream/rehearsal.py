"""A rehearsal before a worker joins its group: two micro-batches through every kernel, on nobody's data.

Kernels are loaded from their cache, or compiled, at their first call. The first micro-batch of a worker that joined
without rehearsing took as long as that, while the partitions that it had taken over stood still.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from features.memory_store import MemoryEntityStore
from features.online import Claims, OnlineFeatures
from features.windows import BLOCK
from stream.arrivals import Arrivals
from stream.claimed import Claimed
from stream.decode import decode_payments
from stream.judge import Judge
from stream.schemas.examples import PAYMENT
from stream.verdict_store import Claim
from stream.verdict_store.copy_rows import copy_buffer
from stream.wire import MAX_NESTING

if TYPE_CHECKING:
    from features.identity import Identities
    from model.artifact import Artifact

PAYMENTS: Final = 3 * BLOCK // 4
"""Of one payer to one payee: their logs grow over a block, and are known from the second micro-batch on."""

_ODD: Final[list[bytes | None]] = [b"[" * (MAX_NESTING + 1), rb'"\ud800"']
"""Values that are read by kernels of their own: brackets beyond count, half a surrogate pair."""

_REPLICA_BYTES: Final = 1 << 22


def rehearse(artifact: Artifact, identities: Identities) -> None:
    """Decode, measure, judge, explain and lay out payments that nobody made; no server and no meter hears of them."""
    judge = Judge(artifact, model_key=0, include_allow=True)
    features = OnlineFeatures(MemoryEntityStore(), _REPLICA_BYTES)
    now_ms = int(time.time() * 1000)
    decode_payments(_ODD, now_ms, identities)
    for first in (0, PAYMENTS):
        offset = np.arange(first, first + PAYMENTS, dtype=np.int64)
        values: list[bytes | None] = [
            msgspec.json.encode(msgspec.structs.replace(PAYMENT, transaction_id=f"rehearsal-{number}"))
            for number in offset
        ]
        arrivals = Arrivals(
            topic="rehearsal",
            records=[],
            values=values,
            partition=np.zeros(PAYMENTS, dtype=np.int32),
            offset=offset,
            slice_of=np.zeros(PAYMENTS, dtype=np.uint16),
            spans=[(0, first, first + PAYMENTS)],
        )
        decoded = decode_payments(values, now_ms, identities)
        claimed = Claimed.of(arrivals, decoded, np.full(PAYMENTS, Claim.FRESH, dtype=np.uint8))
        claims = Claims(claimed.slice_of, claimed.offset)
        measured = features.process(claimed.payments, claims, arrivals.origins({}))
        copy_buffer(judge.judge(claimed, measured, decided_at=now_ms).rows)
