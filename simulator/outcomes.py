"""Outcomes: what becomes known of payments, when, from whom, and what of it is corrected later."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from simulator import codes
from simulator.legs import UNGIVEN
from simulator.randomness import chances, key_for
from simulator.timeline import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from simulator.payments import Payments

_CLOSED_TOO_EARLY: Final = 0.04
"""Share of reported frauds that a review had found genuine before."""
_DISPUTED: Final = 0.05
"""Honest payments reported as fraud, for each one that is found genuine straight away."""
_WITHDRAWN: Final = 0.8
"""Share of those that are corrected."""
_UNNAMED: Final = 0.15
"""Share of frauds reported without a typology."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes as columns, one row each; times are epoch milliseconds, codes as in `codes`, 0 where not given."""

    transaction: NDArray[np.uint64]
    outcome: NDArray[np.uint8]
    reported_at: NDArray[np.int64]
    typology: NDArray[np.uint8]
    source: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.reported_at)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """Return the given rows, in the order given."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def in_order(self) -> Self:
        """Return the outcomes by the time they were reported, then by transaction."""
        return self.take(np.lexsort((self.transaction, self.reported_at)))

    def reported(self, reported_at: NDArray[np.int64]) -> Self:
        """Return the outcomes as if reported at other times."""
        return replace(self, reported_at=reported_at)

    @classmethod
    def joined(cls, runs: Sequence[Self]) -> Self:
        """Return runs of outcomes as one."""
        return cls(*(np.concatenate([getattr(run, field.name) for run in runs]) for field in fields(cls)))


def no_outcomes() -> Outcomes:
    """Return no outcomes."""
    return Outcomes(
        np.empty(0, np.uint64),
        np.empty(0, np.uint8),
        np.empty(0, np.int64),
        np.empty(0, np.uint8),
        np.empty(0, np.uint8),
    )


def outcomes_of(payments: Payments, key: int, genuine_rate: float) -> Outcomes:
    """Return all that will ever be reported of these payments, in order of time; a function of each payment alone."""
    luck = [chances(key_for(key, 71, number), payments.transaction) for number in range(4)]
    fraud = payments.reported_at != UNGIVEN
    early = fraud & (luck[0] < _CLOSED_TOO_EARLY)
    honest = payments.typology == codes.HONEST
    genuine = honest & (luck[0] < genuine_rate)
    disputed = honest & ~genuine & (luck[0] < genuine_rate * (1 + _DISPUTED))
    withdrawn = disputed & (luck[1] < _WITHDRAWN)

    # Squares make short delays the usual ones.
    delay = HOUR_MS + (luck[2] * luck[2] * 7 * DAY_MS).astype(np.int64)
    later = delay + 12 * HOUR_MS + (luck[3] * luck[3] * 10 * DAY_MS).astype(np.int64)
    before_report = (payments.reported_at - payments.event_time) // 3
    named = np.where(luck[1] < _UNNAMED, 0, payments.typology).astype(np.uint8)
    customer = np.where(luck[3] < 0.55, codes.CUSTOMER, np.where(luck[3] < 0.8, codes.HELPLINE, codes.BANK))
    runs = [
        _run(payments, fraud, codes.FRAUD, payments.reported_at, named, customer),
        _run(payments, early, codes.GENUINE, payments.event_time + before_report, None, codes.REVIEW),
        _run(payments, genuine, codes.GENUINE, payments.event_time + delay, None, codes.REVIEW),
        _run(payments, disputed, codes.FRAUD, payments.event_time + delay, None, codes.CUSTOMER),
        _run(payments, withdrawn, codes.GENUINE, payments.event_time + later, None, codes.REVIEW),
    ]
    return Outcomes.joined(runs).in_order()


def _run(
    payments: Payments,
    rows: NDArray[np.bool_],
    outcome: int,
    reported_at: NDArray[np.int64],
    typology: NDArray[np.uint8] | None,
    source: NDArray[np.int64] | int,
) -> Outcomes:
    count = int(rows.sum())
    return Outcomes(
        transaction=payments.transaction[rows],
        outcome=np.full(count, outcome, dtype=np.uint8),
        reported_at=reported_at[rows],
        typology=np.zeros(count, dtype=np.uint8) if typology is None else typology[rows],
        source=np.broadcast_to(np.asarray(source, dtype=np.uint8), rows.shape)[rows],
    )
