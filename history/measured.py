"""A file of payments, and one of outcomes, as the vectors that the stream would have had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.history import history_vectors
from history.reading import NO_PROGRESS, read_outcomes, read_payments, reports_on, said, source_of_payments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from history.reading import Reported
    from history.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Limits:
    """What share of each file's rows may be refused."""

    payments: float = 0.01
    outcomes: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A history with the vector that each payment had when it came."""

    transaction_id: list[bytes]
    event_time: NDArray[np.int64]
    vectors: NDArray[np.float32]
    state: NDArray[np.uint8]
    refusals: Refusals
    """Of the file of payments."""
    reported: Reported | None
    """None without a file of outcomes."""

    def account(self) -> Iterator[str]:
        """Yield for each file how many of its rows were refused, and why."""
        yield str(self.refusals)
        if self.reported is not None:
            yield str(self.reported.refusals)


def measure(
    payments: Path,
    outcomes: Path | None,
    *,
    zone: str | None = None,
    limits: Limits | None = None,
    step: Callable[[str, int], Callable[[int], None]] = lambda _what, _total: NO_PROGRESS,
) -> Measured:
    """Return the point-in-time vectors of a file of payments; raises ClickException where too many rows are refused.

    `step` begins a part of the work (what, how many rows) and returns what is told how many are done.
    """
    limits = limits or Limits()
    source = source_of_payments(payments, zone)
    with said():
        total = len(source)
    # Outcomes first: they are few, and a file of them that cannot be used should cost no waiting.
    reported = None if outcomes is None else read_outcomes(outcomes, zone)
    if reported is not None:
        reported.refusals.check(limits.outcomes)
    history = read_payments(source, step("reading", total))
    history.refusals.check(limits.payments)
    reports = None
    if reported is not None:
        reported.match(history.transaction_id)
        reports = reports_on(history, reported.rows)
    vectors, state = history_vectors(history.columns, reports, step("measuring", len(history.transaction_id)))
    return Measured(history.transaction_id, history.event_time, vectors, state, history.refusals, reported)
