"""What the claims of a micro-batch leave, and where each payment that is left came from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from features.identity import Identities
from stream.decode import decode_payments
from stream.kafka.arrivals import Arrivals
from stream.stages.claimed import Claimed
from stream.verdict_store import Claim

NOW = 1_764_000_000_000
FRESH, REPLAY, DUPLICATE, CONFLICT = Claim.FRESH, Claim.REPLAY, Claim.DUPLICATE, Claim.CONFLICT


def record(number: int) -> bytes:
    payment = {"transaction_id": f"T{number}", "event_time": NOW, "payer_vpa": "a@b", "payee_vpa": "c@d"}
    return json.dumps({**payment, "amount_paise": 1}).encode()


@pytest.mark.parametrize(
    ("values", "claims", "kept"),
    [
        ([record(0), record(1)], [FRESH, FRESH], [0, 1]),
        ([record(0), record(1)], [REPLAY, FRESH], [0, 1]),
        ([record(0), b"", record(2)], [FRESH, FRESH], [0, 2]),
        ([record(0), record(1), record(2)], [DUPLICATE, FRESH, CONFLICT], [1]),
        ([record(0), record(1)], [DUPLICATE, CONFLICT], []),
        ([b""], [], []),
    ],
)
def test_each_payment_knows_where_it_came_from(values: list[bytes], claims: list[Claim], kept: list[int]) -> None:
    number = np.arange(len(values))
    arrivals = Arrivals(
        topic="transactions",
        records=[],
        values=[*values],
        partition=(number + 3).astype(np.int32),
        offset=number + 70,
        slice_of=number.astype(np.uint16),
        spans=[],
    )
    decoded = decode_payments(values, NOW, Identities(bytes(16)))
    claimed = Claimed.of(arrivals, decoded, np.array(claims, dtype=np.uint8))
    assert claimed.transaction_id == [b"T%d" % row for row in kept]
    assert claimed.record.tolist() == kept
    assert claimed.slice_of.tolist() == kept
    assert claimed.partition.tolist() == [row + 3 for row in kept]
    assert claimed.offset.tolist() == [row + 70 for row in kept]
