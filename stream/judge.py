"""The judge: one artifact that scores vectors, gives verdicts and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import FeatureState
from model.reasons import Explainer
from model.verdict import Verdict
from stream import metrics
from stream.verdict_store import VerdictRows
from stream.wire import Alert, Reason, alert_id, encode_alert, utc_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from prometheus_client import Counter

    from features.online import FeatureBatch
    from model.artifact import Artifact
    from model.compiled.scoring import Scored
    from stream.decode import Decoded
    from stream.drift import Drift

REASONS = 5
"""Reasons an alert carries; `upifraud explain` shows all."""

VERDICT_NAMES = [verdict.name for verdict in Verdict]
STATE_NAMES = [state.name for state in FeatureState]


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores and verdicts of n payments."""

    scored: Scored
    verdict: NDArray[np.uint8]
    """[n] of Verdict."""


class Judge:
    """Judges vectors with one artifact; a payment's result depends on its own vector alone."""

    def __init__(self, artifact: Artifact, *, model_key: int, include_allow: bool, drift: Drift | None = None) -> None:
        self._artifact = artifact
        self._explainer = Explainer(artifact)
        self._include_allow = include_allow
        self._drift = drift
        self.model_key = model_key
        """What stands for the artifact in verdict rows."""

    def judge(self, vectors: NDArray[np.float32]) -> Judged:
        """Return the scores and verdicts of vectors, float32[n, f]."""
        scored = self._artifact.scorer.score(vectors)
        if self._drift is not None:
            self._drift.offer(vectors, scored.probability)
        return Judged(scored, self._artifact.thresholds.verdicts(scored.probability))

    def alerts(
        self,
        judged: Judged,
        measured: FeatureBatch,
        transaction_id: Sequence[bytes],
        payer_vpa: Sequence[bytes],
        payee_vpa: Sequence[bytes],
        event_time: NDArray[np.int64],
        amount_paise: NDArray[np.int64],
        decided_at: NDArray[np.int64],
    ) -> list[bytes | None]:
        """Return each payment's alert as it is published; None where none is raised."""
        alerts: list[bytes | None] = [None] * len(transaction_id)
        raised = range(len(alerts)) if self._include_allow else np.flatnonzero(judged.verdict).tolist()
        for row in raised:
            text = transaction_id[row].decode()
            alerts[row] = encode_alert(
                Alert(
                    alert_id=alert_id(text),
                    transaction_id=text,
                    event_time=utc_time(int(event_time[row])),
                    decided_at=utc_time(int(decided_at[row])),
                    verdict=VERDICT_NAMES[judged.verdict[row]],
                    score=float(judged.scored.probability[row]),
                    margin=float(judged.scored.margin[row]),
                    base_value=self._artifact.scorer.base_value,
                    reasons=self._reasons(measured.vectors[row], judged.scored.contributions[row]),
                    payer_vpa=payer_vpa[row].decode(),
                    payee_vpa=payee_vpa[row].decode(),
                    amount_paise=int(amount_paise[row]),
                    feature_state=STATE_NAMES[measured.state[row]],
                    model_id=self._artifact.model_id,
                    schema_hash=self._artifact.schema_hash,
                )
            )
        return alerts

    def count(self, judged: Judged, vectors: NDArray[np.float32], fresh: NDArray[np.bool_]) -> None:
        """Put the verdicts of fresh rows, their scores, and the strongest reason of each alert on the meters."""
        count_verdicts(metrics.FRAUD_PREDICTIONS, judged.verdict[fresh])
        metrics.FRAUD_SCORE.observe_all(judged.scored.probability[fresh])
        flagged = np.flatnonzero(fresh & (judged.verdict > Verdict.ALLOW.value))
        if len(flagged):
            codes = self._explainer.strongest_codes(vectors[flagged], judged.scored.contributions[flagged])
            for code, count in codes.items():
                metrics.ALERT_REASONS.labels(code).inc(count)

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


def verdict_rows(
    judge: Judge,
    decoded: Decoded,
    kept: NDArray[np.intp],
    measured: FeatureBatch,
    judged: Judged,
    *,
    decided_at: int,
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
) -> VerdictRows:
    """Return what is stored of the kept rows of `decoded`, alerts included, decided at an epoch millisecond.

    Partition and offset are those of every decoded row.
    """
    picked = kept.tolist()
    transaction_id = [decoded.transaction_id[row] for row in picked]
    payer_vpa = [decoded.payer_vpa[row] for row in picked]
    payee_vpa = [decoded.payee_vpa[row] for row in picked]
    event_time = decoded.payments.event_time[kept]
    amount_paise = decoded.payments.amount_paise[kept]
    decided = np.full(len(kept), decided_at, dtype=np.int64)
    return VerdictRows(
        transaction_id=transaction_id,
        event_time=event_time,
        decided_at=decided,
        payer_vpa=payer_vpa,
        payee_vpa=payee_vpa,
        amount_paise=amount_paise,
        verdict=judged.verdict,
        score=judged.scored.probability,
        margin=judged.scored.margin,
        feature_state=measured.state,
        model_key=np.full(len(kept), judge.model_key, dtype=np.int16),
        vectors=measured.vectors,
        provenance=measured.provenance.view(np.uint8).reshape(len(kept), measured.provenance.dtype.itemsize),
        source_partition=partition[kept],
        source_offset=offset[kept],
        alerts=judge.alerts(judged, measured, transaction_id, payer_vpa, payee_vpa, event_time, amount_paise, decided),
    )


def count_verdicts(counter: Counter, verdicts: NDArray[np.integer]) -> None:
    """Add verdict codes, [n], to a counter by verdict."""
    counts = np.bincount(verdicts, minlength=len(VERDICT_NAMES)).tolist()
    for name, count in zip(VERDICT_NAMES, counts, strict=True):
        if count:
            counter.labels(name).inc(count)
