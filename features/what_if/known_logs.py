"""The logs that were looked at before: of each only what is new is read, and of a long one never all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from features.errors import StoreUnavailableError
from features.record import RECORD_BYTES
from features.replica.replicas import Replicas
from features.store.contract import PeekRequest
from features.store.layout import UNKNOWN_LENGTH
from features.store.messages import Reply, Request, name_of
from features.what_if.alike import find_alike, lengths_of_alike, names_of_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.store.contract import EntityReader

MOST_BYTES: Final = 1 << 19
"""Of entity logs that one look may read: what a server does in half a millisecond."""

MOST_RECORDS: Final = 1_000
"""Single records that one look may read."""

MOST_LOOKS: Final = 20


class Look(NamedTuple):
    """Logs as they all were at one moment, and where payments are that are in them."""

    request: Request
    reports: bytes
    """Of all outcome logs, as the request says where."""
    reads: NDArray[np.record]
    """READING of entity logs, with their slots."""
    lengths: NDArray[np.int64]
    """[n, positions] of the payments that are there, as the store replies to `apply`; 0 elsewhere."""
    there: NDArray[np.bool_]
    folded: NDArray[np.bool_]
    """[n], payments that may be among records that were folded away."""
    offsets: Mapping[bytes, int]


class KnownLogs:
    """Replicas that nothing is ever appended to but what the store replied."""

    def __init__(self, store: EntityReader, cache_bytes: int) -> None:
        self._store = store
        self.replicas = Replicas(cache_bytes)
        self._number = 0
        self._offsets: Mapping[bytes, int] = {}

    def look(self, columns: PaymentColumns, request_of: Callable[[], Request], now_ms: int) -> Look:
        """Return the logs of a request as they are now; columns: the payments that may be there.

        Some looks may be needed until one tells of everything: the last one is the moment. request_of: makes the
        request anew. Raises `StoreUnavailableError`, `StoreCorruptError`, `ReplicaBudgetError`.
        """
        self._number += 1
        self.replicas.begin(self._number)
        seen: dict[bytes, bytes] = {}  # single records by kind, identity and position: they never change
        unseen: list[bytes] = []
        for _ in range(MOST_LOOKS):
            request = request_of()
            self._expect(request, now_ms)
            peeked = self._store.peek(PeekRequest(*request.packed(), b"".join(unseen), MOST_BYTES))
            if self._went_back(peeked.offsets):
                self.replicas.clear()
                seen, unseen = {}, []
                continue
            for at, name in enumerate(unseen):
                seen[name] = peeked.records[at * RECORD_BYTES : (at + 1) * RECORD_BYTES]
            reply = Reply.of(peeked.reply, request, 0)
            reads = self._bring(request, reply, columns.take(slice(0, 0)))
            if reads is None:
                unseen = []
                continue
            alike, folded = find_alike(self.replicas.logs, columns, request.log_of, reads)
            names = names_of_alike(alike, reads)
            unseen = [name for name in dict.fromkeys(names) if name not in seen][:MOST_RECORDS]
            if not unseen:
                lengths = lengths_of_alike(alike, [seen[name] for name in names], columns, request.log_of, reads)
                there = lengths[:, 0] > 0
                return Look(request, reply.raw, reads, lengths, there, folded & ~there, peeked.offsets)
        raise StoreUnavailableError(f"Logs were still changing after {MOST_LOOKS} looks at them. Ask again.")

    def forget(self) -> None:
        """Know nothing any more: after a failure the server may be another."""
        self.replicas.clear()
        self._offsets = {}

    def _expect(self, request: Request, now_ms: int) -> None:
        """Fill in what is known of the logs: they are as they were, unless somebody else appended to them."""
        self.replicas.expect(replace(request, log_of=request.log_of[:0]), self._number, now_ms)
        reads = request.reads[: request.logs]
        # A log that may have expired and begun anew tells by its last known record whether it did.
        for at in np.flatnonzero((reads["known"] == 0) & (reads["expected"] == UNKNOWN_LENGTH)).tolist():
            slot = self.replicas.slot_of(name_of(reads[at]))
            reads["known"][at] = self.replicas.logs.slots["seen"][slot]

    def _went_back(self, offsets: Mapping[bytes, int]) -> bool:
        """Tell whether the store is before what it was: logs may be others then, though they are as long."""
        before, self._offsets = self._offsets, offsets
        return any(offsets.get(partition, 0) < stood for partition, stood in before.items())

    def _bring(self, request: Request, reply: Reply, nothing: PaymentColumns) -> NDArray[np.record] | None:
        """Have the logs as the store replied; None where some had to be read whole, which took longer than a moment."""
        fetched: list[bytes] = []

        def fetch(names: Sequence[bytes]) -> list[bytes]:
            fetched.extend(names)
            return [self._store.fetch_in_parts(name) for name in names]

        everything = np.ones(request.logs, dtype=np.bool_)
        reads = self.replicas.bring(request, reply, nothing, everything, fetch)
        return None if fetched else reads
