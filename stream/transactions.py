"""What happens to a micro-batch of payments, in the order that makes it safe to die anywhere.

1. Decode: every record becomes a payment or a rejection.
2. Claim: every transaction_id belongs to one record from here on; duplicates and conflicts are decided, durably.
3. Features: append to the entity logs and read them back in one atomic step that also moves the source offsets.
4. Windows: measure every payment as of its place in the logs.
5. Judge: margin, probability and exact contributions of every payment; the verdict by the artifact's thresholds.
6. Store: one row a payment; a row that was there before stands, with the alert it was stored with.
7. Outcomes that waited for these verdicts go to the entity logs.
8. Publish: alerts and dead letters, every delivery confirmed.
Only then does `process` return, and the offsets may be committed. A crash between any two steps loses nothing: the
records come again as REPLAY, steps 3 and 6 find what they left, and step 8 repeats the same bytes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stream import metrics
from stream.arrivals import Arrivals
from stream.decode import decode_payments
from stream.decode.rejection import Rejection
from stream.entity_risk import reports_of
from stream.errors import FatalError
from stream.judge import count_verdicts, verdict_rows
from stream.outcome_counts import count_judged
from stream.verdict_store import Claim
from stream.wire import RejectionReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from features.identity import Identities
    from features.online import FeatureBatch, Pending
    from stream.decode import Decoded
    from stream.feature_stage import FeatureStage
    from stream.judge import Judge, Judged
    from stream.lane import Way
    from stream.lanes import Lanes
    from stream.outbox import Outbox
    from stream.retry import Patience
    from stream.transport import Fetch
    from stream.verdict_store import PaymentRef, StoredVerdict, VerdictRows, VerdictStore

DAY_MS = 86_400_000
CONFLICT_DETAIL = (
    "transaction_id: taken by another payment of the last 3 days; expected the same time, amount and parties"
)
POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The payments of a micro-batch that get a verdict here, and what becomes of the other records."""

    arrivals: Arrivals
    decoded: Decoded
    kept: NDArray[np.intp]
    """Rows of `decoded` that are no duplicates and no conflicts."""
    replayed: NDArray[np.bool_]
    """For each kept row whether its record was claimed at this very offset before."""
    rejections: list[Rejection]
    duplicates: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What was stored for the kept payments."""

    rows: VerdictRows
    judged: Judged
    before: dict[int, StoredVerdict]
    """By row, the verdicts that had been there."""
    waiting: list[PaymentRef]
    """Outcomes that had come before these verdicts."""


class TransactionFlow:
    """Takes fetches of the transactions topic through all steps; several may be in flight, in order in each lane."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        identities: Identities,
        features: FeatureStage,
        judge: Judge,
        store: VerdictStore,
        outbox: Outbox,
        patience: Patience,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lanes = lanes
        self._identities = identities
        self._features = features
        self._judge = judge
        self._store = store
        self._outbox = outbox
        self._patience = patience
        self._clock = clock
        self._broken = False

    async def process(self, fetch: Fetch) -> None:
        """Give every record of the fetch its effects; return when all of them are durable."""
        await self._lanes.follow(self._way(fetch))

    def _way(self, fetch: Fetch) -> Way[None]:
        lanes = self._lanes
        try:
            admitted: Admitted = yield lanes.claims.step(self._admit, fetch)
            pending: Pending = yield lanes.features.step(self._apply, admitted, fetch.passed.set)
        except BaseException:
            self._broken = True
            raise
        measured: FeatureBatch = yield lanes.windows.step(self._measure, pending)
        settled: Settled = yield lanes.verdicts.step(self._settle, admitted, measured)
        if settled.waiting:
            yield lanes.features.step(self._features.report, reports_of(settled.waiting))
            yield lanes.verdicts.step(self._patience.call, POSTGRES, "settle", self._store.settle, settled.waiting)
            count_judged(settled.waiting)
        yield lanes.outbox.step(self._publish, admitted, settled)
        self._count(admitted, settled)

    def _admit(self, fetch: Fetch) -> Admitted:
        """Steps 1 and 2."""
        now = self._clock()
        with metrics.stage("decode"):
            arrivals = Arrivals.of(fetch)
            decoded = decode_payments(arrivals.values, int(now * 1000), self._identities)
        with metrics.stage("claim"):
            claims = self._patience.call(
                POSTGRES,
                "claim",
                self._store.claim,
                decoded.ids128,
                decoded.fingerprint,
                arrivals.partition[decoded.rows],
                arrivals.offset[decoded.rows],
                int(now) // 86_400,
            )
        kept = np.flatnonzero((claims == Claim.FRESH) | (claims == Claim.REPLAY))
        conflicts = [
            Rejection(int(decoded.rows[row]), RejectionReason.CONFLICTING_DUPLICATE, CONFLICT_DETAIL)
            for row in np.flatnonzero(claims == Claim.CONFLICT).tolist()
        ]
        return Admitted(
            arrivals=arrivals,
            decoded=decoded,
            kept=kept,
            replayed=claims[kept] == Claim.REPLAY,
            rejections=[*decoded.rejections, *conflicts],
            duplicates=int((claims == Claim.DUPLICATE).sum()),
        )

    def _apply(self, admitted: Admitted, passed: Callable[[], None]) -> Pending:
        """Step 3, the slowest; the next micro-batch, formed when it begins, is then ready when it ends.

        After one that did not come through it none may: the offsets would move over payments that are missing.
        """
        if self._broken:
            raise FatalError("The micro-batch before was not applied to the online store, so this one must not be.")
        passed()
        with metrics.stage("features"):
            payments = admitted.decoded.payments.take(admitted.kept)
            rows = admitted.decoded.rows[admitted.kept]
            return self._features.apply(payments, rows, admitted.arrivals)

    def _measure(self, pending: Pending) -> FeatureBatch:
        """Step 4, while the next micro-batch is at step 3."""
        with metrics.stage("windows"):
            return self._features.measure(pending)

    def _settle(self, admitted: Admitted, measured: FeatureBatch) -> Settled:
        """Steps 5 and 6."""
        decoded, arrivals = admitted.decoded, admitted.arrivals
        with metrics.stage("score"):
            judged = self._judge.judge(measured.vectors)
        with metrics.stage("explain"):
            rows = verdict_rows(
                self._judge,
                decoded,
                admitted.kept,
                measured,
                judged,
                decided_at=int(self._clock() * 1000),
                partition=arrivals.partition[decoded.rows],
                offset=arrivals.offset[decoded.rows],
            )
        with metrics.stage("store"):
            before = self._patience.call(POSTGRES, "insert", self._store.insert, rows, replays=admitted.replayed)
            waiting = self._patience.call(POSTGRES, "waiting", self._store.waiting_outcomes, rows)
        return Settled(rows, judged, before, waiting)

    def _publish(self, admitted: Admitted, settled: Settled) -> None:
        """Step 8."""
        with metrics.stage("publish"):
            alerted = []
            for row, alert in enumerate(settled.rows.alerts):
                stored = settled.before.get(row)
                value = alert if stored is None else stored.alert
                if value is not None:
                    self._outbox.alert(settled.rows.payer_vpa[row], value)
                    alerted.append(int(settled.rows.verdict[row]) if stored is None else stored.verdict)
            for rejection in admitted.rejections:
                self._outbox.dead_letter(admitted.arrivals.records[rejection.index], rejection)
            self._outbox.confirm()
            count_verdicts(metrics.ALERTS_PUBLISHED, np.array(alerted, dtype=np.int64))

    def _count(self, admitted: Admitted, settled: Settled) -> None:
        """Put the finished micro-batch on the meters."""
        metrics.DUPLICATES.inc(admitted.duplicates)
        metrics.REPLAYS.inc(int(admitted.replayed.sum()))
        for name, count in admitted.decoded.unusable_optional.items():
            metrics.OPTIONAL_FIELDS_UNKNOWN.labels(name).inc(count)
        for rejection in admitted.rejections:
            metrics.DEAD_LETTERS.labels(str(rejection.reason)).inc()
        fresh = np.ones(len(settled.rows), dtype=np.bool_)
        fresh[list(settled.before)] = False
        self._judge.count(settled.judged, settled.rows.vectors, fresh)
        metrics.END_TO_END_LATENCY.observe_all(admitted.arrivals.ages())
