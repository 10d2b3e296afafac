"""Alerts as they are published and stored: what is the same for all of them is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.columns import FeatureState
from model.verdict import NEVER, Verdict
from stream.wire import Alert, Decision, ModelDecision, Reason, alert_id, encode_alert, utc_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.artifact import Artifact
    from model.reasons import Explainer
    from stream.verdict_store import VerdictRows
    from stream.wire import VerdictName

REASONS = 5
"""Reasons an alert carries; `upifraud explain` shows all."""

NAMES: tuple[VerdictName, ...] = ("ALLOW", "REVIEW", "HOLD", "BLOCK")
"""By the codes of `model.verdict.Verdict`."""

STATE_NAMES = [state.name for state in FeatureState]


class Alerting:
    """Makes the alerts of one artifact's verdicts.

    `allow_reasons` says what the reasons of an ALLOW have: `codes` (feature, code and contribution), `none`, `full`.
    """

    def __init__(self, artifact: Artifact, explainer: Explainer, *, allow_reasons: str = "codes") -> None:
        self._artifact = artifact
        self._explainer = explainer
        self._allow_reasons = allow_reasons
        self._decisions = [decision_of(artifact, verdict) for verdict in Verdict]

    def alert(self, rows: VerdictRows, row: int, contributions: NDArray[np.float64]) -> bytes:
        """Return the alert of one row; contributions float64 [features] are that row's."""
        transaction_id = rows.transaction_id[row].decode()
        verdict, score, hold_until = int(rows.verdict[row]), float(rows.score[row]), int(rows.hold_until[row])
        artifact = self._artifact
        decision = self._decisions[verdict]
        return encode_alert(
            Alert(
                alert_id=alert_id(transaction_id),
                transaction_id=transaction_id,
                event_time=utc_time(int(rows.event_time[row])),
                decided_at=utc_time(int(rows.decided_at[row])),
                verdict=decision.verdict,
                score=score,
                margin=float(rows.margin[row]),
                base_value=artifact.scorer.base_value,
                reasons=self._reasons(verdict, rows.vectors[row], contributions),
                payer_vpa=rows.payer_vpa[row].decode(),
                payee_vpa=rows.payee_vpa[row].decode(),
                amount_paise=int(rows.amount_paise[row]),
                feature_state=STATE_NAMES[rows.feature_state[row]],
                model_id=artifact.model_id,
                schema_hash=artifact.schema_hash,
                policy_id=None,
                risk_score=None if artifact.risk_map is None else artifact.risk_map.of(score),
                hold_until=None if hold_until < 0 else utc_time(hold_until),
                decision=decision,
            )
        )

    def _reasons(
        self, verdict: int, vector: NDArray[np.float32], contributions: NDArray[np.float64]
    ) -> tuple[Reason, ...]:
        if verdict or self._allow_reasons == "full":
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
        if self._allow_reasons == "none":
            return ()
        return tuple(
            Reason(feature=share.feature, code=share.code, contribution=share.contribution)
            for share in self._explainer.shares(vector, contributions, REASONS)
        )


def decision_of(artifact: Artifact, verdict: Verdict) -> Decision:
    """Return what decided, where the model alone does."""
    thresholds = artifact.thresholds
    least = (None, thresholds.review, thresholds.hold, thresholds.block)[verdict]
    name = NAMES[verdict]
    # A verdict that is never given has no threshold; nor is it here then.
    return Decision(
        verdict=name, model=ModelDecision(verdict=name, threshold=None if least is None or least >= NEVER else least)
    )
