"""Entity logs from what the verdicts keep: after a loss of the online store the windows are what they were.

A log's order is the order of the positions that were stored with the verdicts, so the rebuilt logs give the vectors
that the lost ones would have given, for as far back as the verdicts reach.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from features.layout import DEVICE, IDENTITY_BYTES, PAYEE, PAYER
from features.record import COUNTERPARTY, PAYMENT_ID, RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def rebuilt_logs(provenance: NDArray[np.void]) -> Iterator[tuple[bytes, bytes]]:
    """Yield every log as kind and identity, and its records.

    provenance: PROVENANCE[n], one row a payment. Where an earlier loss and its replay left two payments with one
    position, the order given decides: by event time.
    """
    rows = provenance
    of_payer = np.ascontiguousarray(rows["record"])
    of_others = of_payer.copy()
    of_others[:, COUNTERPARTY:PAYMENT_ID] = (
        np.ascontiguousarray(rows["payer"]).view(np.uint8).reshape(-1, IDENTITY_BYTES)[:, :5]
    )
    yield from _logs(PAYER, rows["payer"], rows["payer_at"], of_payer)
    yield from _logs(PAYEE, rows["payee"], rows["payee_at"], of_others)
    known = rows["device"] != 0
    yield from _logs(DEVICE, rows["device"][known], rows["device_at"][known], of_others[known])


def _logs(
    kind: bytes, identity: NDArray[np.uint64], position: NDArray[np.int32], records: NDArray[np.uint8]
) -> Iterator[tuple[bytes, bytes]]:
    order = np.lexsort((position, identity))
    identity, raw = identity[order], records[order].tobytes()
    edges = np.flatnonzero(identity[1:] != identity[:-1]) + 1
    for start, end in pairwise([0, *edges.tolist(), len(identity)] if len(identity) else []):
        yield kind + int(identity[start]).to_bytes(8, "little"), raw[start * RECORD_BYTES : end * RECORD_BYTES]
