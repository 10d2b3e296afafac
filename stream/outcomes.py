"""What happens to a micro-batch of outcomes: stored, then looked up, so that outcome and verdict never miss each other.

1. Decode. 2. Store: the newest report of a payment stands; committed. 3. Those whose payment has a verdict go to the
entity logs, set by content, in the step that moves the source offsets; the others wait for their payment (step 6 of
`stream.transactions`). 4. Settle. 5. Dead letters, confirmed. Delivered again, every step finds what it left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream import metrics
from stream.arrivals import Arrivals
from stream.decode import decode_outcomes
from stream.entity_risk import reports_of
from stream.outcome_counts import count_reported
from stream.verdict_store import OutcomeRow

if TYPE_CHECKING:
    from stream.decode import DecodedOutcomes
    from stream.feature_stage import FeatureStage
    from stream.lane import Way
    from stream.lanes import Lanes
    from stream.outbox import Outbox
    from stream.retry import Patience
    from stream.transport import Fetch
    from stream.verdict_store import PaymentRef, VerdictStore

POSTGRES = "postgres"


class OutcomeFlow:
    """Takes fetches of the outcomes topic through all steps."""

    def __init__(
        self, *, lanes: Lanes, features: FeatureStage, store: VerdictStore, outbox: Outbox, patience: Patience
    ) -> None:
        self._lanes = lanes
        self._features = features
        self._store = store
        self._outbox = outbox
        self._patience = patience

    async def process(self, fetch: Fetch) -> None:
        """Give every record of the fetch its effects; return when all of them are durable."""
        await self._lanes.follow(self._way(fetch))

    def _way(self, fetch: Fetch) -> Way[None]:
        lanes, arrivals = self._lanes, Arrivals.of(fetch)
        decoded = decode_outcomes(arrivals.values)
        known: list[PaymentRef] = yield lanes.verdicts.step(self._put, decoded, arrivals)
        fetch.passed.set()
        yield lanes.features.step(self._features.report, reports_of(known), arrivals)
        yield lanes.verdicts.step(self._patience.call, POSTGRES, "settle", self._store.settle, known)
        if decoded.rejections:
            yield lanes.outbox.step(self._bury, decoded, arrivals)
        for name, count in decoded.unusable_optional.items():
            metrics.OPTIONAL_FIELDS_UNKNOWN.labels(name).inc(count)

    def _put(self, decoded: DecodedOutcomes, arrivals: Arrivals) -> list[PaymentRef]:
        rows = [
            OutcomeRow(
                transaction_id=row.transaction_id,
                is_fraud=row.is_fraud,
                reported_at=row.reported_at,
                typology=row.typology,
                source=row.source,
                source_partition=int(arrivals.partition[row.index]),
                source_offset=int(arrivals.offset[row.index]),
            )
            for row in decoded.rows
        ]
        known = self._patience.call(POSTGRES, "outcomes", self._store.put_outcomes, rows)
        count_reported(rows, known)
        # The logs keep reports in the order of their arrival, and are read from their newest on.
        place = {row.transaction_id: number for number, row in enumerate(rows)}
        return sorted(known, key=lambda ref: place[ref.transaction_id])

    def _bury(self, decoded: DecodedOutcomes, arrivals: Arrivals) -> None:
        for rejection in decoded.rejections:
            self._outbox.dead_letter(arrivals.records[rejection.index], rejection)
            metrics.DEAD_LETTERS.labels(str(rejection.reason)).inc()
        self._outbox.confirm()
