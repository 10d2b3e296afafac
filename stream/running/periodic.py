"""Rounds: what has to be looked at now and then, in one thread of its own, so that no lane waits for it."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from stream.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """A call that is made every so many seconds, first when the rounds begin; `lost` when it failed."""

    name: str
    every: float
    call: Callable[[], None]
    lost: Callable[[], None] = lambda: None
    due: float = 0.0
    failing: bool = False


class Rounds:
    """Makes calls from construction until close, one after the other; a failure ends neither the others nor the worker.

    It is told once, in the log, until the call succeeds again: what a server's absence means is the lanes' business.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._rounds = list(rounds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="rounds", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Make no more calls; one that waits for a server is left to end with the process."""
        self._stop.set()
        self._thread.join(timeout=1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _go(self) -> None:
        while not self._stop.is_set():
            for each in self._rounds:
                if time.monotonic() >= each.due and not self._stop.is_set():
                    each.due = time.monotonic() + each.every
                    _make(each)
            self._stop.wait(max(0.0, min(each.due for each in self._rounds) - time.monotonic()))


def _make(each: Round) -> None:
    try:
        each.call()
    except Exception as error:
        each.lost()
        if not each.failing:
            known = isinstance(error, RetryableError)
            log.warning("Not measured for now, %s: %s", each.name, error, exc_info=None if known else error)
        each.failing = True
    else:
        if each.failing:
            log.info("Measured again: %s.", each.name)
        each.failing = False
