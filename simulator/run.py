"""Runs: what was asked for as a stretch of time, its traffic, and the records to publish."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from simulator.dirt import Dirt, Note, Soiler
from simulator.errors import ParameterError
from simulator.records import encoded
from simulator.schedule import AtOnce, AtRate, WhenDue
from simulator.span import HISTORY_END_MS, between, ending, starting
from simulator.switch import Switch
from simulator.timeline import DAY_MS, LATEST_MS
from simulator.traffic import RealTime, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from simulator.parameters import Parameters
    from simulator.records import Records
    from simulator.schedule import Schedule
    from simulator.span import Span
    from simulator.traffic import Stretch

_HEAD_START_MS: Final = 500
"""From the first payments of a run in real time being drawn to the first one's time: they must still be encoded."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is asked for: so many payments that start at, or end before, a time; or all between two times."""

    count: int | None
    start: int | None = None
    until: int | None = None

    def __post_init__(self) -> None:
        if self.count is None and (self.start is None or self.until is None):
            raise ParameterError("extent: expected a number of payments, or of seconds, or both a start and an end")
        if self.count is not None and self.start is not None and self.until is not None:
            raise ParameterError("extent: expected a number of payments or an end, got a start and both; leave one out")

    def span(self, switch: Switch, end: int, latest: int) -> Span:
        """Return the span; without times it ends at `end`. Raises ParameterError where it would go beyond `latest`."""
        if self.until is not None and self.until > latest:
            raise ParameterError(
                f"end: expected at most {latest} (epoch ms), the time now, as no payment may be ahead of the clock; "
                f"got {self.until}"
            )
        if self.count is None:
            assert self.start is not None  # noqa: S101  # as __post_init__ saw to
            assert self.until is not None  # noqa: S101
            return between(self.start, self.until)
        if self.start is None:
            return ending(switch, end if self.until is None else self.until, self.count)
        days = self.count / switch.parameters.payments_a_day
        if self.start + int((days * 1.5 + 2) * DAY_MS) > latest:
            found = sum(len(payments) for payments in switch.payments(self.start, max(latest, self.start)))
            if found < self.count:
                raise ParameterError(
                    f"payments: expected {self.count} from the start until now, but these payers make {found}; start "
                    "earlier, ask for fewer, or use more payers"
                )
        return starting(self.start, self.count)


def history(parameters: Parameters, extent: Extent) -> tuple[Switch, Span]:
    """Return the switch and the span of a history to write; without times it ends where every history ends."""
    switch = Switch(parameters)
    return switch, extent.span(switch, HISTORY_END_MS, LATEST_MS)


@dataclass(frozen=True, slots=True)
class Extras:
    """What is put among the records of a run, and who hears of it."""

    dirt: Dirt = field(default_factory=Dirt)
    note: Callable[[Note], None] = lambda _note: None
    """Is told of every piece of dirt."""
    watch: Callable[[Iterable[Stretch]], Iterable[Stretch]] = lambda stretches: stretches
    """Sees the traffic on its way."""
    facts: bool = False
    """Whether payments have the fields of version 1.1."""

    def records(self, traffic: Traffic | RealTime, span: Span, a_second: float) -> Iterable[Records]:
        """Return the records of a traffic; `a_second`: payments in a second of its time, on average."""
        switch = traffic.switch
        clean = encoded(self.watch(traffic), switch.directory, facts=self.facts)
        if not self.dirt.any:
            return clean
        count = span.count
        if count is None:
            count = sum(len(payments) for payments in span.payments(switch))
        span_ms = int(count / a_second * 1_000)
        return Soiler(self.dirt, switch.parameters.run_key, count, span_ms, self.note).soil(clean)


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be published, and when; `records` can be iterated once."""

    records: Iterable[Records]
    schedule: Schedule
    traffic: Traffic | RealTime


def compressed(parameters: Parameters, extent: Extent, rate: float | None, now_ms: int, extras: Extras) -> Run:
    """Return a run in which simulated time passes as the population pays, ending just before now.

    `rate`: payments a second; None: as fast as the broker takes them.
    """
    switch = Switch(parameters)
    span = extent.span(switch, now_ms - 1_000, now_ms)
    traffic = Traffic(switch, span)
    records = extras.records(traffic, span, parameters.payments_a_day / 86_400)
    return Run(records, AtOnce() if rate is None else AtRate(rate), traffic)


def in_real_time(
    parameters: Parameters, extent: Extent, rate: float, clock_ms: Callable[[], int], extras: Extras
) -> Run:
    """Return a run in which every payment is made at the moment at which it is to be published.

    It has transaction ids of its own, as the same payments at other times would be conflicting duplicates.
    """
    if rate <= 0:
        raise ParameterError(f"rate: expected more than 0 payments a second, got {rate}")
    now_ms = clock_ms()
    switch = Switch(replace(parameters, run=now_ms))
    span = extent.span(switch, now_ms, now_ms)
    traffic = RealTime(Traffic(switch, span), lambda: clock_ms() + _HEAD_START_MS, rate)
    return Run(extras.records(traffic, span, rate), WhenDue(), traffic)


class Watch:
    """Sees the traffic of a run on its way: counts it, and writes the truth about it if a file is given."""

    def __init__(self, truth: Path | None = None) -> None:
        self._truth = truth
        self.frauds = 0

    def __call__(self, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
        """Yield the same stretches."""
        with _truth_file(self._truth) as write:
            for stretch in stretches:
                self.frauds += int((stretch.payments.typology != 0).sum())
                write(stretch)
                yield stretch


@contextmanager
def _truth_file(path: Path | None) -> Iterator[Callable[[Stretch], None]]:
    """Open a file for the truth; without a path, nothing is written."""
    if path is None:
        yield lambda _stretch: None
        return
    import pyarrow.parquet as pq

    from simulator.history import TRUTH, truth_table

    with pq.ParquetWriter(path, TRUTH, compression="zstd") as file:
        yield lambda stretch: file.write_table(truth_table(stretch.payments))
