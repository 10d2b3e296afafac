"""The publisher: every record at its time or as soon after it as can be, and none before those ahead of it."""

from __future__ import annotations

import threading
import time
from array import array
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from simulator.ahead import Ahead
from simulator.records import TRANSACTIONS
from simulator.schedule import WhenDue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simulator.records import Records
    from simulator.schedule import Schedule

_BURST: Final = 500
"""Records sent before the client is asked for news: few enough to keep it short, many enough to cost little."""
_TICK_S: Final = 0.001
"""Shortest sleep: records due within it go together."""


class Sink(Protocol):
    """Takes records, as `kafka.Outlet` does."""

    failed: int

    def send(self, topic: str, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        """Take one record."""

    def poll(self) -> None:
        """Report what has happened meanwhile."""

    def finish(self) -> None:
        """Return when every record is acknowledged."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was published and how punctually; lateness is the time from a record's schedule to its hand-over."""

    payments: int
    """Records sent to the transactions topic, dirt included."""
    outcomes: int
    failed: int
    seconds: float
    """Until the last record was acknowledged."""
    rate: float
    """Payments a second, until the last was handed over."""
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_max_ms: float
    generator_wait_s: float
    """Time in which a record was due but not made yet."""
    made_in_s: float
    """Time in which all records were made before the first was sent; 0 if they were made as they were sent."""
    stopped: bool

    @property
    def generator_limited(self) -> bool:
        """Whether the generator, and neither the broker nor the schedule, set the pace."""
        return self.generator_wait_s > 0.01 * max(self.seconds, 1.0)


@dataclass(slots=True)
class _Progress:
    """What was sent so far, against a schedule that begins at `begun` (performance counter) and `begun_ms` (epoch)."""

    begun: float
    begun_ms: int
    payments: int = 0
    outcomes: int = 0
    waited: float = 0.0
    lateness: array[float] = field(default_factory=lambda: array("d"))


class Publisher:
    """Sends runs of records on schedule to two topics: of transactions and of outcomes.

    The schedule is an open loop: a record that could not be sent in time is sent as soon as possible and those after it
    keep their times, so lateness shows what waiting for it would hide. The Kafka timestamp is the scheduled time.
    """

    def __init__(
        self,
        sink: Sink,
        topics: tuple[str, str] = ("transactions", "outcomes"),
        progress: Callable[[int], None] = lambda _sent: None,
    ) -> None:
        self._sink = sink
        self._topics = topics
        self._progress = progress
        self._stop = threading.Event()

    def stop(self) -> None:
        """Send nothing more; what was sent is still confirmed. May be called from a signal handler."""
        self._stop.set()

    def publish(self, runs: Iterable[Records], schedule: Schedule, *, buffered: bool = False) -> Summary:
        """Send everything and return when it is acknowledged; raises DeliveryError if some of it is not.

        `buffered`: make all records first, so that sending them costs little.
        """
        if buffered:
            asked = time.perf_counter()
            ready = list(takewhile(lambda _run: not self._stop.is_set(), runs))
            summary = self._publish(iter(ready), schedule)
            return replace(summary, made_in_s=time.perf_counter() - asked - summary.seconds)
        with Ahead(runs) as made:
            return self._publish(made, schedule)

    def _publish(self, runs: Iterator[Records], schedule: Schedule) -> Summary:
        asked = None
        state: _Progress | None = None
        for run in runs:
            now = time.perf_counter()
            if state is None:
                now_ms = int(time.time() * 1_000)
                start_ms = schedule.start(run) if isinstance(schedule, WhenDue) else now_ms
                state = _Progress(now + (start_ms - now_ms) / 1_000, start_ms)
            offsets = schedule.offsets(run)
            if asked is not None and len(run):
                state.waited += max(0.0, now - max(asked, state.begun + float(offsets[0])))
            self._send(run, offsets, state)
            if self._stop.is_set():
                break
            asked = time.perf_counter()
        state = state or _Progress(time.perf_counter(), 0)
        sent_in = time.perf_counter() - state.begun
        self._sink.finish()
        return self._summary(state, max(sent_in, 1e-9))

    def _send(self, run: Records, offsets: np.ndarray, state: _Progress) -> None:
        """Send one run, each record when its time has come."""
        send, sink = self._sink.send, self._sink
        stamps = (state.begun_ms + offsets * 1_000).astype(np.int64).tolist()
        names = [self._topics[topic] for topic in run.topic.tolist()]
        position = 0
        while position < len(run) and not self._stop.is_set():
            now = time.perf_counter() - state.begun
            due = int(np.searchsorted(offsets, now, side="right"))
            if due <= position:
                sink.poll()
                self._stop.wait(max(float(offsets[position]) - now, _TICK_S))
                continue
            end = min(due, position + _BURST)
            for index in range(position, end):
                send(names[index], run.keys[index], run.values[index], stamps[index])
            state.lateness.frombytes((now - offsets[position:end]).tobytes())
            payments = int((run.topic[position:end] == TRANSACTIONS).sum())
            state.payments += payments
            state.outcomes += end - position - payments
            sink.poll()
            self._progress(state.payments)
            position = end

    def _summary(self, state: _Progress, sent_in: float) -> Summary:
        late = np.frombuffer(state.lateness) * 1_000 if len(state.lateness) else np.zeros(1)
        p50, p99 = np.percentile(late, (50, 99)).tolist()
        return Summary(
            payments=state.payments,
            outcomes=state.outcomes,
            failed=self._sink.failed,
            seconds=time.perf_counter() - state.begun,
            rate=state.payments / sent_in,
            lateness_p50_ms=p50,
            lateness_p99_ms=p99,
            lateness_max_ms=float(late.max()),
            generator_wait_s=state.waited,
            made_in_s=0.0,
            stopped=self._stop.is_set(),
        )
