"""Entity logs from what the verdicts keep: after a loss of the online store the windows are what they were.

A log's order is the order of the positions that were stored with the verdicts, so the rebuilt logs give the vectors
that the lost ones would have given, for as far back as the verdicts reach.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from features.entities import KINDS, PAYER
from features.record import RECORD_BYTES, with_paid_out, with_party, with_received
from features.store.provenance import read_provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


def rebuilt_logs(provenance: NDArray[np.void]) -> Iterator[tuple[bytes, bytes]]:
    """Yield every log as kind and identity, and its records.

    provenance: PROVENANCE[n], one row a payment. Where an earlier loss and its replay left two payments with one
    position, the order given decides: by event time.
    """
    records = provenance["record"]
    for kind in KINDS:
        here = provenance[kind.name] != 0
        rows = provenance[here] if kind.optional else provenance
        own = records[here] if kind.optional else records
        if kind is PAYER:
            own = with_received(own, rows["inbound_upto"])
        else:
            own = with_paid_out(with_party(own, rows[kind.counterparty]), rows["outbound_upto"])
        yield from _logs(kind.letter, rows[kind.name], rows[f"{kind.name}_at"], own)


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
        self._rows: list[bytes] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: Sequence[bytes]) -> None:
        """Take the provenance of some verdicts."""
        self._rows += rows

    def collected(self) -> NDArray[np.void]:
        """Return all of it, PROVENANCE[n]."""
        return read_provenance(self._rows)

    def count_logs(self) -> int:
        """Return how many logs there are to write."""
        rows = self.collected()
        return sum(int(np.count_nonzero(np.unique(rows[kind.name]))) for kind in KINDS)

    def batches(self, size: int = 10_000) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the logs, some at a time."""
        logs = rebuilt_logs(self.collected())
        while batch := list(islice(logs, size)):
            yield batch
