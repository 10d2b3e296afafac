"""What the switch sends: a warm-up as fast as the worker goes, then live traffic; and which payments are frauds."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from simulator import codes
from simulator.dirt import Dirt, Soiler
from simulator.encode import transaction_ids
from simulator.malformed import KINDS
from simulator.publisher import Publisher
from simulator.records import encoded
from simulator.schedule import AtRate
from simulator.switch import Switch
from simulator.timeline import DAY_MS
from simulator.traffic import Stretch, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from simulator.dirt import Note
    from simulator.payments import Payments
    from simulator.publisher import Sink, Summary
    from simulator.records import Records
    from upifraud.demo.plan import Plan


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


AHEAD: Final = 10_000
"""Records that the warm-up is ahead of the worker at most: enough for full micro-batches, a second's work or two."""
WARM_UP_SECONDS: Final = 60.0
"""A machine that takes longer than this for the warm-up gets a shorter one."""
_POLL_SECONDS: Final = 0.02


class WhenMade:
    """A schedule that lets each record go when it is made, so that its Kafka timestamp is the time it was sent."""

    def __init__(self) -> None:
        self._began: float | None = None

    def offsets(self, records: Records) -> NDArray[np.float64]:
        """Return the seconds since the first call."""
        now = time.perf_counter()
        if self._began is None:
            self._began = now
        return np.full(len(records), now - self._began)


@dataclass(slots=True)
class Sent:
    """What was put among the live payments on purpose, as the worker is to count it."""

    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Records that must become dead letters, by reason."""

    def note(self, note: Note) -> None:
        """Count one piece of dirt."""
        if note.reason:
            self.rejected[note.reason] += 1
        elif note.kind in {"duplicate", "status-update"}:
            self.duplicates += 1


class DemoTraffic:
    """One traffic, played in two parts by one thread; `stop` may be called by any."""

    def __init__(self, plan: Plan, now_ms: int, sink: Sink, topics: tuple[str, str], done: Callable[[], int]) -> None:
        """`done` tells how many records of the transactions topic the worker has finished."""
        self._plan = plan
        self._sink = sink
        self._topics = topics
        self._done = done
        self._stopped = threading.Event()
        self._publisher: Publisher | None = None
        self._switch = Switch(plan.parameters)
        span = plan.span(now_ms)
        self.start_ms = span.start
        self._live_ms = span.start + plan.warm_up_days * DAY_MS
        self._stretches = iter(Traffic(self._switch, span))
        self._next: Stretch | None = None
        self.warm_up_truth = Truth()
        self.live_truth = Truth()
        self.sent = Sent()
        self.records = 0
        """Sent to the transactions topic."""
        self.live_since_ms: int | None = None
        """Event time at which the live traffic begins; None until it is known."""

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()
        if self._publisher is not None:
            self._publisher.stop()

    def warm_up(self) -> Summary:
        """Send the warm-up and return when the broker has it; the worker may still be at work."""
        return self._publish(self._warm_up(), WhenMade())

    def live(self) -> Summary:
        """Send the live traffic on its schedule and return when the broker has it."""
        plan = self._plan
        key = plan.parameters.run_key
        dirt = Dirt(
            duplicates=0.005,
            late=0.005,
            malformed=min(len(KINDS), plan.payments // 100),
            conflicts=plan.payments // 5_000,
        )
        span_ms = int(plan.payments / plan.parameters.payments_a_day * DAY_MS)
        soiler = Soiler(dirt, key, plan.payments, span_ms, self.sent.note)
        return self._publish(soiler.soil(encoded(self._live(), self._switch.directory)), AtRate(plan.rate))

    def _publish(self, runs: Iterator[Records], schedule: WhenMade | AtRate) -> Summary:
        before = self.records

        def progress(sent: int) -> None:
            self.records = before + sent

        self._publisher = Publisher(self._sink, self._topics, progress)
        if self._stopped.is_set():
            self._publisher.stop()
        return self._publisher.publish(runs, schedule)

    def _warm_up(self) -> Iterator[Records]:
        deadline = time.monotonic() + WARM_UP_SECONDS
        for stretch in self._stretches:
            begin = int(stretch.payments.event_time[0])
            if begin >= self._live_ms or time.monotonic() > deadline:
                self._next = stretch
                return
            self._wait_for_room()
            if self._stopped.is_set():
                return
            self.warm_up_truth.note(stretch.payments)
            yield from encoded([stretch], self._switch.directory)

    def _wait_for_room(self) -> None:
        """Wait until the worker is less than AHEAD behind."""
        while self.warm_up_truth.payments - self._done() > AHEAD and not self._stopped.is_set():
            self._stopped.wait(_POLL_SECONDS)

    def _live(self) -> Iterator[Stretch]:
        left = self._plan.payments
        stretch = self._next if self._next is not None else next(self._stretches)
        self.live_since_ms = int(stretch.payments.event_time[0])
        while True:
            if len(stretch.payments) > left:
                stretch = _first(stretch, left)
            self.live_truth.note(stretch.payments)
            yield stretch
            left -= len(stretch.payments)
            if not left:
                return
            stretch = next(self._stretches)


def _first(stretch: Stretch, count: int) -> Stretch:
    """Return the first payments of a stretch, and the outcomes reported until then."""
    payments = stretch.payments.take(slice(0, count))
    reported = int(np.searchsorted(stretch.outcomes.reported_at, payments.event_time[-1], side="right"))
    return Stretch(payments, stretch.outcomes.take(slice(0, reported)))
