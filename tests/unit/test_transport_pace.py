"""When the next micro-batch may be formed, on a clock of our own: time is in milliseconds here."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from stream.kafka.pace import ALONE_SECONDS, LARGE, Pace, Room

if TYPE_CHECKING:
    from collections.abc import Iterable

APART = 8
BOUND = 2048
IN_FLIGHT = 3


@dataclass
class Begun:
    at: float
    records: int
    beside: int
    """How many others were at work."""
    oldest: float
    """When the first of its records had come."""


@dataclass
class Worker:
    """Forms micro-batches as the poll thread does; one takes `fixed` and a while for each record, alone or not.

    The next may overlap it from `passes` of that on.
    """

    fixed: float = 4
    a_record: float = 0.02
    passes: float = 0.3
    apart: float = APART
    begun: list[Begun] = field(default_factory=list)

    def take(self, arrivals: Iterable[float]) -> list[Begun]:
        """Let records arrive at these times, and return the micro-batches that they became."""
        pace, waiting, coming = Pace(self.apart / 1000), deque[float](), deque(sorted(arrivals))
        ends: list[float] = []
        now = passed_at = 0.0
        while coming or waiting:
            now += pace.rest(now / 1000) * 1000
            alone_until = now + pace.alone(now / 1000) * 1000
            all_done = max(ends, default=0.0)
            if all_done > now:
                room_at = heapq.nsmallest(len(ends) - IN_FLIGHT + 1, ends)[-1] if len(ends) >= IN_FLIGHT else 0.0
                now = min(max(now, all_done), max(alone_until, passed_at, room_at))
            if not waiting:
                now = max(now, coming[0])
            while coming and coming[0] <= now:
                waiting.append(coming.popleft())
            ends = [end for end in ends if end > now]
            records = [waiting.popleft() for _ in range(min(len(waiting), BOUND))]
            self.begun.append(Begun(now, len(records), len(ends), records[0]))
            pace.formed(now / 1000, len(records), more=False)
            takes = self.fixed + self.a_record * len(records)
            passed_at = now + self.passes * takes
            ends.append(max([now, *ends]) + takes)
        return self.begun


def steady(a_second: float, *, since: float = 0, milliseconds: float = 2_000) -> list[float]:
    return [since + number * 1000 / a_second for number in range(int(a_second * milliseconds / 1000))]


def test_the_first_record_after_a_silence_starts_at_once():
    """
    records   r                         r
    begun     |                         |
              0                         500
    """
    begun = Worker().take([0, 500])
    assert [one.at for one in begun] == [0, 500]


def test_small_ones_start_apart_and_take_what_came_meanwhile():
    """
    records   r r r r r r r r r r
    begun     |       |       |
              0       8       16
    """
    begun = Worker().take([0, 2, 4, 6, 8, 10, 12, 14, 16])
    assert [(one.at, one.records) for one in begun] == [(0, 1), (8, 4), (16, 4)]


def test_below_the_bound_there_is_one_at_a_time():
    for rate in (200, 1_000, 5_000, 20_000):
        begun = Worker().take(steady(rate))
        assert max(one.beside for one in begun) == 0
        assert max(one.records for one in begun) < LARGE


def test_one_that_takes_longer_than_the_pace_is_followed_at_its_end():
    begun = Worker(fixed=12, a_record=0).take(steady(1_000, milliseconds=100))
    assert {after.at - before.at for before, after in itertools.pairwise(begun)} == {12}


def test_without_a_pace_the_next_starts_when_the_last_one_ends():
    begun = Worker(apart=0, fixed=3, a_record=0).take(steady(1_000, milliseconds=100))
    assert {after.at - before.at for before, after in itertools.pairwise(begun)} == {3}


def test_a_burst_overlaps_by_itself_and_what_follows_is_paced_again():
    burst = [500.0] * 10_000
    begun = Worker().take([*steady(1_000, milliseconds=3_000), *burst])
    during = [one for one in begun if one.records == BOUND]
    assert len(during) >= 4
    assert max(one.beside for one in during) == IN_FLIGHT - 1
    late = [one for one in begun if one.at > 1_500]
    assert max(one.beside for one in late) == 0
    assert max(one.records for one in late) < 20


def test_a_rate_that_one_at_a_time_is_not_enough_for_overlaps_and_is_kept_up_with():
    """Alone, each would take 4 ms and 0.02 ms a record: never more than 50,000 a second, and close to it only late."""
    begun = Worker().take(steady(45_000, milliseconds=1_000))
    assert max(one.beside for one in begun) > 0
    assert max(one.at - one.oldest for one in begun) < 200


def test_one_that_is_stuck_does_not_hold_up_the_next():
    pace = Pace(APART / 1000)
    pace.formed(1.0, 1, more=False)
    assert pace.rest(1.0) == pytest.approx(APART / 1000)
    assert pace.alone(1.008) == pytest.approx(ALONE_SECONDS - 0.008)
    assert pace.alone(1.0 + ALONE_SECONDS) == 0


def test_one_that_was_cut_off_at_its_bounds_is_large_however_few_records_it_has():
    pace = Pace(APART / 1000)
    pace.formed(1.0, 3, more=True)
    assert pace.rest(1.0) == pace.alone(1.0) == 0


def test_before_the_first_one_nothing_is_waited_for():
    assert Pace(1.0).rest(0.0) == Pace(1.0).alone(0.0) == 0


def test_room_is_there_again_when_one_is_done():
    room = Room(2)
    assert room.wait(0, 0)
    room.take()
    room.take()
    assert not room.wait(0, 0)
    assert not room.wait(room.most - 1, 0)
    giving = threading.Thread(target=room.give_back)
    giving.start()
    assert room.wait(room.most - 1, 10)
    assert not room.wait(0, 0)
    giving.join()
