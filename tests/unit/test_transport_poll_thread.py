"""How the poll thread hands over: small micro-batches after each other, large ones beside each other, with a bound."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Message

from stream.kafka import poll_thread
from stream.kafka.fetch import Fetch, Slice
from stream.kafka.pace import LARGE
from stream.kafka.poll_thread import PollOptions, PollThread

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_FLIGHT = 3


class Client:
    """Stands for the client: has what a test puts there."""

    def __init__(self, *_given: object, **_more: object) -> None:
        self.ready: list[Fetch] = []
        self.positions: dict[Any, int] = {}
        self.has_more = False
        self.paused = 0

    def receive(self, _wait: float) -> list[Fetch]:
        return [self.ready.pop(0)] if self.ready else []

    def pause(self, _tps: object) -> None:
        self.paused += 1

    def resume(self, _tps: object) -> None:
        pass

    def poll(self, _wait: float) -> None:
        pass

    def asked_end(self, _tp: object) -> None:
        pass


class Turning:
    """A poll thread that turns when it is told to, in this thread."""

    def __init__(self, thread: PollThread, loop: asyncio.AbstractEventLoop, handed: list[Fetch]) -> None:
        self.thread, self.client = thread, thread._client
        self._loop, self._handed = loop, handed

    def turn(self, *ready: Fetch) -> list[Fetch]:
        """Turn once for each of these, and once more; return what was handed over."""
        self.client.ready += ready
        self._handed.clear()
        for _ in range(len(ready) + 1):
            self.thread._turn()
        self._loop.run_until_complete(asyncio.sleep(0))
        return list(self._handed)


@pytest.fixture
def turning(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turning]:
    monkeypatch.setattr(poll_thread, "KafkaClient", Client)
    options = PollOptions(
        cooperative=True, micro_batch_records=1, micro_batch_bytes=1, micro_batches_in_flight=IN_FLIGHT, apart=0.001,
        pause_after=0.05, answer_within=1,
    )  # fmt: skip
    loop, handed = asyncio.new_event_loop(), list[Fetch]()
    yield Turning(
        PollThread({}, options, ["transactions"], loop=loop, owner=SimpleNamespace(deliver=handed.extend)), loop, handed
    )
    loop.close()


def fetch(records: int, *, passed: bool = False) -> Fetch:
    one = Fetch("transactions", [Slice(0, [Message(topic="transactions", partition=0, offset=0)] * records)])
    if passed:
        one.passed.set()
    return one


def test_a_small_one_is_followed_when_it_is_done(turning: Turning) -> None:
    first, second = fetch(1), fetch(1)
    assert turning.turn(first, second) == [first]
    assert turning.turn() == []
    turning.thread.room.give_back()
    assert turning.turn() == [second]


def test_a_small_one_that_takes_long_is_followed_once_it_has_passed(turning: Turning) -> None:
    first, second = fetch(1, passed=True), fetch(1)
    assert turning.turn(first, second) == [first, second]


def test_a_large_one_is_followed_once_it_has_passed_though_it_is_not_done(turning: Turning) -> None:
    first, second = fetch(LARGE), fetch(LARGE)
    assert turning.turn(first, second) == [first]
    first.passed.set()
    assert turning.turn() == [second]


def test_no_more_are_at_work_than_may_be_however_large_they_are(turning: Turning) -> None:
    sent = [fetch(LARGE, passed=True) for _ in range(IN_FLIGHT + 1)]
    assert turning.turn(*sent) == sent[:IN_FLIGHT]
    turning.thread.room.give_back()
    assert turning.turn() == sent[IN_FLIGHT:]


def test_one_that_was_cut_off_at_its_bounds_is_followed_like_a_large_one(turning: Turning) -> None:
    turning.client.has_more = True
    sent = [fetch(1, passed=True) for _ in range(IN_FLIGHT)]
    assert turning.turn(*sent) == sent


def test_nothing_is_taken_once_it_was_told_to_be_quiet(turning: Turning) -> None:
    turning.thread.quiesce()
    assert turning.turn(fetch(1)) == []


def test_a_turn_that_brings_nothing_takes_no_room(turning: Turning) -> None:
    for _ in range(IN_FLIGHT + 1):
        assert turning.turn() == []
    assert turning.thread.room.wait(0, 0)
