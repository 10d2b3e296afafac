"""A lane keeps order, and a failure stops nothing that follows."""

import asyncio
import time

import pytest

from stream.lane import Lane


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
