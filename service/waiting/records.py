"""The one record of a payment, written from its row alone: whoever asks, and how often, gets the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.reasons import Explainer
from stream.stages.alerting import Alerting
from stream.wire import encode_alert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from model.artifact import Artifact
    from stream.verdict_store import Model, VerdictRecord
    from stream.wire import Alert


class Explained(NamedTuple):
    """A record with all that is behind it."""

    record: Alert
    artifact: Artifact
    contributions: NDArray[np.float64]


class Records:
    """Writes records; each row's reasons are computed anew from its vector, by the artifact that judged it."""

    def __init__(self, artifact_of: Callable[[Model], Artifact]) -> None:
        self._artifact_of = artifact_of
        self._alerting: dict[str, Alerting] = {}

    def written(self, rows: Sequence[VerdictRecord]) -> list[bytes]:
        """Return the JSON of each row's record."""
        return [encode_alert(explained.record) for explained in self.explained(rows)]

    def explained(self, rows: Sequence[VerdictRecord]) -> list[Explained]:
        """Return each row's record and contributions; rows of one model are scored together."""
        found: dict[int, Explained] = {}
        for model_id in {row.model.model_id for row in rows}:
            indices = [index for index, row in enumerate(rows) if row.model.model_id == model_id]
            artifact = self._artifact_of(rows[indices[0]].model)
            scored = artifact.scorer.score(np.stack([rows[index].vector for index in indices]))
            alerting = self.alerting(artifact)
            for index, contributions in zip(indices, scored.contributions, strict=True):
                found[index] = Explained(alerting.record(rows[index], contributions), artifact, contributions)
        return [found[index] for index in range(len(rows))]

    def alerting(self, artifact: Artifact) -> Alerting:
        """Return what writes the records of an artifact."""
        alerting = self._alerting.get(artifact.model_id)
        if alerting is None:
            alerting = self._alerting[artifact.model_id] = Alerting(artifact, Explainer(artifact), allow_reasons="full")
        return alerting
