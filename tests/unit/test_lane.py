"""A lane keeps order, and a failure stops nothing that follows."""

import asyncio
import threading
import time

import pytest

from stream.lane import Lane, Way, follow


def test_calls_run_in_the_order_they_were_submitted():
    async def go():
        lane, ran = Lane("test"), []

        def call(number: int) -> None:
            time.sleep(0.02 if number == 0 else 0.0)
            ran.append(number)

        await asyncio.gather(*(lane.run(call, number) for number in range(5)))
        lane.close()
        return ran

    assert asyncio.run(go()) == [0, 1, 2, 3, 4]


def test_a_failure_reaches_its_caller_and_the_lane_goes_on():
    async def go():
        lane = Lane("test")
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 // 0)
        value = await lane.run(lambda: 7)
        lane.close()
        return value

    assert asyncio.run(go()) == 7


def in_lanes(*names: str):
    """Run a coroutine function with lanes of these names, and close them."""

    def decorate(function):
        def test():
            lanes = [Lane(name) for name in names]
            try:
                asyncio.run(asyncio.wait_for(function(*lanes), 20))
            finally:
                for lane in lanes:
                    lane.close()

        test.__name__ = function.__name__
        return test

    return decorate


def name_of_thread() -> str:
    return threading.current_thread().name.partition("_")[0]


@in_lanes("one", "two")
async def test_a_way_takes_each_step_in_its_lane_and_returns_what_comes_of_them(one: Lane, two: Lane):
    def way() -> Way[list[str]]:
        first = yield one.step(name_of_thread)
        between = name_of_thread()
        second = yield two.step(lambda: f"{first} then {name_of_thread()}")
        return [between, second, name_of_thread()]

    assert await follow(way()) == ["one", "one then two", "two"]


@in_lanes("one", "two")
async def test_ways_keep_their_order_in_every_lane(one: Lane, two: Lane):
    took: list[tuple[str, int]] = []

    def way(number: int) -> Way[None]:
        def step() -> None:
            time.sleep(0.01 if number == 0 else 0.0)
            took.append((name_of_thread(), number))

        yield one.step(step)
        yield two.step(step)

    await asyncio.gather(*(follow(way(number)) for number in range(6)))
    for name in ("one", "two"):
        assert [number for lane, number in took if lane == name] == list(range(6))


@in_lanes("one")
async def test_a_way_may_end_without_a_step(one: Lane):
    def way() -> Way[int]:
        return 7
        yield one.step(int)

    assert await follow(way()) == 7


@in_lanes("one", "two")
async def test_a_step_that_fails_fails_the_way_and_no_other_way(one: Lane, two: Lane):
    def way(number: int) -> Way[int]:
        yield one.step(lambda: 1 // number)
        return (yield two.step(lambda: number))

    ended = await asyncio.gather(*(follow(way(number)) for number in (0, 3)), return_exceptions=True)
    assert isinstance(ended[0], ZeroDivisionError)
    assert ended[1] == 3


@in_lanes("one")
async def test_a_way_can_cure_what_a_step_raised(one: Lane):
    def way() -> Way[str]:
        try:
            yield one.step(lambda: 1 // 0)
        except ZeroDivisionError:
            return (yield one.step(lambda: "cured"))
        return "never"

    assert await follow(way()) == "cured"


@in_lanes("one")
async def test_a_closed_lane_fails_the_way(one: Lane):
    def way() -> Way[None]:
        yield one.step(int)

    one.close()
    with pytest.raises(RuntimeError):
        await follow(way())


@in_lanes("one", "two")
async def test_no_step_is_begun_after_the_caller_was_cancelled(one: Lane, two: Lane):
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

    walk = asyncio.ensure_future(follow(way()))
    await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk
    go_on.set()
    await one.run(int)
    await two.run(int)
    assert took == ["first", "closed"]
