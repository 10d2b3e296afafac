"""Ways pass through lanes in order, and a failure stops nothing that follows."""

import asyncio
import threading
import time

import pytest

from stream.lane import Lane, Way, Ways

THREADS = 32


def with_ways(function):
    """Run a coroutine function with threads for ways, and close them."""

    def test():
        ways = Ways(THREADS)
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
async def test_a_way_takes_its_steps_in_one_thread_and_returns_what_comes_of_them(ways: Ways):
    one, two = Lane(), Lane()

    def way() -> Way[tuple[int, int, int]]:
        first = yield one.step(threading.get_ident)
        between = threading.get_ident()
        second = yield two.step(threading.get_ident)
        return first, between, second

    threads = await ways.follow(way())
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


@with_ways
async def test_ways_keep_their_order_in_every_lane(ways: Ways):
    one, two, three = Lane(), Lane(), Lane()
    took: list[tuple[int, int]] = []

    def way(number: int) -> Way[None]:
        for place, lane in enumerate((one, two, three)):
            yield lane.step(time.sleep, 0.003 * ((number * 7 + place * 3) % 5))
            took.append((place, number))

    await asyncio.gather(*(ways.follow(way(number)) for number in range(20)))
    for place in range(3):
        assert [number for lane, number in took if lane == place] == list(range(20))


@with_ways
async def test_ways_overlap_in_different_lanes(ways: Ways):
    one, two = Lane(), Lane()
    second_is_in_one = threading.Event()

    def way(number: int) -> Way[bool]:
        yield one.step(second_is_in_one.set if number else int)
        return (yield two.step(second_is_in_one.wait, 10))

    assert await asyncio.gather(*(ways.follow(way(number)) for number in range(2))) == [True, True]


@with_ways
async def test_a_way_may_go_back_to_a_lane_that_others_are_in(ways: Ways):
    one, two = Lane(), Lane()

    def way(number: int) -> Way[int]:
        for lane in (one, two, one, two):
            yield lane.step(time.sleep, 0.001)
        return number

    assert await asyncio.gather(*(ways.follow(way(number)) for number in range(30))) == list(range(30))


@with_ways
async def test_a_way_may_end_without_a_step(ways: Ways):
    def way() -> Way[int]:
        return 7
        yield Lane().step(int)

    assert await ways.follow(way()) == 7


@with_ways
async def test_a_step_that_fails_fails_the_way_and_no_other_way(ways: Ways):
    one, two = Lane(), Lane()

    def way(number: int) -> Way[int]:
        yield one.step(lambda: 1 // number)
        return (yield two.step(lambda: number))

    ended = await asyncio.gather(*(ways.follow(way(number)) for number in (0, 3)), return_exceptions=True)
    assert isinstance(ended[0], ZeroDivisionError)
    assert ended[1] == 3


@with_ways
async def test_a_way_can_cure_what_a_step_raised(ways: Ways):
    lane = Lane()

    def way() -> Way[str]:
        try:
            yield lane.step(lambda: 1 // 0)
        except ZeroDivisionError:
            return (yield lane.step(lambda: "cured"))
        return "never"

    assert await ways.follow(way()) == "cured"


@with_ways
async def test_no_step_is_begun_after_the_caller_was_cancelled(ways: Ways):
    one, two = Lane(), Lane()
    began, go_on = threading.Event(), threading.Event()
    took = []

    def first() -> None:
        began.set()
        go_on.wait(10)
        took.append("first")

    def way() -> Way[None]:
        try:
            yield one.step(first)
            yield two.step(took.append, "second")
        finally:
            took.append("closed")

    walk = asyncio.ensure_future(ways.follow(way()))
    await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk
    go_on.set()
    await ways.run(one, int)
    await ways.run(two, int)
    assert took == ["first", "closed"]


def test_closing_lets_a_step_finish_and_begins_no_other():
    ways, lane = Ways(4), Lane()
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


@with_ways
async def test_more_ways_than_threads_are_refused(ways: Ways):
    lane, go_on = Lane(), threading.Event()
    walks = [asyncio.ensure_future(ways.run(lane, go_on.wait, 10)) for _ in range(THREADS)]
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="threads"):
        await ways.run(lane, int)
    go_on.set()
    assert await asyncio.gather(*walks) == [True] * THREADS
    assert await ways.run(lane, int) == 0
