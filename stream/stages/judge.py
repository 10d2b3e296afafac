"""The judge: one artifact that scores vectors, gives verdicts and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import FeatureState
from model.reasons import Explainer
from stream import metrics
from stream.verdict_store import VerdictRows
from stream.wire import Alert, Reason, alert_id, encode_alert, utc_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.online import FeatureBatch
    from model.artifact import Artifact
    from model.compiled.scoring import Scored
    from stream.stages.claimed import Claimed
    from stream.stages.drift import Drift

REASONS = 5
"""Reasons an alert carries; `upifraud explain` shows all."""

STATE_NAMES = [state.name for state in FeatureState]


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of a micro-batch, as computed."""

    scored: Scored
    rows: VerdictRows
    """What is to be stored, alerts included."""


class Judge:
    """Judges payments with one artifact; a payment's result depends on its own vector alone."""

    def __init__(self, artifact: Artifact, *, model_key: int, include_allow: bool, drift: Drift | None = None) -> None:
        self._artifact = artifact
        self._explainer = Explainer(artifact)
        self._include_allow = include_allow
        self._drift = drift
        self.model_key = model_key
        """What stands for the artifact in verdict rows."""

    def judge(self, claimed: Claimed, measured: FeatureBatch, *, decided_at: int) -> Judged:
        """Score, explain and give verdicts at an epoch millisecond."""
        scored = self._artifact.scorer.score(measured.vectors)
        if self._drift is not None:
            self._drift.offer(measured.vectors, scored.probability)
        n, provenance = len(claimed), measured.provenance
        rows = VerdictRows(
            transaction_id=claimed.transaction_id,
            event_time=claimed.payments.event_time,
            decided_at=np.full(n, decided_at, dtype=np.int64),
            payer_vpa=claimed.payer_vpa,
            payee_vpa=claimed.payee_vpa,
            amount_paise=claimed.payments.amount_paise,
            verdict=self._artifact.thresholds.verdicts(scored.probability),
            score=scored.probability,
            margin=scored.margin,
            feature_state=measured.state,
            model_key=np.full(n, self.model_key, dtype=np.int16),
            vectors=measured.vectors,
            provenance=provenance.view(np.uint8).reshape(n, provenance.dtype.itemsize),
            source_partition=claimed.partition,
            source_offset=claimed.offset,
            alerts=[None] * n,
            facts=claimed.facts,
            rrn=claimed.rrn,
        )
        for row in range(n) if self._include_allow else np.flatnonzero(rows.verdict).tolist():
            rows.alerts[row] = self._alert(rows, row, scored)
        return Judged(scored, rows)

    def count(self, judged: Judged, is_new: NDArray[np.bool_]) -> None:
        """Put the verdicts of new rows, their scores, and the strongest reason of each alert on the meters."""
        rows = judged.rows
        metrics.count_verdicts(metrics.FRAUD_PREDICTIONS, bytes(rows.verdict[is_new].tolist()))
        metrics.FRAUD_SCORE.observe_all(rows.score[is_new])
        flagged = np.flatnonzero(rows.verdict)  # ALLOW is 0
        flagged = flagged[is_new[flagged]]
        if len(flagged):
            codes = self._explainer.strongest_codes(rows.vectors[flagged], judged.scored.contributions[flagged])
            for code, count in codes.items():
                metrics.ALERT_REASONS.labels(code).inc(count)

    def _alert(self, rows: VerdictRows, row: int, scored: Scored) -> bytes:
        """Return the alert of one row as it is published."""
        transaction_id = rows.transaction_id[row].decode()
        return encode_alert(
            Alert(
                alert_id=alert_id(transaction_id),
                transaction_id=transaction_id,
                event_time=utc_time(int(rows.event_time[row])),
                decided_at=utc_time(int(rows.decided_at[row])),
                verdict=metrics.VERDICT_NAMES[rows.verdict[row]],
                score=float(rows.score[row]),
                margin=float(rows.margin[row]),
                base_value=self._artifact.scorer.base_value,
                reasons=self._reasons(rows.vectors[row], scored.contributions[row]),
                payer_vpa=rows.payer_vpa[row].decode(),
                payee_vpa=rows.payee_vpa[row].decode(),
                amount_paise=int(rows.amount_paise[row]),
                feature_state=STATE_NAMES[rows.feature_state[row]],
                model_id=self._artifact.model_id,
                schema_hash=self._artifact.schema_hash,
            )
        )

    def _reasons(self, vector: NDArray[np.float32], contributions: NDArray[np.float64]) -> tuple[Reason, ...]:
        return tuple(
            Reason(
                feature=reason.feature,
                code=reason.code,
                value=reason.value,
                usual=reason.usual,
                contribution=reason.contribution,
                text=reason.text,
            )
            for reason in self._explainer.reasons(vector, contributions, REASONS)
        )
