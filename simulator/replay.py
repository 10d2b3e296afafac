"""Replay: somebody else's payments, or outcomes, or both merged in time so that each is seen when it was known.

With outcomes, a run of payments goes out and is committed by the consumer group; then the outcomes that come before the
next payment; then, once those are committed too, the next run. An outcome comes when the clock of the payments, the
latest event_time so far, has passed its reported_at, and in any case behind its own payment. `features/history.py` lets
it arrive at the same place. What the stream will refuse comes without a time and without an id (`history/taken.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.errors import StalledGroupError
from simulator.records import TRANSACTIONS, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from files.source import Message
    from simulator.kafka import Group, Outlet
    from simulator.schedule import Pace

_RUN: Final = 2_000
_FIRST_WAIT_S: Final = 0.002
_LONGEST_WAIT_S: Final = 0.05
_LONG_AGO: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was replayed."""

    payments: int
    outcomes: int
    slices: int
    """How often the replay waited for the group: twice for each run of payments that outcomes follow."""
    seconds: float


def runs_of(messages: Iterable[Message], size: int = _RUN) -> Iterator[Records]:
    """Yield messages as records for a Publisher, in their order; one without a time is due with the one before it."""
    run: list[Message] = []
    due = _LONG_AGO
    dues: list[int] = []
    for message in messages:
        due = max(due, message.moment if message.moment is not None else due)
        run.append(message)
        dues.append(due)
        if len(run) == size:
            yield _records(run, dues)
            run, dues = [], []
    if run:
        yield _records(run, dues)


class _Line:
    """The outcomes that wait for their turn among the payments."""

    def __init__(self, known: Sequence[Message], payments: Iterable[Message]) -> None:
        self._known = known
        self._next = 0
        self._clock = _LONG_AGO
        self._due: list[Message] = []
        self._held: dict[str | None, list[Message]] = {}
        """By payment, those whose time has passed before it."""
        about = {outcome.transaction_id for outcome in known} - {None}
        self._to_come = {payment.transaction_id for payment in payments} & about if about else set()

    def before(self, payment: Message) -> list[Message]:
        """Take the outcomes that come before a payment."""
        if payment.moment is not None:
            self._clock = max(self._clock, payment.moment)
            while self._next < len(self._known) and _moment(self._known[self._next]) < self._clock:
                outcome = self._known[self._next]
                self._next += 1
                if outcome.transaction_id in self._to_come:
                    self._held.setdefault(outcome.transaction_id, []).append(outcome)
                else:
                    self._due.append(outcome)
        due, self._due = self._due, []
        return due

    def behind(self, payment: Message) -> None:
        """Note that a payment is out."""
        self._to_come.discard(payment.transaction_id)
        self._due += self._held.pop(payment.transaction_id, [])

    def rest(self) -> list[Message]:
        """Take those that come behind all payments."""
        return [*self._due, *self._known[self._next :]]


class Merger:
    """Publishes payments and outcomes merged in time, in step with a consumer group; raises StalledGroupError."""

    def __init__(
        self,
        outlet: Outlet,
        group: Group,
        topics: tuple[str, str],
        patience_s: float,
        progress: Callable[[int], None] = lambda _sent: None,
    ) -> None:
        self._outlet = outlet
        self._group = group
        self._transactions, self._outcomes = topics
        self._patience_s = patience_s
        self._progress = progress
        self._slices = 0

    def replay(
        self,
        payments: Iterable[Message],
        outcomes: Iterable[Message],
        pace: Pace,
    ) -> Replayed:
        """Publish both and return when every record is acknowledged, and committed but for what came last.

        Payments keep their order, and are gone through twice. An outcome goes before the first payment by which the
        clock is later than reported_at, but behind its own payment; one without a time before the first with one.
        """
        begun = time.perf_counter()
        known = in_time(outcomes)
        line = _Line(known, payments)
        sent = 0
        for payment in payments:
            if due := line.before(payment):
                self._tell(due)
            pause = begun + pace.offset(payment.moment) - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            self._send(self._transactions, payment)
            line.behind(payment)
            sent += 1
            if sent % _RUN == 0:
                self._outlet.poll()
                self._progress(sent)
        if due := line.rest():
            self._tell(due, last=True)
        self._outlet.finish()
        self._progress(sent)
        return Replayed(sent, len(known), self._slices, time.perf_counter() - begun)

    def _tell(self, outcomes: Sequence[Message], *, last: bool = False) -> None:
        """Publish outcomes once all before them is committed, and wait until they are.

        Of one payment only the newest of those that a worker gets together is reported, so they go one by one.
        """
        said: set[str | None] = set()
        for outcome in outcomes:
            if not said or (outcome.transaction_id is not None and outcome.transaction_id in said):
                self._settle()
                said = set()
            said.add(outcome.transaction_id)
            self._send(self._outcomes, outcome)
        if last:
            self._outlet.finish()
        else:
            self._settle()

    def _send(self, topic: str, message: Message) -> None:
        self._outlet.send(topic, message.key, message.value, int(time.time() * 1_000))

    def _settle(self) -> None:
        """Return when everything sent so far is acknowledged, and the group has committed it."""
        self._outlet.finish()
        behind = dict(self._outlet.ends)
        self._outlet.ends.clear()
        self._slices += 1
        wait = _FIRST_WAIT_S
        deadline = time.monotonic() + self._patience_s
        came: dict[tuple[str, int], int] = {}
        while behind:
            committed = self._group.committed(behind)
            if committed != came:
                came = committed
                deadline = time.monotonic() + self._patience_s
            behind = {partition: end for partition, end in behind.items() if committed[partition] < end}
            if behind and time.monotonic() > deadline:
                ((topic, number), end), *_ = behind.items()
                raise StalledGroupError(
                    f"group {self._group.name}: expected it to commit offset {end} of {topic} partition {number}, "
                    f"but it stays at {committed[topic, number]} for {self._patience_s:.0f} s; see that workers of "
                    "this group run (`upifraud worker`), or give them more time with --patience"
                )
            if behind:
                time.sleep(wait)
                wait = min(wait * 1.5, _LONGEST_WAIT_S)


def in_time(outcomes: Iterable[Message]) -> list[Message]:
    """Return outcomes by the time they were reported; of equal times in file order, those without one first."""
    return sorted(outcomes, key=_moment)


def _moment(outcome: Message) -> int:
    return _LONG_AGO if outcome.moment is None else outcome.moment


def _records(run: list[Message], dues: list[int]) -> Records:
    return Records(
        topic=np.full(len(run), TRANSACTIONS, dtype=np.uint8),
        due=np.array(dues, dtype=np.int64),
        keys=[message.key for message in run],
        values=[message.value for message in run],
    )
