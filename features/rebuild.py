"""Entity logs from what the verdicts keep: after a loss of the online store the windows are what they were.

A log's order is the order of the positions that were stored with the verdicts, so the rebuilt logs give the vectors
that the lost ones would have given, for as far back as the verdicts reach.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from features.record import COUNTERPARTY, PAYMENT_ID, RECEIVED, RECORD_BYTES
from features.store.layout import DEVICE, IDENTITY_BYTES, PAYEE, PAYER
from features.store.provenance import PROVENANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


def rebuilt_logs(provenance: NDArray[np.void]) -> Iterator[tuple[bytes, bytes]]:
    """Yield every log as kind and identity, and its records.

    provenance: PROVENANCE[n], one row a payment. Where an earlier loss and its replay left two payments with one
    position, the order given decides: by event time.
    """
    rows = provenance
    of_payer = rows["record"].copy()
    of_others = of_payer.copy()
    of_payer[:, RECEIVED:] = np.ascontiguousarray(rows["inbound_upto"]).view(np.uint8).reshape(-1, 4)
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


class RebuildInput:
    """Collects provenance as it is read and gives the logs back in batches."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._payments = 0

    def __len__(self) -> int:
        return self._payments

    def add(self, rows: Sequence[bytes]) -> None:
        """Take the provenance of some verdicts."""
        self._parts.append(b"".join(rows))
        self._payments += len(rows)

    def collected(self) -> NDArray[np.void]:
        """Return all of it, PROVENANCE[n]."""
        return np.frombuffer(b"".join(self._parts), dtype=PROVENANCE)

    def count_logs(self) -> int:
        """Return how many logs there are to write."""
        rows = self.collected()
        devices = np.unique(rows["device"])
        return len(np.unique(rows["payer"])) + len(np.unique(rows["payee"])) + int((devices != 0).sum())

    def batches(self, size: int = 10_000) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the logs, some at a time."""
        logs = rebuilt_logs(self.collected())
        while batch := list(islice(logs, size)):
            yield batch
