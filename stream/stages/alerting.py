"""Alerts as they are published and stored: what is the same for all of them is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from model.verdict import NEVER, Verdict
from stream.wire import Alert, Decision, ModelDecision, Reason, alert_id, encode_alert, utc_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.artifact import Artifact
    from model.reasons import Explainer
    from stream.verdict_store import VerdictRows
    from stream.wire import FeatureStateName, VerdictName

REASONS = 5
"""Reasons an alert carries; `upifraud explain` shows all."""

NAMES: tuple[VerdictName, ...] = ("ALLOW", "REVIEW", "HOLD", "BLOCK")
"""By the codes of `model.verdict.Verdict`."""

STATE_NAMES: tuple[FeatureStateName, ...] = ("FULL", "COLD", "LATE", "DEGRADED")
"""By the codes of `features.columns.FeatureState`."""


class JudgedRow(Protocol):
    """One verdict, from a micro-batch or from its row; times are epoch milliseconds."""

    @property
    def transaction_id(self) -> str: ...  # noqa: D102 - as in VerdictRows, like all of them
    @property
    def event_time(self) -> int: ...  # noqa: D102
    @property
    def decided_at(self) -> int: ...  # noqa: D102
    @property
    def payer_vpa(self) -> str: ...  # noqa: D102
    @property
    def payee_vpa(self) -> str: ...  # noqa: D102
    @property
    def amount_paise(self) -> int: ...  # noqa: D102
    @property
    def verdict(self) -> int: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def margin(self) -> float: ...  # noqa: D102
    @property
    def feature_state(self) -> int: ...  # noqa: D102
    @property
    def vector(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def hold_until(self) -> int | None: ...  # noqa: D102


class Row(NamedTuple):
    """One row of a micro-batch."""

    transaction_id: str
    event_time: int
    decided_at: int
    payer_vpa: str
    payee_vpa: str
    amount_paise: int
    verdict: int
    score: float
    margin: float
    feature_state: int
    vector: NDArray[np.float32]
    hold_until: int | None


class Alerting:
    """Makes the alerts of one artifact's verdicts, and the records that are answered over HTTP: the same, always full.

    `allow_reasons` says what the reasons of an ALLOW have: `codes` (feature, code and contribution), `none`, `full`.
    `most` is how many reasons a record has at most; None for all.
    """

    def __init__(
        self, artifact: Artifact, explainer: Explainer, *, allow_reasons: str = "codes", most: int | None = REASONS
    ) -> None:
        self._artifact = artifact
        self._explainer = explainer
        self._allow_reasons = allow_reasons
        self._most = most
        self._decisions = [_decision_of(artifact, verdict) for verdict in Verdict]

    def decision_of(self, verdict: Verdict) -> Decision:
        """Return what decided, of a verdict that the model alone gave."""
        return self._decisions[verdict]

    def alert(self, rows: VerdictRows, row: int, contributions: NDArray[np.float64]) -> bytes:
        """Return the alert of one row; contributions float64 [features] are that row's."""
        hold_until = int(rows.hold_until[row])
        return encode_alert(
            self.record(
                Row(
                    transaction_id=rows.transaction_id[row].decode(),
                    event_time=int(rows.event_time[row]),
                    decided_at=int(rows.decided_at[row]),
                    payer_vpa=rows.payer_vpa[row].decode(),
                    payee_vpa=rows.payee_vpa[row].decode(),
                    amount_paise=int(rows.amount_paise[row]),
                    verdict=int(rows.verdict[row]),
                    score=float(rows.score[row]),
                    margin=float(rows.margin[row]),
                    feature_state=int(rows.feature_state[row]),
                    vector=rows.vectors[row],
                    hold_until=None if hold_until < 0 else hold_until,
                ),
                contributions,
            )
        )

    def record(self, row: JudgedRow, contributions: NDArray[np.float64]) -> Alert:
        """Return the record of one verdict; contributions float64 [features] are that row's."""
        score = row.score
        artifact = self._artifact
        decision = self._decisions[row.verdict]
        return Alert(
            alert_id=alert_id(row.transaction_id),
            transaction_id=row.transaction_id,
            event_time=utc_time(row.event_time),
            decided_at=utc_time(row.decided_at),
            verdict=decision.verdict,
            score=score,
            margin=row.margin,
            base_value=artifact.scorer.base_value,
            reasons=self._reasons(row.verdict, row.vector, contributions),
            payer_vpa=row.payer_vpa,
            payee_vpa=row.payee_vpa,
            amount_paise=row.amount_paise,
            feature_state=STATE_NAMES[row.feature_state],
            model_id=artifact.model_id,
            schema_hash=artifact.schema_hash,
            policy_id=None,
            risk_score=None if artifact.risk_map is None else artifact.risk_map.of(score),
            hold_until=None if row.hold_until is None else utc_time(row.hold_until),
            decision=decision,
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
                for reason in self._explainer.reasons(vector, contributions, self._most)
            )
        if self._allow_reasons == "none":
            return ()
        return tuple(
            Reason(feature=share.feature, code=share.code, contribution=share.contribution)
            for share in self._explainer.shares(vector, contributions, self._most)
        )


def _decision_of(artifact: Artifact, verdict: Verdict) -> Decision:
    """Return what decided, where the model alone does."""
    thresholds = artifact.thresholds
    least = (None, thresholds.review, thresholds.hold, thresholds.block)[verdict]
    name = NAMES[verdict]
    # A verdict that is never given has no threshold; nor is it here then.
    return Decision(
        verdict=name, model=ModelDecision(verdict=name, threshold=None if least is None or least >= NEVER else least)
    )
