"""Vectors of a micro-batch from the online store: one call to the server, one kernel call, nothing counted twice."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct

from features.entities import POSITIONS
from features.errors import ReplicaBudgetError, StoreCorruptError
from features.measure.logs import NONE
from features.measure.vector import vectors
from features.replica.catch_up import AGED
from features.replica.locate import CONTRADICTION, SOME_AGED, SOME_LONG
from features.replica.replicas import Replicas
from features.store.contract import ApplyRequest, Origin
from features.store.messages import Reply, Request, entries_of, names_of
from features.store.provenance import WRITTEN
from features.windows import DAY, EXPIRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.store.contract import EntityStore
    from features.store.messages import Claims

KEPT: Final = EXPIRY - DAY
"""Milliseconds for which a log is kept in any case: its expiry is pushed out once a day."""

MAX_PAYMENTS: Final = 4_096
"""Payments a micro-batch may hold."""

_ALL: Final = np.ones(MAX_PAYMENTS * POSITIONS, dtype=np.bool_)
"""Nearly always all logs of a micro-batch are measured together."""


class FeatureBatch(Struct, frozen=True, eq=False):
    """What the store and the kernel say of n payments."""

    vectors: NDArray[np.float32]
    """[n, f] in the order of the schema."""
    state: NDArray[np.uint8]
    """[n] of FeatureState."""
    provenance: NDArray[np.void]
    """[n] of `provenance.WRITTEN`: what the logs got from the payment, and its positions in them."""


class _Reading(NamedTuple):
    """What the store replied to one micro-batch."""

    request: Request
    reply: Reply


class _Measured(NamedTuple):
    """Vectors of some payments, their states, and what verdicts keep of where they lie: PACKED of each."""

    vectors: NDArray[np.float32]
    state: NDArray[np.uint8]
    provenance: NDArray[np.record]


@dataclass(slots=True, eq=False)
class Pending:
    """A micro-batch that the store has got and that is not measured yet."""

    columns: PaymentColumns
    claims: Claims
    origins: Sequence[Origin]
    number: int
    """Micro-batches are counted, so that the replicas of one stay until it is measured."""
    epoch: int
    """What is known from before the last failure of an earlier epoch must not be used with it."""
    reading: _Reading | None
    """None after a failure: the store has to be asked again."""


class OnlineFeatures:
    """Applies micro-batches to the store and measures them.

    `apply` and `measure` block, and may be called at the same time, each by one thread: while one micro-batch waits for
    the server the one before is measured. Micro-batches are measured in the order in which they were applied.
    """

    def __init__(
        self,
        store: EntityStore,
        replica_bytes: int = 256 << 20,
        *,
        measuring: EntityStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`measuring`: the same store over another connection, for `measure` where it runs beside `apply`."""
        self._clock = clock
        self._store = store
        self._measuring = measuring or store
        self._replicas = Replicas(replica_bytes)
        self._refresh: deque[bytes] = deque()
        self._number = self._epoch = self._replicas_of = 0
        self._last: Sequence[Origin] = ()

    @property
    def hits(self) -> int:
        """Logs of which nothing or only what was new was read, ever."""
        return self._replicas.hits

    @property
    def misses(self) -> int:
        """Logs that were read whole, ever."""
        return self._replicas.misses

    @property
    def replica_bytes(self) -> int:
        """Bytes that the replicas take."""
        return self._replicas.used_bytes

    def process(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> FeatureBatch:
        """Apply and measure in one thread; after an error of either, call again with the same arguments."""
        return self.measure(self.apply(columns, claims, origins))

    def apply(self, columns: PaymentColumns, claims: Claims, origins: Sequence[Origin]) -> Pending:
        """Append the payments that are new, locate the others, and read their logs, in one call to the store.

        Raises `StoreUnavailableError` (call again with the same arguments), `StoreRolledBackError`,
        `StoreCorruptError`.
        """
        if len(columns) > MAX_PAYMENTS:
            raise ValueError(f"A micro-batch of {len(columns)} payments; at most {MAX_PAYMENTS} fit.")
        epoch = self._epoch
        self._number += 1
        refresh = b"".join(self._refresh.popleft() for _ in range(len(self._refresh)))
        try:
            # After a failure the server may be another, or restarted: nothing is known until the replicas are dropped.
            replicas = self._replicas if self._replicas_of == epoch else None
            known = [*origins, *_still(self._last, origins)]
            reading = _read(self._store, columns, claims, known, refresh, replicas, self._number)
        except Exception:
            self._epoch += 1
            self._last = ()
            self._refresh.appendleft(refresh)
            raise
        self._last = origins
        return Pending(columns, claims, origins, self._number, epoch, reading)

    def measure(self, pending: Pending) -> FeatureBatch:
        """Return the vectors of a micro-batch.

        Raises `StoreUnavailableError` (call again), `StoreCorruptError`, `ReplicaBudgetError`.
        """
        if pending.epoch != self._replicas_of:
            self._replicas.clear()
            self._replicas_of = pending.epoch
        try:
            if pending.reading is None:
                pending.reading = _read(self._measuring, pending.columns, pending.claims, pending.origins, b"")
            self._replicas.begin(pending.number)
            measured = self._measure(pending.columns, pending.reading, slice(0, len(pending.columns)))
        except Exception:
            self._replicas.clear()  # what failed half-way leaves replicas that know less or more than they say
            pending.reading = None
            raise
        return FeatureBatch(measured.vectors, measured.state, measured.provenance.view(WRITTEN))

    def _measure(self, columns: PaymentColumns, reading: _Reading, rows: slice) -> _Measured:
        """Measure some payments of a micro-batch; in halves, where their logs do not fit in memory together."""
        try:
            return self._measure_together(columns, reading, rows)
        except ReplicaBudgetError:
            if rows.stop - rows.start <= 1:
                raise
        parts = []
        middle = (rows.start + rows.stop) // 2
        for half in (slice(rows.start, middle), slice(middle, rows.stop)):
            self._replicas.clear()
            parts.append(self._measure(columns, reading, half))
        return _Measured(*map(np.concatenate, zip(*parts, strict=True)))

    def _measure_together(self, columns: PaymentColumns, reading: _Reading, rows: slice) -> _Measured:
        replicas, (request, reply) = self._replicas, reading
        wanted = _ALL[: request.logs]
        if rows.stop - rows.start < len(columns):
            log_of, wanted = request.log_of[rows, :POSITIONS], np.zeros(request.logs, dtype=np.bool_)
            wanted[log_of[log_of != NONE]] = True
        reads = replicas.bring(request, reply, columns, wanted, self._measuring.fetch)
        columns, kept_since = columns.take(rows), int(self._clock() * 1_000) - KEPT
        left, located, provenance = replicas.locate(request, reply, columns, rows, kept_since)
        if left == CONTRADICTION:
            raise StoreCorruptError(
                "A payment is in one of its logs and missing in another: the store lost some of them. "
                "Run `upifraud rebuild-features`."
            )
        values, state = vectors(replicas.logs, columns, located, np.frombuffer(reply.raw, dtype=np.uint8))
        if left & SOME_AGED:
            self._refresh.append(names_of(reads[reads["left"] == AGED]))  # whose expiry the next micro-batch pushes out
        if left & SOME_LONG:
            replicas.fold(reads, self._measuring.fold)
        return _Measured(values, state, provenance)


def _still(last: Sequence[Origin], origins: Sequence[Origin]) -> Iterator[Origin]:
    """Yield what the micro-batch before left behind: a store without it lost what the replicas were read from."""
    named = {origin.partition for origin in origins}
    for origin in last:
        if origin.partition not in named:
            yield Origin(origin.partition, origin.next_offset, origin.next_offset, origin.next_offset)


def _read(
    store: EntityStore,
    columns: PaymentColumns,
    claims: Claims,
    origins: Sequence[Origin],
    refresh: bytes,
    replicas: Replicas | None = None,
    number: int = 0,
) -> _Reading:
    """Make the one call to the store; with replicas only what is not in them is read."""
    request = Request.of_columns(columns)
    if replicas is not None:
        replicas.expect(request, number, request.newest)
    applied = store.apply(ApplyRequest(entries_of(columns, claims), *request.packed(), refresh, origins))
    reply = Reply.of(applied, request, len(columns))
    if replicas is not None:
        replicas.note(request)
    return _Reading(request, reply)
