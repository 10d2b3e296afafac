"""The judge: one artifact that scores vectors, gives verdicts and says why."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from features.compiled import njit
from model.reasons import Explainer
from model.verdict import Verdict
from stream import metrics
from stream.stages.alerting import REASONS, Alerting
from stream.stages.compact_alerts import CompactAlerts
from stream.verdict_store import NUMBERS, VerdictRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from features.online import FeatureBatch
    from model.artifact import Artifact
    from model.compiled.scoring import Scored
    from stream.stages.claimed import Claimed
    from stream.stages.drift import Drift

_HOLD: Final = Verdict.HOLD.value


@dataclass(frozen=True, slots=True)
class AlertRules:
    """Which verdicts have alerts, what an ALLOW's alert says, and when a HOLD ends."""

    include_allow: bool = False
    allow_reasons: str = "codes"
    """As `Alerting` takes it."""
    hold_for: int = 3_600_000
    """Milliseconds from decided_at to the end of a HOLD; 0 for no end."""


class Judged(Struct, frozen=True, eq=False):
    """The verdicts of a micro-batch, as computed."""

    scored: Scored
    rows: VerdictRows
    """What is to be stored, alerts included."""
    flagged: NDArray[np.intp]
    """The rows whose verdict is stricter than ALLOW."""


class Judge:
    """Judges payments with one artifact; a payment's result depends on its own vector alone."""

    def __init__(
        self, artifact: Artifact, *, model_key: int, rules: AlertRules | None = None, drift: Drift | None = None
    ) -> None:
        self._artifact = artifact
        self._explainer = Explainer(artifact)
        self._rules = rules or AlertRules()
        self._alerting = Alerting(artifact, self._explainer, allow_reasons=self._rules.allow_reasons)
        self._compact: CompactAlerts | None = None
        if self._rules.include_allow and self._rules.allow_reasons != "full":
            reasons = REASONS if self._rules.allow_reasons == "codes" else 0
            self._compact = CompactAlerts(artifact, self._explainer, self._alerting, reasons=reasons)
        self._drift = drift
        self.model_key = model_key
        """What stands for the artifact in verdict rows."""

    def judge(self, claimed: Claimed, measured: FeatureBatch, *, decided_at: int) -> Judged:
        """Score, explain and give verdicts at an epoch millisecond."""
        scored = self._artifact.scorer.score(measured.vectors)
        if self._drift is not None:
            self._drift.offer(measured.vectors, scored.probability)
        n, provenance = len(claimed), measured.provenance
        verdicts = self._artifact.thresholds.verdicts(scored.probability)
        (flagged,) = verdicts.nonzero()  # ALLOW is 0
        numbers = np.empty(n, dtype=NUMBERS)
        _put_numbers(
            claimed.payments.rows, claimed.partition, claimed.offset, claimed.rrn, measured.state, scored.margin,
            scored.probability, verdicts, decided_at, self._rules.hold_for, self.model_key, numbers,
        )  # fmt: skip
        rows = VerdictRows(
            claimed.transaction_id,
            claimed.payer_vpa,
            claimed.payee_vpa,
            numbers,
            measured.vectors,
            provenance=provenance.view(np.uint8).reshape(n, provenance.dtype.itemsize),
            alerts=[None] * n,
            facts=claimed.facts,
        )
        for row, alert in self._alerts(rows, scored.contributions, flagged):
            rows.alerts[row] = alert
        return Judged(scored, rows, flagged)

    def count(self, judged: Judged, is_new: NDArray[np.bool_]) -> None:
        """Put the verdicts of new rows, their scores, and the strongest reason of each alert on the meters."""
        rows, scored = judged.rows, judged.scored
        verdict, score = rows.numbers["verdict"], scored.probability
        if np.count_nonzero(is_new) < len(is_new):
            verdict, score = verdict[is_new], score[is_new]
        metrics.count_verdicts(metrics.FRAUD_PREDICTIONS, bytes(verdict.tolist()))
        metrics.FRAUD_SCORE.observe_all(score)
        flagged = judged.flagged
        if len(flagged):
            codes = self._explainer.strongest_codes(rows.vectors, scored.contributions, flagged[is_new[flagged]])
            for code, count in codes.items():
                metrics.ALERT_REASONS.labels(code).inc(count)

    def _alerts(
        self, rows: VerdictRows, contributions: NDArray[np.float64], flagged: NDArray[np.intp]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield rows with their alerts: those of ALLOWs, where they have any, made all at once if they are compact."""
        one_by_one = flagged
        if self._compact is not None:
            allowed = np.flatnonzero(rows.verdict == Verdict.ALLOW.value) if len(flagged) else np.arange(len(rows))
            if len(allowed):
                yield from zip(allowed.tolist(), self._compact.render(rows, contributions, allowed), strict=True)
        elif self._rules.include_allow:
            one_by_one = np.arange(len(rows))
        for row in one_by_one.tolist():
            yield row, self._alerting.alert(rows, row, contributions[row])


@njit()
def _put_numbers(  # type: ignore[no-untyped-def]
    payments, partition, offset, rrn, state, margin, score, verdict, decided_at, hold_for, model_key, numbers
):  # fmt: skip
    """Fill in NUMBERS[n]; a HOLD ends hold_for milliseconds after decided_at, and never where that is 0."""
    for row in range(len(numbers)):
        payment, one = payments[row], numbers[row]
        one.event_time, one.decided_at, one.amount_paise = payment.event_time, decided_at, payment.amount_paise
        one.score, one.margin, one.verdict = score[row], margin[row], verdict[row]
        one.hold_until = decided_at + hold_for if verdict[row] == _HOLD and hold_for > 0 else -1
        one.source_partition, one.source_offset, one.rrn = partition[row], offset[row], rrn[row]
        one.feature_state, one.model_key = state[row], model_key
