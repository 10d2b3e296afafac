"""The loop of an agent: work overlaps, acknowledgements keep their order."""

from __future__ import annotations

import asyncio

import pytest

from stream.faust_app.in_order import unless, work_in_order


class Event:
    def __init__(self, value, acked):
        self.value, self._acked = value, acked

    def ack(self):
        self._acked.append(self.value)
        return True


class Bench:
    """Feeds values to the loop, lets each be finished or failed by hand, and notes what happens."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.acked, self.begun, self.cancelled = [], [], []
        self.gates = {}
        self.forgotten = set()

    async def events(self):
        while (value := await self.queue.get()) is not None:
            if isinstance(value, Exception):
                raise value
            yield Event(value, self.acked)

    async def process(self, value):
        self.begun.append(value)
        self.gates[value] = asyncio.get_running_loop().create_future()
        try:
            await self.gates[value]
        except asyncio.CancelledError:
            self.cancelled.append(value)
            raise

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def runs():
    """Run a scenario beside the loop: `runs(scenario)`; the scenario gets the bench and the loop's task."""

    def run(scenario, in_flight=2):
        async def main():
            bench = Bench()
            process = unless(bench.forgotten.__contains__, bench.process)
            loop = asyncio.create_task(work_in_order(bench.events(), process, in_flight=in_flight))
            try:
                await scenario(bench, loop)
            finally:
                loop.cancel()
                await asyncio.gather(loop, return_exceptions=True)

        asyncio.run(main())

    return run


def test_as_many_are_at_work_as_may_be_and_no_more(runs):
    async def scenario(bench, _loop):
        for value in "abc":
            bench.queue.put_nowait(value)
        await bench.settle()
        assert bench.begun == ["a", "b"]
        bench.gates["a"].set_result(None)
        await bench.settle()
        assert bench.begun == ["a", "b", "c"]

    runs(scenario)


def test_an_acknowledgement_waits_for_all_before_it(runs):
    async def scenario(bench, _loop):
        for value in "ab":
            bench.queue.put_nowait(value)
        await bench.settle()
        bench.gates["b"].set_result(None)
        await bench.settle()
        assert bench.acked == []
        bench.gates["a"].set_result(None)
        await bench.settle()
        assert bench.acked == ["a", "b"]

    runs(scenario)


def test_a_failure_ends_the_loop_at_once_with_all_from_there_on_unacknowledged(runs):
    async def scenario(bench, loop):
        for value in "ab":
            bench.queue.put_nowait(value)
        await bench.settle()
        bench.gates["b"].set_exception(ValueError("bad"))
        with pytest.raises(ValueError, match="bad"):
            await loop
        assert bench.acked == []
        assert bench.cancelled == ["a"]

    runs(scenario)


def test_a_failure_is_heard_of_while_as_many_are_at_work_as_may_be(runs):
    async def scenario(bench, loop):
        for value in "abc":
            bench.queue.put_nowait(value)
        await bench.settle()
        bench.gates["b"].set_exception(ValueError("bad"))
        with pytest.raises(ValueError, match="bad"):
            await loop
        assert bench.begun == ["a", "b"]
        assert bench.acked == []

    runs(scenario)


def test_work_that_was_cancelled_ends_the_loop_and_is_not_acknowledged(runs):
    async def scenario(bench, loop):
        for value in "ab":
            bench.queue.put_nowait(value)
        await bench.settle()
        bench.gates["a"].cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop
        assert bench.acked == []
        assert bench.cancelled == ["a", "b"]

    runs(scenario)


def test_an_exception_of_the_events_ends_the_loop_and_cancels_what_is_at_work(runs):
    async def scenario(bench, loop):
        bench.queue.put_nowait("a")
        await bench.settle()
        bench.queue.put_nowait(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await loop
        assert bench.cancelled == ["a"]
        assert bench.acked == []

    runs(scenario)


def test_what_is_done_before_the_failure_is_acknowledged(runs):
    async def scenario(bench, loop):
        bench.queue.put_nowait("a")
        await bench.settle()
        bench.gates["a"].set_result(None)
        await bench.settle()
        bench.queue.put_nowait("b")
        await bench.settle()
        bench.gates["b"].set_exception(ValueError("bad"))
        with pytest.raises(ValueError, match="bad"):
            await loop
        assert bench.acked == ["a"]

    runs(scenario)


def test_a_cancelled_loop_cancels_what_is_at_work(runs):
    async def scenario(bench, loop):
        bench.queue.put_nowait("a")
        await bench.settle()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop
        assert bench.cancelled == ["a"]

    runs(scenario)


def test_when_events_end_what_is_at_work_is_finished_first(runs):
    async def scenario(bench, loop):
        for value in ("a", None):
            bench.queue.put_nowait(value)
        await bench.settle()
        assert not loop.done()
        bench.gates["a"].set_result(None)
        await loop
        assert bench.acked == ["a"]

    runs(scenario)


def test_what_was_forgotten_is_neither_begun_nor_acknowledged_and_what_follows_is_not_acknowledged(runs):
    async def scenario(bench, _loop):
        bench.forgotten.add("b")
        for value in "abc":
            bench.queue.put_nowait(value)
        await bench.settle()
        bench.gates["a"].set_result(None)
        await bench.settle()
        assert bench.begun == ["a", "c"]
        bench.gates["c"].set_result(None)
        await bench.settle()
        assert bench.acked == ["a"]

    runs(scenario)
