"""The one record of a payment, written from its row alone: whoever asks, and how often, gets the same bytes."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from model.errors import ModelError
from model.reasons import Explainer
from stream.errors import StreamError
from stream.stages.alerting import Alerting
from stream.wire import encode_alert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from model.artifact import Artifact
    from stream.verdict_store import Model, VerdictRecord
    from stream.wire import Alert

AGAIN_SECONDS: Final = 10.0
"""Between two tries to get an artifact that is nowhere."""

log = logging.getLogger(__name__)


class Explained(NamedTuple):
    """A record with all that is behind it."""

    record: Alert
    artifact: Artifact
    contributions: NDArray[np.float64]


class _Judge(NamedTuple):
    artifact: Artifact
    alerting: Alerting


class Records:
    """Writes records; each row's reasons are computed anew from its vector, by the artifact that judged it.

    `artifact_of` gets an artifact, wherever it is kept, and may take seconds. Any thread may call.
    """

    def __init__(self, artifact_of: Callable[[Model], Artifact], own: Artifact) -> None:
        self._artifact_of = artifact_of
        self._judges = {own.model_id: _judge(own)}
        self._gone: dict[str, float] = {}
        self._loading: set[str] = set()
        self._lock = threading.Lock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="artifacts")

    def close(self) -> None:
        """End the thread that gets artifacts."""
        self._loader.shutdown(wait=True, cancel_futures=True)

    def is_ready(self, model: Model) -> bool:
        """Tell whether rows of a model can be written at once; gets its artifact meanwhile where they cannot.

        True too where the artifact is nowhere: then `written` says so.
        """
        if model.model_id in self._judges:
            return True
        if time.monotonic() < self._gone.get(model.model_id, 0.0):
            return True
        if model.model_id not in self._loading:
            self._loading.add(model.model_id)
            self._loader.submit(self._load, model)
        return False

    def written(self, rows: Sequence[VerdictRecord]) -> list[bytes | None]:
        """Return the JSON of each row's record; None where the artifact that judged it is nowhere."""
        known = [row for row in rows if row.model.model_id in self._judges]
        bodies = iter([encode_alert(explained.record) for explained in self.explained(known)])
        return [next(bodies) if row.model.model_id in self._judges else None for row in rows]

    def explained(self, rows: Sequence[VerdictRecord]) -> list[Explained]:
        """Return each row's record and contributions; rows of one model are scored together.

        Raises StreamError or ModelError where an artifact is nowhere.
        """
        found: dict[int, Explained] = {}
        for model_id in {row.model.model_id for row in rows}:
            indices = [index for index, row in enumerate(rows) if row.model.model_id == model_id]
            artifact, alerting = self._judge_of(rows[indices[0]].model)
            scored = artifact.scorer.score(np.stack([rows[index].vector for index in indices]))
            for index, contributions in zip(indices, scored.contributions, strict=True):
                found[index] = Explained(alerting.record(rows[index], contributions), artifact, contributions)
        return [found[index] for index in range(len(rows))]

    def alerting(self, artifact: Artifact) -> Alerting:
        """Return what writes the records of this process' own artifact."""
        return self._judges[artifact.model_id].alerting

    def _judge_of(self, model: Model) -> _Judge:
        judge = self._judges.get(model.model_id)
        if judge is None:
            with self._lock:
                judge = self._judges.get(model.model_id)
                if judge is None:
                    judge = self._judges[model.model_id] = _judge(self._artifact_of(model))
        return judge

    def _load(self, model: Model) -> None:
        try:
            self._judge_of(model)
        except (StreamError, ModelError) as error:
            log.error("Records of model %s cannot be written: %s", model.model_id, error)  # noqa: TRY400 - it says all
            self._gone[model.model_id] = time.monotonic() + AGAIN_SECONDS
        except Exception:  # whoever waits for such a row must be told
            log.exception("The artifact of model %s was not loaded", model.model_id)
            self._gone[model.model_id] = time.monotonic() + AGAIN_SECONDS
        finally:
            self._loading.discard(model.model_id)


def _judge(artifact: Artifact) -> _Judge:
    artifact.scorer.score(np.zeros((1, len(artifact.feature_names)), dtype=np.float32))  # proven before it is used
    return _Judge(artifact, Alerting(artifact, Explainer(artifact), allow_reasons="full"))
