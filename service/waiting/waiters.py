"""All payments that are waited for in this process; bounded."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from service.door import meters
from service.door.problems import busy
from service.waiting.remembered import Remembered
from service.waiting.waiter import Answer, Call, Waiter
from stream.errors import StreamError
from stream.kafka.receipts import Receipt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from service.waiting.asked import Asked
    from stream.kafka.receipts import Publishing

RECENT: Final = 20_000
"""Confirmed records that are remembered: asked for again while Postgres is gone, they are not published again."""

log = logging.getLogger(__name__)


class Waiters:
    """Joins calls and payments. Its methods are for the event loop, but `snapshot` and `publish`, for any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, publisher: Publishing, topic: str, most: int) -> None:
        self._loop = loop
        self._publisher = publisher
        self._topic = topic
        self._most = most
        self._waiters: dict[tuple[bytes, int], Waiter] = {}
        self._recent: Remembered[Receipt] = Remembered(RECENT)
        self._provisional: Remembered[str] = Remembered(RECENT)
        self._publishing = threading.Lock()
        self.added = threading.Event()
        """Set when somebody waits who has not been looked for."""

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, payments: Sequence[Asked]) -> tuple[Call, list[Waiter]]:
        """Wait for payments; those that somebody waits for already are waited for together.

        Raises Problem where too many are waited for; then none of these is.
        """
        if len(self._waiters) + len(payments) > self._most:
            raise busy(f"Expected at most {self._most:,} payments to be waited for at a time; try again in a second.")
        call, joined = Call(self._loop), []
        for payment in payments:
            key = payment.key
            waiter = self._waiters.get(key)
            if waiter is None:
                waiter = self._waiters[key] = Waiter(payment)
                waiter.receipt = self._recent.get(key)
                waiter.is_published = waiter.receipt is not None
            waiter.calls.append(call)
            joined.append(waiter)
        call.missing = len(joined)
        self.added.set()
        return call, joined

    def leave(self, call: Call, joined: Iterable[Waiter]) -> None:
        """Wait no more; a payment that nobody waits for any longer is forgotten."""
        for waiter in joined:
            if call in waiter.calls:
                waiter.calls.remove(call)
            # Only if it is still that one: an answered one's place may be somebody else's by now.
            if not waiter.calls and self._waiters.get(waiter.payment.key) is waiter:
                del self._waiters[waiter.payment.key]

    def answer(self, answers: Iterable[tuple[Waiter, Answer]]) -> None:
        """Give answers to all calls that wait for them."""
        for waiter, answer in answers:
            if waiter.answer is not None:
                continue
            waiter.answer = answer
            if self._waiters.get(waiter.payment.key) is waiter:
                del self._waiters[waiter.payment.key]
            calls, waiter.calls = waiter.calls, []
            for call in calls:
                call.one_is_answered()

    def answer_from_thread(self, answers: list[tuple[Waiter, Answer]]) -> None:
        """Give answers that another thread has found."""
        self._loop.call_soon_threadsafe(self.answer, answers)

    def snapshot(self) -> list[Waiter]:
        """Return all that is waited for now."""
        waiting = list(self._waiters.values())
        meters.WAITING.set(len(waiting))
        return waiting

    def publish(self, waiters: Iterable[Waiter]) -> None:
        """Publish what was not published yet; what fails says so in `failure`."""
        for waiter in waiters:
            with self._publishing:
                if waiter.is_published or waiter.is_claimed or waiter.answer is not None:
                    continue
                waiter.is_published = True
            payment = waiter.payment
            waiter.published_at = time.perf_counter()
            try:
                self._publisher.send(self._topic, payment.payer_vpa, payment.value, _Told(self, waiter))
            except StreamError as error:
                waiter.is_published, waiter.failure = False, str(error)
        self._publisher.poll()

    def note_provisional(self, waiter: Waiter, verdict: str) -> None:
        """Remember what was said of a payment before its verdict."""
        self._provisional.put(waiter.payment.key, verdict)

    def compare(self, waiter: Waiter, verdict: str) -> None:
        """Put on the meter whether the stream gave what was said before; once a payment."""
        said = self._provisional.take(waiter.payment.key)
        if said is not None:
            meters.PROVISIONAL_COMPARED.labels("true" if said == verdict else "false").inc()

    def poll(self) -> None:
        """Hear what the broker has confirmed meanwhile."""
        self._publisher.poll()

    def told(self, waiter: Waiter, said: Receipt | StreamError) -> None:
        """Take note of what became of a record."""
        if not isinstance(said, Receipt):
            log.warning("A payment was not published: %s", said)
            waiter.is_published, waiter.failure = False, str(said)
            return
        waiter.receipt = said
        self._recent.put(waiter.payment.key, said)


class _Told:
    """Carries one record's receipt back to its waiter."""

    __slots__ = ("_waiter", "_waiters")

    def __init__(self, waiters: Waiters, waiter: Waiter) -> None:
        self._waiters, self._waiter = waiters, waiter

    def __call__(self, said: Receipt | StreamError) -> None:
        self._waiters.told(self._waiter, said)
