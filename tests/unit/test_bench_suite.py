"""The parts of the one long run: their order, which of them `--only` leaves, and a new stack after a failure."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench import __main__ as command
from bench import forms, whole
from bench.run import Run
from bench.suite import NAMES, TINY, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stack:
    """Stands for servers and a worker."""

    opened = 0
    closed = 0

    def __init__(self) -> None:
        self.has_workers = False
        self.days = 0.0

    def fill(self, days: float, *_arguments: Any) -> None:
        assert not self.has_workers, "nothing is at work yet"
        self.days = days

    def start_worker(self) -> None:
        self.has_workers = True


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> type[Stack]:
    @contextmanager
    def fresh(_payers: int, **_partitions: int) -> Iterator[Stack]:
        Stack.opened += 1
        try:
            yield Stack()
        finally:
            Stack.closed += 1

    Stack.opened = Stack.closed = 0
    monkeypatch.setattr(whole, "fresh", fresh)
    return Stack


def run(name: str) -> Run:
    return Run(name, 1_000, 1.0, us={}, stage_us={})


@pytest.mark.slow
def test_parts_come_in_order_and_those_in_pieces_are_several() -> None:
    with Suite(TINY, print) as suite:
        names = [part.name for part in suite.parts()]
    assert list(dict.fromkeys(name.partition(", ")[0] for name in names)) == list(NAMES)
    assert "growth, workers" in names
    assert "ablations, transport" in names


@pytest.mark.slow
def test_only_leaves_what_is_named_in_the_order_of_the_run() -> None:
    with Suite(TINY, print) as suite:
        names = [part.name for part in suite.parts(["latency", "stages"])]
    assert names == ["stages", "latency"]


def test_a_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected some of rounds, stages"):
        command._names("latencies")


def test_the_whole_jobs_share_a_stack_and_a_failure_makes_the_next_one_new(
    stacks: type[Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    def backlog(*_arguments: Any) -> Run:
        return run("backlog")

    def broken(*_arguments: Any, **_more: Any) -> Run:
        raise RuntimeError("the worker died")

    monkeypatch.setattr(forms, "backlog", backlog)
    monkeypatch.setattr(forms, "ramp", broken)
    monkeypatch.setattr(forms, "latency", backlog)
    with Suite(TINY, print) as suite:
        suite.backlog()
        with pytest.raises(RuntimeError, match="died"):
            suite.ramp()
        assert (stacks.opened, stacks.closed) == (1, 1)
        suite.latency()
        suite.backlog()
        assert (stacks.opened, stacks.closed) == (2, 1)
    assert stacks.closed == 2


def test_a_stack_has_the_history_before_its_first_worker_or_none(
    stacks: type[Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []

    def backlog(bench: Any, *_arguments: Any) -> Run:
        found.append(bench.days)
        return run("backlog")

    monkeypatch.setattr(forms, "backlog", backlog)
    for days in (TINY.days, 0.0):
        with Suite(replace(TINY, days=days), print) as suite:
            suite.backlog()
            suite.backlog()
    assert found == [TINY.days, TINY.days, 0.0, 0.0]
    assert stacks.opened == 2


def test_settings_of_a_variant_are_read_and_others_refused() -> None:
    assert command._variant("fast:UPIFRAUD_A=1,UPIFRAUD_B=x") == ("fast", {"UPIFRAUD_A": "1", "UPIFRAUD_B": "x"})
    for text in ("fast", "fast:UPIFRAUD_A", "fast:=1"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected NAME"):
            command._variant(text)


def test_rates_of_a_ramp_follow_the_backlog_that_was_measured(
    stacks: type[Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[float]] = []
    monkeypatch.setattr(forms, "backlog", lambda *_arguments: run("backlog"))
    monkeypatch.setattr(forms, "ramp", lambda _bench, rates, *_arguments, **_more: asked.append(rates))
    with Suite(TINY, print) as suite:
        suite.ramp()
    assert asked == [[300.0, 2_000.0]]
    assert stacks.opened == 1
