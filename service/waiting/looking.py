"""The one thread that asks Postgres for all payments that are waited for: first whose ids they are, then their rows."""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from service.door import meters
from service.door.problems import Problem
from service.waiting.pace import Pace
from service.waiting.waiter import Answer
from stream.errors import RetryableError, StreamError
from stream.stages.alerting import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from service.servers import Servers
    from service.waiting.records import Records
    from service.waiting.waiter import Waiter
    from service.waiting.waiters import Waiters
    from stream.verdict_store import VerdictRecord
    from stream.verdict_store.door import ClaimOf

TICK: Final = 0.004
"""Seconds between two looks."""
LEAST: Final = 0.001
"""Between a look and the next one for somebody who has just come."""
CLAIMS_EVERY: Final = 5
"""Looks between two at the claims of what was published: a conflict shows there alone."""
ROWS: Final = 2000
"""Looked for at a time."""
GONE: Final = 0.05
"""Pause after Postgres did not answer."""
CLAIMS_LAST_MS: Final = 2 * 86_400_000
"""Within this age a claim is kept for certain; of an older payment the row is looked for before it is published."""

log = logging.getLogger(__name__)


class Rows(Protocol):
    """What is asked of the verdict store: `Door`, or what stands for it in memory."""

    def make_ready(self) -> None:
        """Plan what is asked again and again; whoever came first would wait for it."""

    def claims(self, ids: NDArray[np.uint64]) -> Mapping[int, ClaimOf]:
        """Return, by their index among ids (uint64 [n, 2]), the claims of those that have one."""

    def stored(self, keys: Sequence[tuple[bytes, int]]) -> Mapping[tuple[bytes, int], VerdictRecord]:
        """Return the rows of those of the payments (transaction_id, event_time) that have one."""


class Looking(threading.Thread):
    """Looks every 4 ms while a row may be there that is waited for; writes answers and hands them to the event loop."""

    def __init__(
        self,
        waiters: Waiters,
        rows: Rows,
        records: Records,
        servers: Servers,
    ) -> None:
        super().__init__(name="looking", daemon=True)
        self._waiters = waiters
        self._rows = rows
        self._records = records
        self._servers = servers
        self._stopping = False
        self._looks = 0
        self._pace = Pace()

    def stop(self) -> None:
        """End the thread after the look that it is at."""
        self._stopping = True
        self._waiters.added.set()
        self.join()

    def run(self) -> None:
        """Look until told to stop."""
        added = self._waiters.added
        self._make_ready()
        while not self._stopping:
            waiting = self._waiters.snapshot()
            if not waiting:
                added.wait()
                added.clear()
                continue
            added.clear()
            began = time.perf_counter()
            pause = TICK
            try:
                self._look(waiting, began)
                pause = max(TICK, min(map(self._due, waiting)) - time.perf_counter())
            except RetryableError as error:
                self._servers.gone("postgres", str(error))
                pause = GONE
            except StreamError:
                log.exception("Rows cannot be looked for")
                self._servers.gone("postgres", "it refuses to be asked")
                pause = GONE
            except Exception:  # whoever waits gets an answer at the deadline; the next look may go well
                log.exception("A look for rows failed")
                pause = GONE
            self._hear()
            left = began + pause - time.perf_counter()
            if left > 0 and added.wait(left):  # somebody has just come
                time.sleep(max(0.0, began + LEAST - time.perf_counter()))

    def _hear(self) -> None:
        try:
            self._waiters.poll()
        except Exception:  # without this thread nobody would get a verdict
            log.exception("What the broker has confirmed was not heard")

    def _make_ready(self) -> None:
        try:
            self._rows.make_ready()
        except RetryableError as error:
            self._servers.gone("postgres", str(error))
        except Exception:  # the looks will say the same, one by one
            log.exception("Postgres cannot be asked for rows")

    def _due(self, waiter: Waiter) -> float:
        """Return when a row may be there: at once, or some time after the payment was published."""
        if waiter.published_at is None or waiter.is_claimed:
            return 0.0
        return waiter.published_at + self._pace.first

    def _look(self, waiting: list[Waiter], now: float) -> None:
        """Look for what may be there."""
        fresh = [waiter for waiter in waiting if not waiter.is_looked_for]
        if not fresh and all(self._due(waiter) > now for waiter in waiting):
            return
        self._looks += 1
        meters.LOOKS.inc()
        if fresh:
            long_ago = (time.time() * 1000) - CLAIMS_LAST_MS
            if old := [waiter for waiter in fresh if waiter.payment.event_time < long_ago]:
                answered = self._look_for_rows(old)
                fresh = [waiter for waiter in fresh if waiter not in answered]
                waiting = [waiter for waiter in waiting if waiter not in answered]
            self._look_for_claims(fresh)
            self._waiters.publish(waiter for waiter in fresh if not waiter.is_claimed)
            for waiter in fresh:
                waiter.is_looked_for = True
        if self._looks % CLAIMS_EVERY == 0:
            self._look_for_claims([one for one in waiting if one.is_published and not one.is_claimed])
        waiting = [waiter for waiter in waiting if self._due(waiter) <= now]
        for first in range(0, len(waiting), ROWS):
            self._look_for_rows(waiting[first : first + ROWS])

    def _look_for_claims(self, waiting: list[Waiter]) -> None:
        if not waiting:
            return
        ids = np.frombuffer(b"".join([waiter.payment.id128 for waiter in waiting]), dtype=np.uint64)
        conflicts = []
        claims = self._rows.claims(ids.reshape(-1, 2))
        self._servers.answered("postgres")  # before anybody hears what it said
        for index, claim in claims.items():
            waiter = waiting[index]
            waiter.is_claimed = True
            if claim.fingerprint != waiter.payment.fingerprint:
                conflicts.append((waiter, CONFLICT))
        if conflicts:
            self._waiters.answer_from_thread(conflicts)

    def _look_for_rows(self, waiting: list[Waiter]) -> set[Waiter]:
        """Answer those whose row is there, and return them."""
        keys = [(waiter.payment.transaction_id, waiter.payment.event_time) for waiter in waiting]
        rows = self._rows.stored(keys)
        self._servers.answered("postgres")
        # A row by a model whose artifact is not here yet waits until it is, and holds nobody else up.
        found = [
            (waiter, rows[key])
            for waiter, key in zip(waiting, keys, strict=True)
            if key in rows and self._records.is_ready(rows[key].model)
        ]
        if not found:
            return set()
        now = time.perf_counter()
        for waiter, row in found:
            self._waiters.compare(waiter, NAMES[row.verdict])
            if waiter.published_at is not None:
                self._pace.took(now - waiter.published_at)
        bodies = self._records.written([row for _, row in found])
        self._waiters.answer_from_thread(
            [(waiter, _answer(row, waiter, body)) for (waiter, row), body in zip(found, bodies, strict=True)]
        )
        return {waiter for waiter, _ in found}


def _answer(row: VerdictRecord, waiter: Waiter, body: bytes | None) -> Answer:
    if not _is_this_one(row, waiter):
        return CONFLICT
    return ARTIFACT_GONE if body is None else Answer(200, body)


def _is_this_one(row: VerdictRecord, waiter: Waiter) -> bool:
    payment = waiter.payment
    return (row.amount_paise, row.payer_vpa.encode(), row.payee_vpa.encode()) == (
        payment.amount_paise,
        payment.payer_vpa,
        payment.payee_vpa,
    )


def _conflict() -> Answer:
    problem = Problem(
        HTTPStatus.CONFLICT,
        "conflicting-duplicate",
        "transaction_id: expected the time, amount and parties that the id came with first, or another id",
        field="transaction_id",
    )
    return Answer(problem.status, problem.body)


def _artifact_gone() -> Answer:
    problem = Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "The verdict is stored, but its record cannot be written: the artifact that judged it is nowhere to be found.",
    )
    return Answer(problem.status, problem.body)


CONFLICT: Final = _conflict()
ARTIFACT_GONE: Final = _artifact_gone()
