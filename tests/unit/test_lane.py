"""Ways pass through lanes in order, and a failure stops nothing that follows."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

import stream.running.lane as lane_module
from stream.running.lane import Lane, Way, Ways
from stream.steps import Step


def with_ways(function):
    """Run a coroutine function with threads for ways, and close them."""

    def test():
        ways = Ways()
        try:
            asyncio.run(asyncio.wait_for(function(ways), 20))
        finally:
            ways.close()

    test.__name__ = function.__name__
    return test


@with_ways
async def test_calls_in_one_lane_are_made_one_after_the_other(ways: Ways):
    lane, ran, inside = Lane(), [], []

    def call(number: int) -> int:
        inside.append(number)
        time.sleep(0.02 if number == 0 else 0.0)
        ran.append((number, list(inside)))
        inside.remove(number)
        return number

    assert await asyncio.gather(*(ways.run(lane, call, number) for number in range(5))) == [0, 1, 2, 3, 4]
    assert ran == [(number, [number]) for number in range(5)]


@with_ways
async def test_a_failure_reaches_its_caller_and_the_lane_goes_on(ways: Ways):
    lane = Lane()
    with pytest.raises(ZeroDivisionError):
        await ways.run(lane, lambda: 1 // 0)
    assert await ways.run(lane, lambda: 7) == 7


@with_ways
async def test_an_exception_that_no_future_takes_reaches_its_caller_too(ways: Ways):
    with pytest.raises(RuntimeError, match="StopIteration"):
        await ways.run(Lane(), lambda: next(iter(())))


@with_ways
async def test_a_way_is_gone_in_one_thread_which_is_not_the_event_loops(ways: Ways):
    one, two = Lane(), Lane()

    def go(way: Way) -> tuple[int, int]:
        way.enter(one)
        first = threading.get_ident()
        way.enter(two)
        return first, threading.get_ident()

    first, second = await ways.follow(one, go)
    assert first == second != threading.get_ident()


@with_ways
async def test_ways_keep_their_order_in_every_lane(ways: Ways):
    one, two, three = Lane(), Lane(), Lane()
    took: list[tuple[int, int]] = []

    def go(way: Way, number: int) -> None:
        for index, lane in enumerate((one, two, three)):
            way.enter(lane)
            time.sleep(0.003 * ((number * 7 + index * 3) % 5))
            took.append((index, number))

    await asyncio.gather(*(ways.follow(one, go, number) for number in range(20)))
    for index in range(3):
        assert [number for lane, number in took if lane == index] == list(range(20))


@with_ways
async def test_the_order_is_that_in_which_ways_were_begun_however_late_their_threads_are(ways: Ways):
    lane, took = Lane(), []

    def go(way: Way, number: int) -> None:
        time.sleep(0.003 * (7 - number))  # the last begun is the first to ask for its turn
        way.enter(lane)
        took.append(number)

    await asyncio.gather(*(ways.follow(lane, go, number) for number in range(8)))
    assert took == list(range(8))


@with_ways
async def test_ways_overlap_in_different_lanes(ways: Ways):
    one, two = Lane(), Lane()
    second_is_in_one = threading.Event()

    def go(way: Way, number: int) -> bool:
        way.enter(one)
        if number:
            second_is_in_one.set()
        way.enter(two)
        return second_is_in_one.wait(10)

    assert await asyncio.gather(*(ways.follow(one, go, number) for number in range(2))) == [True, True]


@with_ways
async def test_a_way_may_go_back_to_a_lane_that_others_are_in(ways: Ways):
    one, two = Lane(), Lane()

    def go(way: Way, number: int) -> int:
        for lane in (one, two, one, two):
            way.enter(lane)
            time.sleep(0.001)
        return number

    assert await asyncio.gather(*(ways.follow(one, go, number) for number in range(30))) == list(range(30))


@with_ways
async def test_who_enters_its_own_lane_again_lets_nobody_in_between(ways: Ways):
    lane, took = Lane(), []

    def go(way: Way, number: int) -> None:
        for _ in range(3):
            way.enter(lane)
            time.sleep(0.001)
            took.append(number)

    await asyncio.gather(*(ways.follow(lane, go, number) for number in range(4)))
    assert took == [number for number in range(4) for _ in range(3)]


@with_ways
async def test_a_way_that_ends_before_its_turn_leaves_the_lane_in_its_turn(ways: Ways):
    lane, go_on, took = Lane(), threading.Event(), []

    def wait(way: Way) -> None:
        way.enter(lane)
        go_on.wait(10)
        took.append("first")

    first = asyncio.ensure_future(ways.follow(lane, wait))
    second = asyncio.ensure_future(ways.follow(lane, lambda way: 1 // 0))
    third = asyncio.ensure_future(ways.run(lane, took.append, "third"))
    await asyncio.sleep(0.01)
    assert took == []
    go_on.set()
    await asyncio.gather(first, third)
    assert took == ["first", "third"]
    with pytest.raises(ZeroDivisionError):
        await second


@with_ways
async def test_a_way_that_fails_fails_no_other_way(ways: Ways):
    one, two = Lane(), Lane()

    def go(way: Way, number: int) -> float:
        way.enter(one)
        quotient = 6 / number
        way.enter(two)
        return quotient

    ended = await asyncio.gather(*(ways.follow(one, go, number) for number in (0, 3)), return_exceptions=True)
    assert isinstance(ended[0], ZeroDivisionError)
    assert ended[1] == 2.0


@with_ways
async def test_no_lane_is_entered_after_the_caller_was_cancelled(ways: Ways):
    one, two = Lane(), Lane()
    began, go_on = threading.Event(), threading.Event()
    took = []

    def go(way: Way) -> None:
        try:
            way.enter(one)
            began.set()
            go_on.wait(10)
            took.append("first")
            way.enter(two)
            took.append("second")
        finally:
            took.append("closed")

    walk = asyncio.ensure_future(ways.follow(one, go))
    await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk
    go_on.set()
    await ways.run(one, int)
    await ways.run(two, int)
    assert took == ["first", "closed"]


def test_closing_lets_a_step_finish_and_begins_no_other():
    ways, lane = Ways(), Lane()
    began, go_on = threading.Event(), threading.Event()
    took = []

    def step(number: int) -> None:
        began.set()
        go_on.wait(10)
        took.append(number)

    async def go() -> None:
        walks = [asyncio.ensure_future(ways.run(lane, step, number)) for number in range(3)]
        await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
        closing = threading.Thread(target=ways.close)
        closing.start()
        await asyncio.get_running_loop().run_in_executor(None, ways.closed.wait, 10)
        go_on.set()
        ended = await asyncio.gather(*walks, return_exceptions=True)
        closing.join(10)
        assert isinstance(ended[1], asyncio.CancelledError)
        with pytest.raises(RuntimeError):
            await ways.run(lane, int)

    asyncio.run(asyncio.wait_for(go(), 20))
    assert took == [0]


def test_a_step_may_end_after_its_event_loop_was_closed():
    ways, lane, began, go_on, took, walks = Ways(), Lane(), threading.Event(), threading.Event(), [], []

    def step() -> None:
        began.set()
        go_on.wait(10)
        took.append("step")

    async def leave() -> None:
        walks.append(asyncio.ensure_future(ways.run(lane, step)))
        await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)

    asyncio.run(leave())
    go_on.set()
    ways.close()
    assert took == ["step"]


@with_ways
async def test_threads_that_are_idle_are_taken_again(ways: Ways):
    lane = Lane()
    threads = {await ways.run(lane, threading.get_ident) for _ in range(50)}
    assert len(threads) < 10  # on a busy machine the last one may not be back yet when the next way begins


def test_what_a_step_took_is_counted_without_waiting_for_its_lane(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: now[0] / 2)
    monkeypatch.setattr(lane_module, "time", clock)
    noted = []
    ways, one, two, inside = Ways(noted.append), Lane(), Lane(), threading.Event()

    def block(way: Way) -> None:
        way.enter(two)
        inside.set()
        while len(two._queue) < 2:
            time.sleep(0.001)
        now[0] += 1_000

    def go(way: Way) -> None:
        way.enter(one, Step.DECODE)
        now[0] += 1
        way.enter(one, Step.CLAIM)
        now[0] += 2
        inside.wait(10)
        way.enter(two, Step.OUTCOMES)
        now[0] += 4
        way.enter(one)
        now[0] += 8
        way.enter(two, Step.OUTCOMES)
        now[0] += 16
        way.stop_timing()
        now[0] += 32

    async def both() -> None:
        await asyncio.gather(ways.follow(two, block), ways.follow(one, go))

    asyncio.run(both())
    ways.close()
    assert [{step: (lap.wall, lap.cpu) for step, lap in laps.items()} for laps in noted] == [
        {},
        {Step.DECODE: (1, 0.5), Step.CLAIM: (2, 1.0), Step.OUTCOMES: (20, 10.0)},
    ]
