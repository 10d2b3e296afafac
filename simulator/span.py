"""Which stretch of simulated time a run covers, so that it has exactly the payments asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from simulator.errors import ParameterError
from simulator.timeline import DAY_MS, EARLIEST_MS, LATEST_MS, cell_of, cell_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.payments import Payments
    from simulator.switch import Switch

HISTORY_END_MS: Final = 1_767_205_800_000
"""Where a history ends if nothing else is asked: 2026-01-01T00:00+05:30, the same on every day that it is made."""


@dataclass(frozen=True, slots=True)
class Span:
    """Payments from `start` on, without the first `skip`, until `until` (epoch ms) or until there are `count`."""

    start: int
    until: int
    skip: int = 0
    count: int | None = None

    def payments(self, switch: Switch) -> Iterator[Payments]:
        """Yield the payments of the span, at most an hour of them at a time."""
        skip, left = self.skip, self.count
        for payments in switch.payments(self.start, self.until):
            if skip >= len(payments):
                skip -= len(payments)
                continue
            kept = payments.take(slice(skip, None if left is None else skip + left))
            skip = 0
            if left is not None:
                left -= len(kept)
            yield kept
            if left == 0:
                return


def between(start: int, until: int) -> Span:
    """Return the span with every payment between two times."""
    if start >= until:
        raise ParameterError(f"times: expected a start before the end, got {start} and {until} (epoch ms)")
    return Span(start, until)


def starting(start: int, count: int) -> Span:
    """Return the span of the first `count` payments from a time on."""
    return Span(start, LATEST_MS, count=_positive(count))


def ending(switch: Switch, until: int, count: int) -> Span:
    """Return the span of the last `count` payments before a time.

    How many there are before it is only known by making them, which takes a part of the time that the run will take.
    """
    left = _positive(count)
    start = until
    while True:
        days = left / switch.parameters.payments_a_day
        earlier = cell_start(cell_of(start - 1 - int(days * 1.02 * DAY_MS)) - 1)
        if earlier < EARLIEST_MS:
            raise ParameterError(
                f"payments: {count} of this population reach back before the year 2000; use more payers"
            )
        left -= sum(len(payments) for payments in switch.payments(earlier, start))
        start = earlier
        if left <= 0:
            return Span(start, until, skip=-left, count=count)


def _positive(count: int) -> int:
    if count <= 0:
        raise ParameterError(f"payments: expected at least one, got {count}")
    return count
