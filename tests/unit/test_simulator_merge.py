"""A merged replay: outcomes between the payments they were reported between, each step only when the group is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from files.source import Message
from simulator.errors import StalledGroupError
from simulator.replay import Merger, runs_of
from simulator.schedule import AtOnce

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Log:
    """A broker of one partition a topic, and a group that commits what it finds when it is asked, or does not."""

    records: list[tuple[str, bytes]] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    committed_at: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    """How many records there were whenever everything was committed."""
    asked: int = 0
    stuck: bool = False
    failed: int = 0
    name: str = "group"

    def send(self, topic: str, _key: bytes | None, value: bytes, _timestamp_ms: int) -> None:
        self.records.append((topic, value))
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.ends[topic, 0] = self.counts[topic]

    def poll(self) -> None:
        """Nothing to report."""

    def finish(self) -> None:
        """Everything is acknowledged at once."""

    def committed(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Lag behind on every other question, then be there."""
        self.asked += 1
        if self.stuck:
            return dict.fromkeys(partitions, 0)
        if self.asked % 2:
            return {partition: self.counts[partition[0]] - 1 for partition in partitions}
        self.committed_at.append((len(self.records), dict(self.counts)))
        return {partition: self.counts[partition[0]] for partition in partitions}


def payment(moment: int | None, name: str = "p", own: str | None = None) -> Message:
    return Message(b"k", f"{name}{moment}".encode(), moment, own)


def outcome(moment: int | None, name: str = "o", own: str | None = None) -> Message:
    return Message(b"t", f"{name}{moment}".encode(), moment, own)


def replayed(payments: list[Message], outcomes: list[Message], log: Log | None = None) -> list[str]:
    log = log or Log()
    Merger(log, log, ("pay", "out"), 0.05).replay(payments, outcomes, AtOnce())  # type: ignore[arg-type]
    return [value.decode() for _, value in log.records]


def test_an_outcome_comes_after_the_payments_of_its_very_time() -> None:
    """event times   1 2 3 3 | 5;  reported at 3."""
    order = replayed([payment(1), payment(2), payment(3), payment(3), payment(5)], [outcome(3)])
    assert order == ["p1", "p2", "p3", "p3", "o3", "p5"]


def test_no_outcome_comes_before_its_own_payment() -> None:
    """However early it claims to be reported; of others it does not wait."""
    payments = [payment(1), payment(5), payment(4, own="a"), payment(4), payment(9)]
    outcomes = [outcome(2, own="a"), outcome(2, "foreign", own="b"), outcome(3, own="a")]
    log = Log()
    order = replayed(payments, outcomes, log)
    assert order == ["p1", "foreign2", "p5", "p4", "o2", "o3", "p4", "p9"]
    committed = {count for count, _ in log.committed_at}
    assert {4, 5, 6} <= committed, "of one payment a worker would take only the newer of two that come together"


def test_outcomes_without_a_payment_between_them_go_together() -> None:
    log = Log()
    order = replayed([payment(1), payment(10)], [outcome(4), outcome(2), outcome(7), outcome(99)], log)
    assert order == ["p1", "o2", "o4", "o7", "p10", "o99"]
    assert [count for count, _ in log.committed_at] == [1, 4, 5]


def test_nothing_goes_on_before_the_group_has_committed_what_came_before() -> None:
    log = Log()
    replayed([payment(moment) for moment in range(1, 7)], [outcome(2), outcome(4)], log)
    # p1 p2 | o2 | p3 p4 | o4 | p5 p6
    assert [count for count, _ in log.committed_at] == [2, 3, 5, 6]


def test_payments_keep_the_order_of_the_file_even_if_they_are_late() -> None:
    assert replayed([payment(5), payment(1), payment(9)], [outcome(4), outcome(6)]) == ["o4", "p5", "p1", "o6", "p9"]
    assert replayed([payment(5), payment(1), payment(5)], [outcome(5)]) == ["p5", "p1", "p5", "o5"]


def test_what_has_no_time_is_published_all_the_same() -> None:
    assert replayed([payment(None), payment(2), payment(None)], [outcome(None), outcome(2)]) == [
        "pNone",
        "oNone",
        "p2",
        "pNone",
        "o2",
    ]


def test_outcomes_of_the_same_time_keep_their_order() -> None:
    first, second = Message(b"t", b"a", 2), Message(b"t", b"b", 2)
    assert replayed([payment(3)], [first, second]) == ["a", "b", "p3"]


def test_without_outcomes_nobody_is_waited_for() -> None:
    log = Log(stuck=True)
    assert replayed([payment(1), payment(2)], [], log) == ["p1", "p2"]
    assert log.asked == 0


def test_a_group_that_does_not_move_is_an_error_that_says_where_it_stands() -> None:
    with pytest.raises(StalledGroupError, match=r"group: expected it to commit offset 1 of pay partition 0, .* at 0"):
        replayed([payment(1), payment(2)], [outcome(1)], Log(stuck=True))


def test_messages_become_runs_in_file_order() -> None:
    runs = list(runs_of([payment(5), payment(None), payment(3), payment(8)], size=3))
    assert [run.values for run in runs] == [[b"p5", b"pNone", b"p3"], [b"p8"]]
    assert [run.due.tolist() for run in runs] == [[5, 5, 5], [8]]
