"""A showing: a performance is run and shown until it ends, by itself or by Ctrl-C, and summed up."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console

from upifraud.demo.account import account_of
from upifraud.demo.errors import UnaccountedError
from upifraud.demo.observer import picture_of
from upifraud.demo.performance import Performance
from upifraud.demo.screen import screen_on
from upifraud.demo.summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from local.resolver import Wanted
    from upifraud.demo.account import Account
    from upifraud.demo.plan import Plan
    from upifraud.demo.screen import Screen

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PICTURE_SECONDS: Final = 0.25


def show(plan: Plan, wanted: Wanted, directory: Path, environ: Mapping[str, str], *, keep: bool = False) -> Account:
    """Run a demo, show it on stdout, end it in good order and print the summary; raises what made it fail.

    SIGINT, SIGTERM and SIGHUP end it early, which is no failure.
    """
    console = Console(highlight=False)
    notes: list[str] = []
    performance = Performance(plan, wanted, directory, environ, keep=keep, note=notes.append)
    with _on_signals(performance.stop):
        performance.start()
        try:
            with screen_on(console) as screen:
                _watch(performance, screen, notes)
        finally:
            # Also where the terminal is gone and drawing failed: no process may be left behind.
            if performance.running:
                performance.stop()
            performance.join()
    account = account_of(performance)
    if account.reading.judged:
        console.print(summary(account, plan, performance.kafka))
    if performance.failure is not None:
        raise performance.failure
    if keep:
        console.print(f"The servers run on; their settings: {directory}/env", soft_wrap=True)
        console.print(f"To end them: upifraud down --wipe --state-dir {directory}", soft_wrap=True)
    if differences := account.differences():
        raise UnaccountedError(
            f"Expected the worker's counts to be what the switch sent, got: {'; '.join(differences)}. This is a "
            f"mistake in the program; the worker's log, {performance.worker.log}, may say more."
        )
    return account


def _watch(performance: Performance, screen: Screen, notes: list[str]) -> None:
    while performance.running:
        performance.look_after()
        screen.show(picture_of(performance, time.monotonic(), tuple(notes)))
        time.sleep(_PICTURE_SECONDS)
    screen.show(picture_of(performance, time.monotonic(), tuple(notes)))


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` for every signal that would end us, until the block is left."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
