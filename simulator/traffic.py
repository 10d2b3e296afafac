"""Traffic: payments and outcomes of a run in the order in which they happen, in simulated or in real time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.outcomes import Outcomes, no_outcomes, outcomes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from simulator.payments import Payments
    from simulator.span import Span
    from simulator.switch import Switch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive payments, and the outcomes reported from the last stretch's last payment to this one's.

    Both are in order of time. An outcome belongs before the first payment with event_time >= reported_at.
    """

    payments: Payments
    outcomes: Outcomes


class Traffic:
    """The traffic of a span; it can be iterated more than once.

    `unreported` is, after an iteration, the number of outcomes that would come after its end.
    """

    def __init__(self, switch: Switch, span: Span) -> None:
        self.switch = switch
        self._span = span
        self.unreported = 0

    def __iter__(self) -> Iterator[Stretch]:
        """Yield stretches of simulated time, at most an hour each."""
        parameters = self.switch.parameters
        waiting = no_outcomes()
        for payments in self._span.payments(self.switch):
            coming = outcomes_of(payments, parameters.run_key, parameters.genuine_rate)
            waiting = Outcomes.joined((waiting, coming)).in_order()
            due = int(np.searchsorted(waiting.reported_at, payments.event_time[-1], side="right"))
            yield Stretch(payments, waiting.take(slice(0, due)))
            waiting = waiting.take(slice(due, None))
        self.unreported = len(waiting)


class RealTime:
    """The same traffic at a fixed rate from a moment on: event_time is the time at which each payment is to be sent.

    Everything that belongs to a payment moves with it; an outcome is reported when the payment after it is made.
    `start_ms` is asked for the moment (epoch ms) once the first payments are there.
    """

    def __init__(self, traffic: Traffic, start_ms: Callable[[], int], rate: float) -> None:
        self.switch = traffic.switch
        self._traffic = traffic
        self._start_ms = start_ms
        self._rate = rate

    @property
    def unreported(self) -> int:
        """The number of outcomes that would come after the end."""
        return self._traffic.unreported

    def __iter__(self) -> Iterator[Stretch]:
        """Yield stretches of real time."""
        sent = 0
        start_ms = None
        for stretch in self._traffic:
            if start_ms is None:  # not before the first payments are made, which takes a moment
                start_ms = self._start_ms()
            payments, outcomes = stretch.payments, stretch.outcomes
            numbers = np.arange(sent, sent + len(payments), dtype=np.int64)
            sent += len(payments)
            moments = start_ms + (numbers * (1_000 / self._rate)).astype(np.int64)
            following = np.searchsorted(payments.event_time, outcomes.reported_at, side="left")
            yield Stretch(payments.retimed(moments - payments.event_time), outcomes.reported(moments[following]))


def merged(stretch: Stretch) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the order and the times of payments and outcomes together.

    Positions below len(payments) are payments, the others outcomes; of equal times outcomes come first.
    """
    moments = np.concatenate((stretch.payments.event_time, stretch.outcomes.reported_at))
    is_payment = np.arange(len(moments)) < len(stretch.payments)
    order = np.lexsort((is_payment, moments))
    return order, moments[order]
