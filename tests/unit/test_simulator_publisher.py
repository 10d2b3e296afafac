"""The publisher keeps its schedule, whatever happened before, and confirms everything."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from simulator.ahead import Ahead
from simulator.errors import DeliveryError, ParameterError
from simulator.publisher import Publisher
from simulator.records import OUTCOMES, TRANSACTIONS, Records
from simulator.schedule import AtOnce, AtRate, AtSpeed, WhenDue

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shelf:
    """A sink that keeps what it is given, and can be slow, or lose a record."""

    def __init__(self, *, slow_at: int = -1, lose: int = 0) -> None:
        self.kept: list[tuple[str, bytes | None, bytes | None, int]] = []
        self.at: list[float] = []
        self.failed = 0
        self.finished = 0
        self._slow_at = slow_at
        self._lose = lose

    def send(self, topic: str, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        if len(self.kept) == self._slow_at:
            time.sleep(0.3)
        self.kept.append((topic, key, value, timestamp_ms))
        self.at.append(time.time() * 1_000)

    def poll(self) -> None:
        self.failed = self._lose

    def finish(self) -> None:
        self.finished += 1
        if self._lose:
            raise DeliveryError("lost")


def run(count: int, first: int = 0, *, outcome_at: int = -1, due: int = 0) -> Records:
    topic = np.full(count, TRANSACTIONS, dtype=np.uint8)
    if outcome_at >= 0:
        topic[outcome_at] = OUTCOMES
    numbers = range(first, first + count)
    return Records(
        topic,
        np.arange(count, dtype=np.int64) * 10 + due,
        [b"k%d" % number for number in numbers],
        [b"v%d" % number for number in numbers],
    )


def test_records_go_out_in_order_to_their_topics() -> None:
    shelf = Shelf()
    summary = Publisher(shelf, ("pay", "out")).publish([run(4, outcome_at=2), run(3, 4)], AtOnce())
    assert [kept[2] for kept in shelf.kept] == [b"v%d" % number for number in range(7)]
    assert [kept[0] for kept in shelf.kept] == ["pay", "pay", "out", "pay", "pay", "pay", "pay"]
    assert (summary.payments, summary.outcomes, summary.failed, summary.stopped) == (6, 1, 0, False)
    assert shelf.finished == 1


def test_a_slow_hand_over_does_not_move_the_schedule_of_the_rest() -> None:
    """An open loop: stamps stay a fixed step apart, and the lateness of those that had to wait is seen.

    schedule  |0 |5 |10 ... |100 .......... |395
    sent      |0 |5 |10 ... |(stuck 300 ms) |400 and on time again
    """
    shelf = Shelf(slow_at=20)
    summary = Publisher(shelf).publish([run(80)], AtRate(200.0))
    steps = np.diff([kept[3] for kept in shelf.kept])
    assert set(steps.tolist()) <= {5, 4, 6}
    assert summary.lateness_max_ms >= 150
    assert all(sent >= kept[3] - 2 for sent, kept in zip(shelf.at, shelf.kept, strict=True)), "never ahead of its time"


def test_outcomes_do_not_count_for_the_rate() -> None:
    schedule = AtRate(10.0)
    assert schedule.offsets(run(4, outcome_at=1)).tolist() == [0.0, 0.1, 0.1, 0.2]
    assert schedule.offsets(run(2)).tolist() == pytest.approx([0.3, 0.4])


def test_due_records_start_with_the_first_one_and_keep_their_times() -> None:
    shelf = Shelf()
    start = int(time.time() * 1_000) + 150
    Publisher(shelf).publish([run(5, due=start), run(5, 5, due=start + 50)], WhenDue())
    assert [kept[3] for kept in shelf.kept] == [start + 10 * number for number in range(10)]
    assert min(sent - kept[3] for sent, kept in zip(shelf.at, shelf.kept, strict=True)) >= -2


def test_recorded_pace_is_kept_at_any_speed_and_never_goes_back() -> None:
    schedule = AtSpeed(2.0)
    late = Records(run(3).topic, np.array([1_000, 5_000, 3_000], dtype=np.int64), [None] * 3, [b""] * 3)
    assert schedule.offsets(late).tolist() == [0.0, 2.0, 2.0]
    assert schedule.offset(None) == 2.0
    assert schedule.offset(9_000) == 4.0


def test_a_lost_record_is_an_error() -> None:
    with pytest.raises(DeliveryError):
        Publisher(Shelf(lose=1)).publish([run(3)], AtOnce())


def test_a_stop_ends_it_early_and_what_was_sent_is_confirmed() -> None:
    shelf = Shelf()
    publisher = Publisher(shelf)
    runs = [run(1_000, first) for first in range(0, 10_000, 1_000)]
    threading.Timer(0.3, publisher.stop).start()
    summary = publisher.publish(runs, AtRate(100.0))
    assert summary.stopped
    assert 0 < summary.payments < 1_000
    assert len(shelf.kept) == summary.payments
    assert shelf.finished == 1


def test_a_slow_generator_is_told_from_a_slow_broker() -> None:
    def slowly() -> Iterator[Records]:
        yield run(10)
        time.sleep(0.3)
        yield run(10, 10)

    slow = Publisher(Shelf()).publish(slowly(), AtRate(1_000.0))
    assert slow.generator_limited
    assert slow.generator_wait_s > 0.2
    buffered = Publisher(Shelf()).publish(slowly(), AtRate(1_000.0), buffered=True)
    assert not buffered.generator_limited


def test_nothing_to_publish_is_published() -> None:
    assert Publisher(Shelf()).publish([], AtOnce()).payments == 0


@pytest.mark.parametrize("schedule", [AtRate, AtSpeed])
def test_a_pace_that_stands_still_is_refused(schedule: type[AtRate | AtSpeed]) -> None:
    with pytest.raises(ParameterError, match="more than 0"):
        schedule(0.0)


def test_working_ahead_keeps_order_and_raises_what_went_wrong() -> None:
    def items() -> Iterator[int]:
        yield from range(100)
        raise ValueError("broken")

    taken = []
    with pytest.raises(ValueError, match="broken"), Ahead(items(), depth=3) as made:
        taken.extend(made)
    assert taken == list(range(100))


def test_working_ahead_ends_when_nobody_wants_more() -> None:
    produced = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            produced.append(number)
            yield number
            number += 1

    before = threading.active_count()
    with Ahead(endless(), depth=2) as made:
        assert next(made) == 0
    assert threading.active_count() == before
    assert len(produced) < 20
