"""The features stage: the online store behind the worker's error classes, and what it is known to hold."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from features.errors import FeatureError, StoreUnavailableError
from features.store.messages import Claims
from stream import metrics
from stream.errors import FatalError, RetryableError, TopicRenewedError
from stream.kafka.arrivals import partition_name
from stream.running.retry import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from features.online import FeatureBatch, OnlineFeatures, Pending
    from features.store.contract import EntityStore
    from stream.kafka.arrivals import Arrivals
    from stream.running.retry import Retry
    from stream.stages.claimed import Claimed

log = logging.getLogger(__name__)


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
        self._ids: dict[str, str] = {}
        self._renewed: TopicRenewedError | None = None
        metrics.FEATURE_STORE_CACHE_HITS.set_function(lambda: features.hits)
        metrics.FEATURE_STORE_CACHE_MISSES.set_function(lambda: features.misses)
        metrics.FEATURE_STORE_CACHE_BYTES.set_function(lambda: features.replica_bytes)

    def apply(self, claimed: Claimed) -> Pending:
        """Append the payments that are new and read their logs; the offsets of all arrivals move."""
        self._check_topics()
        claims = Claims(claimed.slice_of, claimed.offset)
        origins = claimed.arrivals.origins(self._expected)

        def apply() -> Pending:
            with WorkerErrors():
                return self._features.apply(claimed.payments, claims, origins)

        pending = self._retry.until_done(apply, "apply")
        self._moved(claimed.arrivals)
        return pending

    def measure(self, pending: Pending) -> FeatureBatch:
        """Return the vectors of what was applied; in the order in which it was."""

        def measure() -> FeatureBatch:
            with WorkerErrors():
                return self._features.measure(pending)

        return self._retry.until_done(measure)  # it seldom asks Redis

    def report(self, reports: Sequence[tuple[bytes, bytes]], arrivals: Arrivals | None = None) -> None:
        """Set outcome reports; the offsets of the arrivals, if they came from the outcomes topic, move with them."""
        self._check_topics()
        origins = [] if arrivals is None else arrivals.origins(self._expected)

        def report() -> None:
            with WorkerErrors():
                self._store.report(reports, origins)

        self._retry.until_done(report, "report")
        if arrivals is not None:
            self._moved(arrivals)

    def reached(
        self, committed: Mapping[tuple[str, int], int | None], ids: Mapping[str, str | None]
    ) -> dict[tuple[str, int], int]:
        """Return up to where each partition is known to have been worked on; those of which nothing is are left out.

        ids: which topics they are now. Raises TopicRenewedError where the offsets are of another of that name.
        """
        for topic, now in ids.items():
            with WorkerErrors():
                held = self._store.topic_id(topic.encode())
            if held is not None and now is not None and held != now.encode():
                raise _another(topic, held.decode(), now)
        with WorkerErrors():
            applied = self._store.next_offsets([partition_name(*partition) for partition in committed])
        both = zip(committed.items(), applied, strict=True)
        return {partition: most for (partition, offset), stands in both if (most := max(stands or 0, offset or 0)) > 0}

    def starts(
        self,
        committed: Mapping[tuple[str, int], int | None],
        ids: Mapping[str, str | None],
        shorter: Mapping[tuple[str, int], int],
    ) -> dict[tuple[str, int], int]:
        """Return where to start partitions whose store stands before the committed offset; keep the ids.

        shorter: the ends of logs that do not reach as far as they were worked on; raises TopicRenewedError for them.

        Raises StoreBehindError where offsets were committed and the store holds nothing: it was wiped, and whoever
        scored now would score on missing windows. Asked again, it answers as soon as it was rebuilt.
        """
        if shorter:
            (topic, number), end = next(iter(shorter.items()))
            raise TopicRenewedError(
                f"Topic {topic} was made anew, or lost records: its log {topic}[{number}] ends at {end}, expected it "
                "to reach as far as it was worked on. What comes next would be taken for what was counted already. "
                "Stop all workers, and run `upifraud rebuild-features --force`."
            )
        partitions = list(committed)
        names = [partition_name(topic, partition) for topic, partition in partitions]
        with WorkerErrors():
            applied = self._store.next_offsets(names)
        starts = {}
        again = 0
        for partition, name, stands in zip(partitions, names, applied, strict=True):
            offset = committed[partition]
            if stands is None and offset:
                raise StoreBehindError(
                    f"Redis holds nothing of {name.decode()}, whose offset {offset} was committed: it was wiped, or "
                    "the windows were changed and with them the layout. Run `upifraud rebuild-features`; the worker "
                    "goes on by itself then.",
                    server=Server.REDIS,
                )
            self._expected[name] = stands or 0
            again += max(0, (stands or 0) - (offset or 0))
            if stands is not None and offset is not None and stands < offset:
                starts[partition] = stands
        if again:
            log.info(
                "Up to %d records are read again that Redis has applied: they are looked up, and count once.", again
            )
        for topic, now in ids.items():
            if now is not None:
                self._ids[topic] = now
                with WorkerErrors():
                    self._store.keep_topic_id(topic.encode(), now.encode())
        return starts

    def watch(self, ids: Mapping[str, str | None]) -> None:
        """Let no record be applied any more once a topic has another id than when its partitions came; for any thread.

        A topic may be made anew so quickly that a worker does not miss it, and goes on at its offset in another log.
        """
        for topic, held in list(self._ids.items()):
            now = ids.get(topic)
            if now is not None and now != held:
                self._renewed = _another(topic, held, now)

    def _check_topics(self) -> None:
        if self._renewed is not None:
            raise self._renewed

    def _moved(self, arrivals: Arrivals) -> None:
        for partition, _, following in arrivals.spans:
            self._expected[partition_name(arrivals.topic, partition)] = following


def _another(topic: str, held: str, now: str) -> TopicRenewedError:
    return TopicRenewedError(
        f"Topic {topic} was made anew: expected the one with the id {held}, whose records were applied, got {now}. "
        "Its records would be taken for those of the earlier one, which were counted already. Stop all workers, and "
        f"run `upifraud accept-topic {topic} --from beginning`."
    )


class WorkerErrors:
    """Raises what the features package raises as what the worker acts on."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, StoreUnavailableError):
            raise RetryableError(str(error), server=Server.REDIS) from error
        if isinstance(error, FeatureError):
            raise FatalError(str(error)) from error
