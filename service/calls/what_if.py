"""What the stream would say of payments now, computed in one thread beside the event loop, and forgotten."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import numpy as np

from features.columns import PaymentColumns
from features.errors import FeatureError, ReplicaBudgetError, StoreUnavailableError
from model.verdict import Verdict
from service.door.problems import server_gone
from stream.stages.alerting import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from features.entities import Kind
    from features.what_if.answers import EntityWindows
    from features.what_if.what_if import WhatIf
    from model.artifact import Artifact
    from service.servers import Servers
    from service.waiting.asked import Asked
    from service.waiting.records import Records
    from stream.wire import Alert

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


AT_ONCE = 0.05
"""Seconds within which a failure is none of a server that is gone for long."""
TOGETHER = 32
"""Payments that are measured in one call: with more, whoever comes next would wait too long."""


class Scored(NamedTuple):
    """What a payment would get."""

    record: Alert
    vector: NDArray[np.float32]
    contributions: NDArray[np.float64]
    perhaps_folded: bool
    """Whether the payment may be in the logs already, folded away: then it was counted again."""


class NotScored(NamedTuple):
    """Why nothing is known of what a payment would get: a word, and for people a sentence."""

    cause: str
    detail: str


class WhatIfs:
    """Scores payments with the artifact of this process. A call that comes while one is at work waits for it."""

    def __init__(
        self,
        what_if: WhatIf,
        artifact: Artifact,
        records: Records,
        servers: Servers,
        *,
        hold_for: int,
        expect: Callable[[], None],
    ) -> None:
        self._hold_for = hold_for
        self._expect = expect
        self._is_checked = False
        self._what_if = what_if
        self._artifact = artifact
        self._records = records
        self._servers = servers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="what-if")
        self._queue: list[tuple[Asked, float, asyncio.Future[Scored | NotScored]]] = []
        self._at_work: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Refuse logs of another identity key; where they cannot be asked now, that is done before the first look."""
        try:
            self._check()
        except StoreUnavailableError as error:
            self._servers.gone("redis", str(error))

    def _check(self) -> None:
        if not self._is_checked:
            _again(self._expect)
            self._is_checked = True

    @property
    def artifact(self) -> Artifact:
        """The artifact that judges."""
        return self._artifact

    async def score(self, asked: Sequence[Asked], until: float) -> list[Scored | NotScored]:
        """Score payments, each as if it came alone; what is not done at `until` (`loop.time()`) is not done at all."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Scored | NotScored]] = [loop.create_future() for _ in asked]
        self._queue += [(one, until, future) for one, future in zip(asked, futures, strict=True)]
        if self._at_work is None or self._at_work.done():
            self._at_work = loop.create_task(self._work())
        await asyncio.wait(futures, timeout=max(0.0, until - loop.time()))
        late = NotScored("deadline", "The deadline came before it was computed.")
        scored = [future.result() if future.done() else late for future in futures]
        for future in futures:
            future.cancel()
        return scored

    async def windows(self, kind: Kind, identity: int, now_ms: int) -> EntityWindows:
        """Return an entity's windows as of an epoch millisecond; raises Problem where the logs cannot be read."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._windows, kind, identity, now_ms)
        except FeatureError as error:
            if isinstance(error, StoreUnavailableError):
                self._servers.gone("redis", str(error))
            raise server_gone(
                "redis", "Expected to read the logs, but they cannot be read; try again later."
            ) from error

    def _windows(self, kind: Kind, identity: int, now_ms: int) -> EntityWindows:
        self._check()
        return _again(self._what_if.windows, kind, identity, now_ms)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            some, self._queue = self._queue[:TOGETHER], self._queue[TOGETHER:]
            some = [(one, until, future) for one, until, future in some if not future.done() and until > loop.time()]
            if not some:
                continue
            said = await loop.run_in_executor(self._thread, self._scored, [one for one, _, _ in some])
            for (_, _, future), one in zip(some, said, strict=True):
                if not future.done():
                    future.set_result(one)

    def _scored(self, asked: list[Asked]) -> Sequence[Scored | NotScored]:
        rows = [one.decoded.payments.rows[one.row : one.row + 1] for one in asked]
        columns = PaymentColumns(np.concatenate(rows) if len(rows) > 1 else rows[0])
        try:
            self._check()
            measured = _again(self._what_if.measure, columns)
        except StoreUnavailableError as error:
            self._servers.gone("redis", str(error))
            return [NotScored("redis", "Redis does not answer.")] * len(asked)
        except ReplicaBudgetError:
            if len(asked) > 1:  # of one of them, it may be
                return [said for one in asked for said in self._scored([one])]
            return [NotScored("too-large", "The logs of its parties do not fit into UPIFRAUD_API_REPLICA_BYTES.")]
        except FeatureError:
            log.exception("What-ifs cannot be measured")
            return [NotScored("redis", "The logs cannot be read; the API's own log says why.")] * len(asked)
        except Exception:  # whoever waits for it has a deadline
            log.exception("A what-if failed")
            return [NotScored("internal-error", "It could not be computed; the API's own log says why.")] * len(asked)
        self._servers.answered("redis")
        scored = self._artifact.scorer.score(measured.vectors)
        verdicts = self._artifact.thresholds.verdicts(scored.probability).tolist()
        now_ms = int(time.time() * 1000)
        alerting = self._records.alerting(self._artifact)
        said = []
        for index, one in enumerate(asked):
            vector, contributions = measured.vectors[index], scored.contributions[index]
            row_of_it = Row(
                transaction_id=one.transaction_id.decode(),
                event_time=one.event_time,
                decided_at=now_ms,
                payer_vpa=one.payer_vpa.decode(),
                payee_vpa=one.payee_vpa.decode(),
                amount_paise=one.amount_paise,
                verdict=verdicts[index],
                score=float(scored.probability[index]),
                margin=float(scored.margin[index]),
                feature_state=int(measured.state[index]),
                vector=vector,
                hold_until=now_ms + self._hold_for if self._hold_for and verdicts[index] == Verdict.HOLD else None,
            )
            said.append(
                Scored(
                    alerting.record(row_of_it, contributions),
                    vector,
                    contributions,
                    perhaps_folded=bool(measured.perhaps_folded[index]),
                )
            )
        return said


def _again(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call returns; made again where it failed at once, as after a connection was lost unnoticed."""
    began = time.monotonic()
    try:
        return call(*args, **kwargs)
    except StoreUnavailableError:
        if time.monotonic() - began > AT_ONCE:
            raise
        return call(*args, **kwargs)
