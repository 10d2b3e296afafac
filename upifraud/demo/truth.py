"""The switch's truth: which of the payments it made belong to a fraud, and which."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator import codes
from simulator.encode import transaction_ids

if TYPE_CHECKING:
    from simulator.payments import Payments


@dataclass(frozen=True, slots=True)
class Fraud:
    """A payment that is part of a fraud."""

    number: int
    """How many payments the switch made before it."""
    typology: str


class Truth:
    """Notes payments in the order in which they are made; one thread may note while others ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frauds: dict[str, Fraud] = {}
        self._ends: list[int] = []
        self._times: list[int] = []

    @property
    def payments(self) -> int:
        """Number of payments made."""
        with self._lock:
            return self._ends[-1] if self._ends else 0

    def note(self, payments: Payments) -> None:
        """Take the next payments."""
        rows = np.flatnonzero(payments.typology != codes.HONEST)
        ids = transaction_ids(payments.transaction[rows])
        begun = self.payments
        with self._lock:
            for row, transaction_id in zip(rows.tolist(), ids, strict=True):
                typology = codes.TYPOLOGIES[payments.typology[row]]
                self._frauds[transaction_id.decode()] = Fraud(begun + row, typology)
            self._ends.append(begun + len(payments))
            self._times.append(int(payments.event_time[-1]))

    def frauds(self) -> dict[str, Fraud]:
        """Return the frauds made so far, by transaction_id."""
        with self._lock:
            return dict(self._frauds)

    def time_of(self, count: int) -> int | None:
        """Return about the event time (epoch ms) of the payment after which there were so many; None before any."""
        with self._lock:
            if not self._ends or count <= 0:
                return None
            return self._times[min(bisect_left(self._ends, count), len(self._times) - 1)]
