"""What the stream would say of payments now: read, measured over the same logs by the same kernels, and forgotten."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.columns import PaymentColumns
    from features.entities import Kind
    from features.store.contract import EntityReader
    from features.what_if.answers import EntityWindows, Measured


class WhatIf:
    """Measures payments as if they came next, and writes nothing anywhere.

    Keeps the logs that it read, so that of a popular payee only what is new is read. Blocks; any thread may call, one is
    served at a time. After an error the same call can be made again.

    Every call raises `StoreUnavailableError` (the server does not answer; later), `StoreCorruptError` (`rebuild-features`)
    and `ReplicaBudgetError` (the logs of one payment do not fit into `cache_bytes`).
    """

    def __init__(
        self, store: EntityReader, cache_bytes: int = 64 << 20, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Keep logs of at most `cache_bytes`; clock: seconds since the epoch."""
        self._store, self._cache_bytes, self._clock = store, cache_bytes, clock
        self._lock = threading.Lock()

    def measure(self, columns: PaymentColumns, *, sequence: bool = False) -> Measured:
        """Measure up to 4,096 payments, each as if it came alone, or (`sequence`) one behind the other."""
        raise NotImplementedError

    def windows(self, kind: Kind, identity: int, now_ms: int) -> EntityWindows:
        """Measure the windows of one payer, payee or device as of now, epoch milliseconds; identity: its 64-bit hash."""
        raise NotImplementedError
