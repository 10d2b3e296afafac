"""How far recent payments are from those the model was trained on: the stability index of every feature and the score.

The hot path only copies some vectors into a buffer, at a bounded rate; all counting happens in `show`, in another
thread, every few seconds. The sample slides over a day in slots of a quarter of an hour: what payers do differs between
noon and night, and a shorter sample would show the time of day as drift from a history of weeks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from model.distribution import Distribution
from stream import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from model.artifact import Artifact

SCORE: Final = "score"
"""The label under which the calibrated probability stands beside the features."""

PER_SECOND: Final = 200
"""Payments sampled a second, at most."""
SHOW_SECONDS: Final = 15.0
CAPACITY: Final = 4096
"""Payments sampled between two shows, at most."""
LEAST_SAMPLE: Final = 1000
"""Fewer show nothing: eleven bins of an unchanged feature already give an index of 0.01 by chance at this size."""
SLOT_SECONDS: Final = 900.0
WINDOW_SECONDS: Final = 86_400.0


@dataclass(slots=True)
class _Slot:
    began: float
    counts: NDArray[np.float64]
    sampled: int = 0


class Drift:
    """Takes vectors and scores from the judge's thread, and puts the drift on the meters from another."""

    def __init__(self, artifact: Artifact, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._names = list(artifact.feature_names)
        columns = list(artifact.distribution.features)
        if artifact.score_distribution is not None:
            self._names.append(SCORE)
            columns.append(artifact.score_distribution)
        self._training = Distribution(tuple(columns))
        self._clock = clock
        self._lock = threading.Lock()
        width = len(artifact.feature_names) + 1
        self._buffer = np.empty((CAPACITY, width), dtype=np.float32)
        self._spare = np.empty_like(self._buffer)
        self._taken = 0
        self._offered = 0
        self._since = clock()
        self._slots: deque[_Slot] = deque()

    def offer(self, vectors: NDArray[np.float32], probability: NDArray[np.float64]) -> None:
        """Take some of n payments, evenly spaced, as far as the rate allows; vectors float32 [n, features]."""
        with self._lock:
            self._offered += len(vectors)
            due = int((self._clock() - self._since) * PER_SECOND) + 1
            room = min(len(vectors), min(due, CAPACITY) - self._taken)
            if room <= 0:
                return
            rows = slice(None, None, -(-len(vectors) // room))
            picked = vectors[rows]
            end = self._taken + len(picked)
            self._buffer[self._taken : end, :-1] = picked
            self._buffer[self._taken : end, -1] = probability[rows]
            self._taken = end

    def show(self) -> None:
        """Count what was taken since the last call, forget what is older than a day, and set the gauges.

        A slot's counts are scaled to the payments that were offered, not to those sampled, so that a busy hour weighs
        what it weighed in training, where every payment counted once.
        """
        now = self._clock()
        with self._lock:
            full, taken, offered = self._buffer, self._taken, self._offered
            self._buffer, self._spare = self._spare, full
            self._taken = self._offered = 0
            self._since = now
        slots = self._slots
        while slots and now - slots[0].began >= WINDOW_SECONDS:
            slots.popleft()
        if not slots or now - slots[-1].began >= SLOT_SECONDS:
            slots.append(_Slot(now, np.zeros((len(self._names), self._training.width))))
        if taken:
            counts = self._training.count(full[:taken, : len(self._names)])
            slots[-1].counts += counts * (offered / taken)
            slots[-1].sampled += taken
        sampled = sum(slot.sampled for slot in slots)
        metrics.MODEL_DRIFT_SAMPLE.set(sampled)
        metrics.MODEL_DRIFT_SPAN.set(now - slots[0].began)
        if sampled < LEAST_SAMPLE:
            metrics.MODEL_DRIFT_SCORE.clear()  # no series rather than a number that means nothing
            return
        total = np.sum([slot.counts for slot in slots], axis=0)
        for name, score in zip(self._names, self._training.drift(total).tolist(), strict=True):
            metrics.MODEL_DRIFT_SCORE.labels(name).set(score)
