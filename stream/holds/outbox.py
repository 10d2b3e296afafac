"""The outbox: holds whose time has come end, and every resolution reaches its topic, whatever dies.

A resolution is committed to the store first, and goes to the topic until the broker has confirmed it. Whoever dies
between the two leaves it waiting, and the next one to look sends it: the same bytes, maybe a second time.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stream import metrics
from stream.errors import RetryableError
from stream.holds.decide import expired
from stream.holds.records import Cause

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from stream.holds.decide import HoldStore
    from stream.holds.records import Action
    from stream.kafka.publisher import Confirming

ROWS: Final = 500
"""Holds that are ended, or resolutions that are sent, in one go."""

STEP_SECONDS: Final = 0.5
"""Time between two looks: how long a resolution waits when all is well."""

MOST_SECONDS: Final = 2.0
"""Longest pause while a server does not answer."""

BROKER_SECONDS: Final = 4.0
"""Longest wait for the broker within a step. With the pause it is less than the 10 s in which a hold must end."""

SHOW_MS: Final = 5_000
"""Time between two counts for the meters."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step did."""

    expired: int = 0
    published: int = 0
    is_more: bool = False
    """Whether there was more than one step takes."""
    is_ours: bool = True
    """Whether no other process was at it; else nothing was done."""


class Outbox:
    """Ends holds whose time has come, then publishes what waits; of all processes one at a time does.

    `expiry` is what the end of a hold means: UPIFRAUD_HOLD_EXPIRY. The publisher must be for this object alone.
    """

    def __init__(self, store: HoldStore, publisher: Confirming, topic: str, *, expiry: Action) -> None:
        self._store = store
        self._publisher = publisher
        self._topic = topic
        self._expiry = expiry

    def step(self, now: int) -> Stepped:
        """Do what is due at an epoch millisecond; return at once where another process is at it.

        Holds end first, so that a broker that is gone holds up no end. Raises RetryableError where a server does not
        answer, and FatalError where somebody must change something; nothing is lost by either.
        """
        with self._store.alone() as is_ours:
            if not is_ours:
                return Stepped(is_ours=False)
            due = self._store.due(now, ROWS)
            ended = self._store.put([expired(hold, self._expiry) for hold in due])
            metrics.HOLDS_ENDED.labels(self._expiry, Cause.EXPIRY).inc(sum(ended))
            waiting = self._store.waiting(ROWS)
            for each in waiting:
                self._publisher.produce(self._topic, each.transaction_id.encode(), each.record)
            if waiting:
                self._publisher.confirm(BROKER_SECONDS)
                self._store.confirmed(waiting, now)
                metrics.RESOLUTIONS_PUBLISHED.inc(len(waiting))
            return Stepped(sum(ended), len(waiting), ROWS in (len(due), len(waiting)))

    def follow(self, stop: threading.Event, clock: Callable[[], int]) -> None:
        """Take steps until told to stop; wait, however long, for a server that does not answer.

        `clock` gives epoch milliseconds. Other errors than RetryableError go through.
        """
        pause, is_lost, show_at = STEP_SECONDS, False, 0
        while not stop.is_set():
            now = clock()
            try:
                stepped = self.step(now)
            except RetryableError as error:
                if not is_lost:
                    log.warning("Ends of holds wait: %s", error)
                pause, is_lost = min(2 * pause, MOST_SECONDS), True
            else:
                if is_lost:
                    log.info("Ends of holds go on.")
                pause, is_lost = 0.0 if stepped.is_more else STEP_SECONDS, False
            if now >= show_at:
                show(self._store, now)
                show_at = now + SHOW_MS
            stop.wait(pause)


def show(store: HoldStore, now: int) -> None:
    """Put the numbers of holds and of waiting resolutions on the meters; NaN where the store does not answer."""
    try:
        counts = store.counts(now)
    except RetryableError:
        counts = None
    metrics.HOLDS_OPEN.set(math.nan if counts is None else counts.open)
    metrics.HOLDS_OVERDUE.set(math.nan if counts is None else counts.overdue)
    metrics.RESOLUTIONS_WAITING.set(math.nan if counts is None else counts.waiting)
