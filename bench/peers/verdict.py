"""A verdict as it leaves a peer: a row of the same table, and an alert of the same form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from features.columns import FeatureState
from features.schema import FEATURE_NAMES
from model.reasons import Explainer
from model.verdict import Verdict
from stream.stages.alerting import REASONS
from stream.wire import Alert, Reason, alert_id, encode_alert, utc_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench.peers.payment import Payment
    from bench.peers.scoring import Judged
    from model.artifact import Artifact

INSERT = """
INSERT INTO verdicts_by_day (
    transaction_id, event_time, decided_at, payer_vpa, payee_vpa, amount_paise, verdict, score, margin, feature_state,
    model_key, vector, provenance, source_partition, source_offset, alert
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '', %s, %s, %s) ON CONFLICT DO NOTHING
"""
MAKE_DAY = "SELECT make_verdict_day(%s)"
PAYER_COUNT = FEATURE_NAMES.index("payer_count_30d")


class VerdictRow(NamedTuple):
    """The parameters of INSERT."""

    transaction_id: str
    event_time: datetime
    decided_at: datetime
    payer_vpa: str
    payee_vpa: str
    amount_paise: int
    verdict: int
    score: float
    margin: float
    feature_state: int
    model_key: int
    vector: bytes
    source_partition: int
    source_offset: int
    alert: bytes | None


class Verdicts:
    """Makes rows and alerts; none says LATE or DEGRADED, since windows here are exact or fail."""

    def __init__(self, artifact: Artifact, model_key: int) -> None:
        self._artifact, self._model_key = artifact, model_key
        self._explainer = Explainer(artifact)

    def row(self, p: Payment, vector: NDArray[np.float32], judged: Judged, partition: int, offset: int) -> VerdictRow:
        """Return the row of a payment, its alert in it if there is one."""
        state = FeatureState.COLD if vector[PAYER_COUNT] == 1 else FeatureState.FULL
        now = datetime.now(UTC)
        alert = None if judged.verdict == Verdict.ALLOW else self._alert(p, vector, judged, state, now)
        return VerdictRow(
            p.transaction_id, datetime.fromtimestamp(p.event_time / 1000, UTC), now, p.payer, p.payee, p.amount,
            judged.verdict, judged.score, judged.margin, state, self._model_key, vector.tobytes(), partition, offset,
            alert,
        )  # fmt: skip

    def _alert(
        self, p: Payment, vector: NDArray[np.float32], judged: Judged, state: FeatureState, now: datetime
    ) -> bytes:
        reasons = self._explainer.reasons(vector, judged.contributions, REASONS)
        return encode_alert(
            Alert(
                alert_id=alert_id(p.transaction_id),
                transaction_id=p.transaction_id,
                event_time=utc_time(p.event_time),
                decided_at=utc_time(int(now.timestamp() * 1000)),
                verdict=Verdict(judged.verdict).name,
                score=judged.score,
                margin=judged.margin,
                base_value=self._artifact.base_value,
                reasons=tuple(
                    Reason(
                        feature=one.feature, code=one.code, value=one.value, usual=one.usual,
                        contribution=one.contribution, text=one.text,
                    )
                    for one in reasons
                ),
                payer_vpa=p.payer,
                payee_vpa=p.payee,
                amount_paise=p.amount,
                feature_state=state.name,
                model_id=self._artifact.model_id,
                schema_hash=self._artifact.schema_hash,
            )
        )  # fmt: skip
