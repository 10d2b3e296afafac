"""Schedules: when each record is to be sent, whatever became of those before it (an open loop)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from simulator.errors import ParameterError
from simulator.records import TRANSACTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.records import Records


class Schedule(Protocol):
    """Says when the records of a run are to be sent, run after run."""

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Return for each record the seconds after the start at which it is to be sent; they never fall."""


class Pace(Protocol):
    """Says when single payments are to be sent, one after the other."""

    def offset(self, moment: int | None) -> float:
        """Return the seconds after the start for the next payment, given its event_time in epoch ms if it has one."""


class AtRate:
    """So many payments a second, whatever their event times; outcomes go with the payment after them."""

    def __init__(self, rate: float) -> None:
        if rate <= 0:
            raise ParameterError(f"rate: expected more than 0 payments a second, got {rate}")
        self._rate = rate
        self._sent = 0

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Count payments only."""
        is_payment = records.topic == TRANSACTIONS
        number = self._sent + np.cumsum(is_payment) - is_payment
        self._sent += int(is_payment.sum())
        offsets: NDArray[np.float64] = number / self._rate
        return offsets

    def offset(self, _moment: int | None) -> float:
        """Return the seconds after the start for one payment, the next in order."""
        self._sent += 1
        return (self._sent - 1) / self._rate


class WhenDue:
    """Each record at the time at which it is due."""

    def __init__(self) -> None:
        self._start_ms = 0

    def start(self, first: Records) -> int:
        """Begin when the first record is due; return that time in epoch milliseconds."""
        self._start_ms = int(first.due[0])
        return self._start_ms

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Return the due times from the start on."""
        return (records.due - self._start_ms) / 1_000


class AtOnce:
    """Everything at once: as fast as the broker takes it."""

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(len(records))

    def offset(self, _moment: int | None) -> float:
        """Return zero."""
        return 0.0


class AtSpeed:
    """As recorded, `speed` times as fast; what is out of order or has no time goes with the record before it."""

    def __init__(self, speed: float) -> None:
        if speed <= 0:
            raise ParameterError(f"speed: expected more than 0 times the recorded pace, got {speed}")
        self._speed = speed
        self._first: int | None = None
        self._latest = 0.0

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Count from the first record that has a time."""
        return np.array([self.offset(due) for due in records.due.tolist()])

    def offset(self, moment: int | None) -> float:
        """Return the seconds after the start for one record, the next in order."""
        if moment is not None and moment > 0:
            if self._first is None:
                self._first = moment
            self._latest = max(self._latest, (moment - self._first) / 1_000 / self._speed)
        return self._latest
