"""The features stage: the online store behind the worker's error classes, and what it is known to hold."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from features.errors import FeatureError, StoreUnavailableError
from features.online import Claims
from stream import metrics
from stream.arrivals import partition_name
from stream.errors import FatalError, RetryableError
from stream.retry import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from features.online import FeatureBatch, OnlineFeatures, Pending
    from features.store import EntityStore
    from stream.arrivals import Arrivals
    from stream.claimed import Claimed
    from stream.retry import Retry


class StoreBehindError(RetryableError):
    """The online store holds nothing of partitions that were worked on: run `upifraud rebuild-features`."""


class FeatureStage:
    """Applies, measures and reports; every method blocks until Redis answers or the worker stops.

    `measure` is for one lane, all else for another: so one micro-batch is measured while the next waits for Redis.
    """

    def __init__(self, store: EntityStore, features: OnlineFeatures, retry: Retry) -> None:
        self._store = store
        self._features = features
        self._retry = retry
        self._expected: dict[bytes, int] = {}

    def apply(self, claimed: Claimed) -> Pending:
        """Append the payments that are new and read their logs; the offsets of all arrivals move."""
        claims = Claims(claimed.replayed, claimed.slice_of, claimed.offset)
        origins = claimed.arrivals.origins(self._expected)

        def apply() -> Pending:
            with worker_errors():
                return self._features.apply(claimed.payments, claims, origins)

        pending = self._retry.until_done(apply, "apply")
        self._moved(claimed.arrivals)
        return pending

    def measure(self, pending: Pending) -> FeatureBatch:
        """Return the vectors of what was applied; in the order in which it was."""

        def measure() -> FeatureBatch:
            with worker_errors():
                return self._features.measure(pending)

        batch = self._retry.until_done(measure)  # it seldom asks Redis
        metrics.FEATURE_STORE_CACHE_HITS.set(self._features.hits)
        metrics.FEATURE_STORE_CACHE_MISSES.set(self._features.misses)
        metrics.FEATURE_STORE_CACHE_BYTES.set(self._features.replica_bytes)
        return batch

    def report(self, reports: Sequence[tuple[bytes, bytes]], arrivals: Arrivals | None = None) -> None:
        """Set outcome reports; the offsets of the arrivals, if they came from the outcomes topic, move with them."""
        origins = [] if arrivals is None else arrivals.origins(self._expected)

        def report() -> None:
            with worker_errors():
                self._store.report(reports, origins)

        self._retry.until_done(report, "report")
        if arrivals is not None:
            self._moved(arrivals)

    def starts(self, committed: Mapping[tuple[str, int], int | None]) -> dict[tuple[str, int], int]:
        """Return where to start partitions whose store stands before the committed offset.

        Raises StoreBehindError where offsets were committed and the store holds nothing: it was wiped, and whoever
        scored now would score on missing windows. Asked again, it answers as soon as it was rebuilt.
        """
        partitions = list(committed)
        names = [partition_name(topic, partition) for topic, partition in partitions]
        with worker_errors():
            applied = self._store.next_offsets(names)
        starts = {}
        for partition, name, stands in zip(partitions, names, applied, strict=True):
            offset = committed[partition]
            if stands is None and offset:
                raise StoreBehindError(
                    f"Redis holds nothing of {name.decode()}, whose offset {offset} was committed: it was wiped. "
                    "Run `upifraud rebuild-features`; the worker goes on by itself then.",
                    server=Server.REDIS,
                )
            self._expected[name] = stands or 0
            if stands is not None and offset is not None and stands < offset:
                starts[partition] = stands
        return starts

    def _moved(self, arrivals: Arrivals) -> None:
        for partition, _, following in arrivals.spans:
            self._expected[partition_name(arrivals.topic, partition)] = following


@contextmanager
def worker_errors() -> Iterator[None]:
    """Raise what the features package raises as what the worker acts on."""
    try:
        yield
    except StoreUnavailableError as error:
        raise RetryableError(str(error), server=Server.REDIS) from error
    except FeatureError as error:
        raise FatalError(str(error)) from error
