"""What happens to a micro-batch of outcomes: stored, then looked up, so that outcome and verdict never miss each other.

1. Decode. 2. Store: the newest report of a payment stands; committed. 3. Those whose payment has a verdict go to the
entity logs, set by content, in the step that moves the source offsets; the others wait for their payment (`OUTCOMES`
in `stream.transactions`). 4. Settle. 5. Dead letters, confirmed. Delivered again, every step finds what it left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream import metrics
from stream.decode import decode_outcomes
from stream.kafka.arrivals import Arrivals
from stream.stages.entity_risk import reports_of
from stream.stages.outcome_counts import count_reported
from stream.verdict_store import OutcomeRow
from stream.wire import EARLIEST_TIME_MS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from stream.decode import DecodedOutcomes
    from stream.kafka.fetch import Fetch
    from stream.running.lane import Way
    from stream.running.lanes import Lanes
    from stream.sinks.dead_letters import DeadLetters
    from stream.stages.feature_stage import FeatureStage
    from stream.stages.verdict_stage import VerdictStage
    from stream.verdict_store import PaymentRef


class OutcomeFlow:
    """Takes fetches of the outcomes topic through all steps."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        features: FeatureStage,
        verdicts: VerdictStage,
        dead_letters: DeadLetters,
        earliest_ms: int = EARLIEST_TIME_MS,
    ) -> None:
        self._lanes = lanes
        self._features = features
        self._verdicts = verdicts
        self._dead_letters = dead_letters
        self._earliest_ms = earliest_ms

    def begin(self, fetch: Fetch) -> Awaitable[None]:
        """Begin to give every record of the fetch its effects; what is returned is done when all are durable."""
        return self._lanes.follow(self._lanes.outcomes, self._run, fetch)

    async def process(self, fetch: Fetch) -> None:
        """Give every record of the fetch its effects; return when all of them are durable."""
        await self.begin(fetch)

    def _run(self, way: Way, fetch: Fetch) -> None:
        lanes = self._lanes
        way.enter(lanes.outcomes)
        arrivals = Arrivals.of(fetch)
        decoded = decode_outcomes(arrivals.values, earliest_ms=self._earliest_ms)

        way.enter(lanes.store)
        rows = outcome_rows(decoded, arrivals)
        known = in_order_of_arrival(self._verdicts.put_outcomes(rows), rows)
        count_reported(rows, known)
        fetch.passed.set()

        way.enter(lanes.features)
        self._features.report(reports_of(known), arrivals)

        way.enter(lanes.store)
        self._verdicts.settle(known)

        if decoded.rejections:
            way.enter(lanes.publish)
            self._dead_letters.deliver(arrivals.records, decoded.rejections)
            self._dead_letters.confirm()
        for name, count in decoded.unusable_optional.items():
            metrics.OPTIONAL_FIELDS_UNKNOWN.labels(name).inc(count)


def outcome_rows(decoded: DecodedOutcomes, arrivals: Arrivals) -> list[OutcomeRow]:
    """Return decoded outcomes with where each came from, as they are stored."""
    return [
        OutcomeRow(
            transaction_id=outcome.transaction_id,
            is_fraud=outcome.is_fraud,
            reported_at=outcome.reported_at,
            typology=outcome.typology,
            source=outcome.source,
            source_partition=int(arrivals.partition[outcome.index]),
            source_offset=int(arrivals.offset[outcome.index]),
        )
        for outcome in decoded.rows
    ]


def in_order_of_arrival(known: Sequence[PaymentRef], rows: Sequence[OutcomeRow]) -> list[PaymentRef]:
    """Return outcomes in the order in which they came: the logs keep reports so, and are read from their newest on."""
    index = {row.transaction_id: number for number, row in enumerate(rows)}
    return sorted(known, key=lambda ref: index[ref.transaction_id])
