"""What happens to a micro-batch of payments, in the order that makes it safe to die anywhere.

1. Decode: every record becomes a payment or a rejection. What only a later rule refuses is a payment where its id has a
   claim: it was judged before that rule came.
2. Claim: every transaction_id belongs to one record from here on; duplicates and conflicts are decided, durably.
3. Features: append to the entity logs and read them back in one atomic step that also moves the source offsets.
4. Windows: measure every payment as of its positions in the logs.
5. Judge: margin, probability and exact contributions of every payment; the verdict by the artifact's thresholds.
6. Store: one row a payment; a row that was there before stands, with the alert it was stored with.
7. Outcomes that waited for these verdicts go to the entity logs.
8. Publish: what stands goes to the sinks, rejected records to the dead letters; every delivery confirmed.
Only then does `process` return, and the offsets may be committed. A crash between any two steps loses nothing: the
records come again as REPLAY, steps 3 and 6 find what they left, and step 8 repeats the same bytes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from stream import metrics
from stream.decode import decode_payments
from stream.errors import FatalError
from stream.kafka.arrivals import Arrivals
from stream.stages.claimed import Claimed
from stream.stages.entity_risk import reports_of
from stream.stages.outcome_counts import count_judged
from stream.steps import Step
from stream.wire import EARLIEST_TIME_MS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from features.identity import Identities
    from stream.decode import Decoded
    from stream.kafka.fetch import Fetch
    from stream.running.lane import Way
    from stream.running.lanes import Lanes
    from stream.sinks.dead_letters import DeadLetters
    from stream.sinks.sink import Sink
    from stream.stages.feature_stage import FeatureStage
    from stream.stages.judge import Judge, Judged
    from stream.stages.verdict_stage import VerdictStage
    from stream.verdict_store import StoredVerdicts

_DAY_SECONDS = 86_400


class TransactionFlow:
    """Takes fetches of the transactions topic through all steps; several may be in flight, in order in each lane."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        identities: Identities,
        features: FeatureStage,
        judge: Judge,
        verdicts: VerdictStage,
        sinks: Sequence[Sink],
        dead_letters: DeadLetters,
        earliest_ms: int = EARLIEST_TIME_MS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lanes = lanes
        self._identities = identities
        self._features = features
        self._judge = judge
        self._verdicts = verdicts
        self._sinks = sinks
        self._dead_letters = dead_letters
        self._earliest_ms = earliest_ms
        self._clock = clock
        self._broken = False

    def begin(self, fetch: Fetch) -> Awaitable[None]:
        """Begin to give every record of the fetch its effects; what is returned is done when all are durable."""
        return self._lanes.follow(self._lanes.claim, self._run, fetch)

    async def process(self, fetch: Fetch) -> None:
        """Give every record of the fetch its effects; return when all of them are durable."""
        await self.begin(fetch)

    def _run(self, way: Way, fetch: Fetch) -> None:
        lanes = self._lanes
        try:
            way.enter(lanes.claim, Step.DECODE)
            now = self._clock()
            arrivals = Arrivals.of(fetch)
            decoded = decode_payments(
                arrivals.values,
                int(now * 1000),
                self._identities,
                earliest_ms=self._earliest_ms,
                has_claim=self._verdicts.has_claim,
            )

            way.enter(lanes.claim, Step.CLAIM)
            claims = self._verdicts.claim(arrivals, decoded, int(now) // _DAY_SECONDS)
            claimed = Claimed.of(arrivals, decoded, claims)

            way.enter(lanes.features, Step.FEATURES)
            self._refuse_after_a_failure()
            fetch.passed.set()  # formed during the slowest step, the next micro-batch is ready when this step ends
            pending = self._features.apply(claimed)
        except BaseException:
            self._broken = True  # after this one none may be applied: the offsets would move over its payments
            raise

        way.enter(lanes.windows, Step.WINDOWS)
        measured = self._features.measure(pending)

        way.enter(lanes.store, Step.JUDGE)
        judged = self._judge.judge(claimed, measured, decided_at=int(self._clock() * 1000))

        way.enter(lanes.store, Step.STORE)
        stored, waiting = self._verdicts.store(judged.rows, claimed)

        way.enter(lanes.store, Step.OUTCOMES)
        if waiting:
            way.enter(lanes.features, Step.OUTCOMES)
            self._features.report(reports_of(waiting))
            way.enter(lanes.store, Step.OUTCOMES)
            self._verdicts.settle(waiting)
            count_judged(waiting)

        way.enter(lanes.publish, Step.PUBLISH)
        for sink in self._sinks:
            sink.deliver(stored)
        for sink in self._sinks:
            sink.confirm()
        self._dead_letters.deliver(arrivals.records, claimed.rejections)
        self._dead_letters.confirm()

        way.stop_timing()
        self._count(decoded, claimed, judged, stored)

    def _refuse_after_a_failure(self) -> None:
        if self._broken:
            raise FatalError("The micro-batch before was not applied to the online store, so this one must not be.")

    def _count(self, decoded: Decoded, claimed: Claimed, judged: Judged, stored: StoredVerdicts) -> None:
        """Put the finished micro-batch on the meters."""
        if claimed.duplicates:
            metrics.DUPLICATES.inc(claimed.duplicates)
        if replays := int(np.count_nonzero(claimed.replayed)):
            metrics.REPLAYS.inc(replays)
        for name, count in decoded.unusable_optional.items():
            metrics.OPTIONAL_FIELDS_UNKNOWN.labels(name).inc(count)
        self._judge.count(judged, stored.is_new)
        metrics.END_TO_END_LATENCY.observe_all(claimed.arrivals.ages())
