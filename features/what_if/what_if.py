"""What the stream would say of payments now: read, measured over the same logs by the same kernels, and forgotten."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from features.columns import PAYMENT, PaymentColumns
from features.entities import KINDS, POSITIONS, REPORTED
from features.errors import ReplicaBudgetError, StoreCorruptError
from features.measure.located import LOCATED
from features.measure.logs import NONE
from features.measure.scratch import Scratch
from features.measure.vector import PROGRAM
from features.online import KEPT, MAX_PAYMENTS
from features.replica.locate import locate_reports
from features.store.messages import READING, Request
from features.store.provenance import provenance_of
from features.what_if.answers import EntityWindows, Measured
from features.what_if.entity_windows import entity_windows, values_by_name
from features.what_if.known_logs import KnownLogs
from features.what_if.overlay import CONTRADICTION, TOO_LARGE, Asked, measure_overlaid

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.entities import Kind
    from features.store.contract import EntityReader

CACHE_BYTES: Final = 64 << 20
"""Room for a log of 500,000 records, or for some ten thousand ordinary ones."""

_NO_PAYMENTS: Final = PaymentColumns(np.zeros(0, dtype=PAYMENT))


class WhatIf:
    """Measures payments as if they came next, and writes nothing anywhere.

    Keeps the logs that it read, so that of a popular payee only what is new is read. Blocks; any thread may call, one
    is served at a time. After an error the same call can be made again.

    Every call raises `StoreUnavailableError` (the server does not answer; ask later), `StoreCorruptError` (run
    `upifraud rebuild-features`) and `ReplicaBudgetError` (the logs of one payment do not fit into `cache_bytes`).
    """

    def __init__(
        self, store: EntityReader, cache_bytes: int = CACHE_BYTES, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Keep logs of at most `cache_bytes`. store: one that nobody else uses. clock: seconds since the epoch."""
        self._known = KnownLogs(store, cache_bytes)
        self._clock = clock
        self._scratch = Scratch.make()
        self._lock = threading.Lock()

    @property
    def hits(self) -> int:
        """Logs of which nothing or only what was new was read, ever."""
        return self._known.replicas.hits

    @property
    def misses(self) -> int:
        """Logs that were read whole, ever."""
        return self._known.replicas.misses

    def measure(self, columns: PaymentColumns, *, sequence: bool = False) -> Measured:
        """Measure up to 4,096 payments, each as if it came alone, or (`sequence`) one behind the other."""
        if len(columns) > MAX_PAYMENTS:
            raise ValueError(f"A look at {len(columns)} payments; at most {MAX_PAYMENTS} fit.")
        with self._lock:
            try:
                return self._measure_each_once(columns) if sequence else self._measure(columns, sequence=False)
            except Exception:
                self._known.forget()
                raise

    def windows(self, kind: Kind, identity: int, now_ms: int) -> EntityWindows:
        """Measure the windows of one payer, payee or device as of now, epoch milliseconds; identity: its hash."""
        with self._lock:
            try:
                return self._windows(kind, identity, now_ms)
            except Exception:
                self._known.forget()
                raise

    def _measure_each_once(self, columns: PaymentColumns) -> Measured:
        """Measure payments in sequence; one that comes again gets what it got first, as in the stream."""
        same = (columns.payment_id, columns.event_time, columns.amount_paise, columns.payer, columns.payee)
        first: dict[tuple[int, ...], int] = {}
        payments = zip(*(column.tolist() for column in same), strict=True)
        index = np.array([first.setdefault(payment, len(first)) for payment in payments], dtype=np.intp)
        if len(first) == len(columns):
            return self._measure(columns, sequence=True)
        _, rows = np.unique(index, return_index=True)
        found = self._measure(columns.take(rows), sequence=True)
        return Measured(
            found.vectors[index], found.state[index], found.provenance[index], found.located[index],
            found.perhaps_folded[index], found.offsets,
        )  # fmt: skip

    def _measure(self, columns: PaymentColumns, *, sequence: bool) -> Measured:
        """Measure payments together; in halves, where their logs do not fit in memory and do not concern each other."""
        try:
            return self._measure_together(columns, sequence=sequence)
        except ReplicaBudgetError:
            if sequence or len(columns) <= 1:
                raise
        self._known.forget()
        middle = len(columns) // 2
        first = self._measure(columns.take(slice(0, middle)), sequence=False)
        second = self._measure(columns.take(slice(middle, len(columns))), sequence=False)
        return _joined(first, second)

    def _measure_together(self, columns: PaymentColumns, *, sequence: bool) -> Measured:
        now_ms = max(int(self._clock() * 1_000), int(columns.event_time.max(initial=0)))
        look = self._known.look(columns, lambda: Request.of_columns(columns), now_ms)
        replicas, n = self._known.replicas, len(columns)
        located = np.zeros(n, dtype=LOCATED)
        locate_reports(look.request.reads, look.request.log_of, located)
        out, state = np.empty((n, len(PROGRAM)), dtype=np.float32), np.zeros(n, dtype=np.uint8)
        asked = Asked(columns.rows, look.there, look.request.log_of, look.lengths, located, out, state)
        reports, kept_since = np.frombuffer(look.reports, dtype=np.uint8), int(self._clock() * 1_000) - KEPT
        found = measure_overlaid(
            replicas.table, replicas.logs, asked, look.reads, reports, kept_since, sequence, self._scratch
        )
        if found == TOO_LARGE:
            raise ReplicaBudgetError(ReplicaBudgetError.__doc__)
        if found == CONTRADICTION:
            raise StoreCorruptError(
                "A payment is in one of its logs and missing in another: the store lost some of them. "
                "Run `upifraud rebuild-features`."
            )
        return Measured(out, state, provenance_of(columns, located), look.there, look.folded, look.offsets)

    def _windows(self, kind: Kind, identity: int, now_ms: int) -> EntityWindows:
        look = self._known.look(
            _NO_PAYMENTS, lambda: _request_of(kind, identity), max(now_ms, int(self._clock() * 1_000))
        )
        slot = int(look.reads["slot"][0])
        if slot == NONE:
            return EntityWindows(
                values_by_name(kind, None), 0, folded=False, first_seen=None, last_seen=None, offsets=look.offsets
            )
        logs = self._known.replicas.logs
        out = np.empty(len(PROGRAM), dtype=np.float32)
        entity_windows(logs, slot, KINDS.index(kind), now_ms, self._scratch, out)
        log = logs.slots[slot]
        return EntityWindows(
            values_by_name(kind, out), int(log["length"]), bool(log["folded"]), int(log["born"]), int(log["clock"]),
            look.offsets,
        )  # fmt: skip


def _request_of(kind: Kind, identity: int) -> Request:
    """Return the request for one entity's log."""
    reads = np.zeros(1, dtype=READING)
    reads["kind"], reads["identity"] = kind.letter[0], identity
    return Request(reads, 1, np.empty((0, POSITIONS + len(REPORTED)), dtype=np.int64), np.zeros(1, dtype=np.int64))


def _joined(first: Measured, second: Measured) -> Measured:
    """Return what two looks say; of their offsets those that both have seen applied."""
    return Measured(
        np.concatenate((first.vectors, second.vectors)),
        np.concatenate((first.state, second.state)),
        np.concatenate((first.provenance, second.provenance)),
        np.concatenate((first.located, second.located)),
        np.concatenate((first.perhaps_folded, second.perhaps_folded)),
        {partition: min(at, second.offsets[partition]) for partition, at in first.offsets.items()},
    )
