"""The one record of a payment, written from its row alone: whoever asks, and how often, gets the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model.reasons import Explainer
from stream.metrics import VERDICT_NAMES
from stream.stages.judge import REASONS, STATE_NAMES
from stream.wire import Alert, Reason, alert_id, encode_alert, utc_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from model.artifact import Artifact
    from service.waiting.rows import StoredPayment


class Records:
    """Writes records; each row's reasons are computed anew from its vector, by the artifact that judged it."""

    def __init__(self, artifact_of: Callable[[int], Artifact]) -> None:
        self._artifact_of = artifact_of
        self._explainers: dict[str, Explainer] = {}

    def written(self, rows: Sequence[StoredPayment]) -> list[bytes]:
        """Return the JSON of each row's record."""
        return [encode_alert(record) for record in self.records(rows)]

    def records(self, rows: Sequence[StoredPayment]) -> list[Alert]:
        """Return each row's record; rows of one model are scored together."""
        records: list[Any] = [None] * len(rows)
        for key in {row.model_key for row in rows}:
            places = [place for place, row in enumerate(rows) if row.model_key == key]
            artifact = self._artifact_of(key)
            scored = artifact.scorer.score(np.stack([rows[place].vector for place in places]))
            for place, contributions in zip(places, scored.contributions, strict=True):
                row = rows[place]
                records[place] = self.record(row, artifact, self.reasons(artifact, row.vector, contributions))
        return records

    def record(self, row: StoredPayment, artifact: Artifact, reasons: tuple[Reason, ...]) -> Alert:
        """Return the record of a row."""
        transaction_id = row.transaction_id.decode()
        return Alert(
            alert_id=alert_id(transaction_id),
            transaction_id=transaction_id,
            event_time=utc_time(row.event_time),
            decided_at=utc_time(row.decided_at),
            verdict=VERDICT_NAMES[row.verdict],
            score=row.score,
            margin=row.margin,
            base_value=artifact.base_value,
            reasons=reasons,
            payer_vpa=row.payer_vpa.decode(),
            payee_vpa=row.payee_vpa.decode(),
            amount_paise=row.amount_paise,
            feature_state=STATE_NAMES[row.feature_state],
            model_id=artifact.model_id,
            schema_hash=artifact.schema_hash,
        )

    def reasons(
        self, artifact: Artifact, vector: NDArray[np.float32], contributions: NDArray[np.float64]
    ) -> tuple[Reason, ...]:
        """Return the strongest reasons of a vector."""
        explainer = self._explainers.get(artifact.model_id)
        if explainer is None:
            explainer = self._explainers[artifact.model_id] = Explainer(artifact)
        return tuple(
            Reason(
                feature=reason.feature,
                code=reason.code,
                value=reason.value,
                usual=reason.usual,
                contribution=reason.contribution,
                text=reason.text,
            )
            for reason in explainer.reasons(vector, contributions, REASONS)
        )
