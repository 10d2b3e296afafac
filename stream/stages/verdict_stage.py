"""The verdict store as the flows use it: every method blocks until Postgres answers or the worker stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stream.verdict_store import StoredVerdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from stream.decode import Decoded
    from stream.kafka.arrivals import Arrivals
    from stream.running.retry import Retry
    from stream.stages.claimed import Claimed
    from stream.verdict_store import Inserted, OutcomeRow, PaymentRef, VerdictRows


class Store(Protocol):
    """What is asked of a verdict store; see `stream.verdict_store.VerdictStore`."""

    def claim(
        self,
        ids: NDArray[np.uint64],
        fingerprints: NDArray[np.int64],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        day: int,
    ) -> NDArray[np.uint8]:
        """Return a `Claim` a record."""

    def claimed(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of some ids have a claim."""

    def insert(self, rows: VerdictRows, *, replays: NDArray[np.bool_] | None = None) -> Inserted:
        """Store verdicts; return those that were there before, and the outcomes that waited for them."""

    def put_outcomes(self, outcomes: Sequence[OutcomeRow]) -> list[PaymentRef]:
        """Store outcomes, and return those whose payment has a verdict."""

    def settle(self, refs: Sequence[PaymentRef]) -> None:
        """Note that entity risk has these outcomes."""


class VerdictStage:
    """Claims, stores and settles. `claim` is for one lane, all else for another."""

    def __init__(self, store: Store, retry: Retry) -> None:
        self._store = store
        self._retry = retry

    def claim(self, arrivals: Arrivals, decoded: Decoded, day: int) -> NDArray[np.uint8]:
        """Return a `Claim` for each decoded payment, durable; `day` counts from 1970-01-01 UTC."""
        partitions, offsets = arrivals.partition[decoded.rows], arrivals.offset[decoded.rows]
        return self._retry.until_done(
            lambda: self._store.claim(decoded.ids128, decoded.fingerprint, partitions, offsets, day), "claim"
        )

    def has_claim(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of some ids, uint64 [n, 2], have a claim; claims nothing."""
        return self._retry.until_done(lambda: self._store.claimed(ids), "claimed")

    def store(self, rows: VerdictRows, claimed: Claimed) -> tuple[StoredVerdicts, list[PaymentRef]]:
        """Store verdicts; return what stands of them, and the outcomes that waited for them.

        What stands is what was there where something was.
        """
        inserted = self._retry.until_done(lambda: self._store.insert(rows, replays=claimed.replayed), "insert")
        return StoredVerdicts.of(rows, inserted.before), inserted.waiting

    def put_outcomes(self, outcomes: Sequence[OutcomeRow]) -> list[PaymentRef]:
        """Store outcomes; return those whose payment has a verdict, each with the outcome that stands."""
        return self._retry.until_done(lambda: self._store.put_outcomes(outcomes), "outcomes")

    def settle(self, refs: Sequence[PaymentRef]) -> None:
        """Note that entity risk has these outcomes, in this order."""
        self._retry.until_done(lambda: self._store.settle(refs), "settle")
