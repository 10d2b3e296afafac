"""Rounds go on whatever fails, and end when they are told to."""

from __future__ import annotations

import logging
import threading

from stream.errors import RetryableError
from stream.running.periodic import Round, Rounds


def test_every_call_is_made_again_and_again_until_close() -> None:
    enough = threading.Event()
    calls: list[str] = []

    def fast() -> None:
        calls.append("fast")
        if calls.count("fast") == 5:
            enough.set()

    with Rounds([Round("fast", 0.01, fast), Round("slow", 3600, lambda: calls.append("slow"))]):
        assert enough.wait(10)
    made = len(calls)
    assert calls.count("slow") == 1
    assert not enough.wait(0) or len(calls) == made


def test_a_failure_is_told_once_and_stops_nobody(caplog) -> None:
    enough = threading.Event()
    made: list[int] = []
    lost: list[int] = []

    def fails() -> None:
        made.append(0)
        if len(made) == 4:
            enough.set()
        if len(made) < 3:
            raise RetryableError("Redis does not answer", server="redis")

    with caplog.at_level(logging.INFO), Rounds([Round("the memory", 0.01, fails, lambda: lost.append(0))]):
        assert enough.wait(10)
    assert len(lost) == 2
    told = [record.message for record in caplog.records]
    assert told == ["Not measured for now, the memory: Redis does not answer", "Measured again: the memory."]


def test_a_defect_does_not_end_the_rounds(caplog) -> None:
    enough = threading.Event()

    def defect() -> None:
        raise ZeroDivisionError

    with Rounds([Round("a defect", 0.01, defect), Round("the rest", 0.01, enough.set)]):
        assert enough.wait(10)
    assert any(record.exc_info for record in caplog.records)
