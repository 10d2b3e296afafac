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


class WhenDue:
    """Each record at the time at which it is due, in milliseconds from a given one."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Return the due times from the start on."""
        return (records.due - self._start_ms) / 1_000


class AtOnce:
    """Everything at once: as fast as the broker takes it."""

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(len(records))
