"""The thread that polls Kafka as one member of the group: it hands over what came, and answers rebalances.

librdkafka fetches and heartbeats in C threads of its own, so membership survives a busy interpreter; all that is asked
of this thread is to come back to `poll` before max.poll.interval.ms. A rebalance callback runs inside `poll` and waits
there for the event loop to drain.

Newly assigned partitions are not fetched at once: they wait until their committed offsets are known and the hook has
said where to start. So no record of theirs can be delivered too early, and no seek can race with a fetch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import KafkaException

from stream.errors import FatalError, KafkaRefusedError
from stream.kafka.client import Bounds, KafkaClient
from stream.kafka.owner import Start
from stream.kafka.pace import Pace, Room

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence

    from confluent_kafka import KafkaError
    from faust.types import TP

    from stream.kafka.owner import Owner

logger = logging.getLogger(__name__)

T = TypeVar("T")

_POLL_SECONDS = 0.1
_ANSWER_POLL_SECONDS = 0.01
_ASK_AGAIN_SECONDS = 1.0
_NOTE_ENDS_SECONDS = 0.1
_ASK_ENDS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PollOptions:
    """How the thread polls; durations in seconds."""

    cooperative: bool
    micro_batch_records: int
    micro_batch_bytes: int
    micro_batches_in_flight: int
    apart: float
    """Least time between the starts of small micro-batches."""
    pause_after: float
    answer_within: float
    """Longest wait for the event loop in a rebalance: above the drain bound, below the rebalance timeout."""


class PollThread(threading.Thread):
    """Polls from `start` until `close`, or until something fatal happens, which the owner is told."""

    def __init__(
        self,
        config: Mapping[str, Any],
        options: PollOptions,
        topics: Sequence[str],
        *,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
    ) -> None:
        super().__init__(name=f"poll-{'-'.join(topics)}", daemon=True)
        self._options = options
        self._loop = loop
        self._owner = owner
        bounds = Bounds(options.micro_batch_records, options.micro_batch_bytes)
        self._client = KafkaClient(config, topics, cooperative=options.cooperative, listener=self, bounds=bounds)
        self.room = Room(options.micro_batches_in_flight)
        self._pace = Pace(options.apart)
        self._ahead: list[threading.Event] = []
        self._waiting: set[TP] = set()
        self._committed: dict[TP, int | None] = {}
        self._question: concurrent.futures.Future[Mapping[TP, int]] | None = None
        self._ask_at = 0.0
        self._offsets: Mapping[TP, int] | None = None
        self._ends: dict[TP, int] = {}
        self._note_at = self._ask_ends_at = 0.0
        self._quiet = threading.Event()
        self._closing = threading.Event()
        self._last_offsets: Mapping[TP, int] = {}
        self._may_leave = threading.Event()
        self._committed_last: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self.paused = False
        """Whether partitions are paused because nothing was finished for a while."""

    # For the event loop -----------------------------------------------------------------------------------------------

    # No call to the client among them: its calls exclude each other, and while this thread polls without a pause
    # another one can wait for its turn for seconds.

    def commit_soon(self, offsets: Mapping[TP, int]) -> None:
        """Commit at the next turn; the owner hears the answer."""
        self._offsets = offsets

    def end_offset(self, tp: TP) -> int | None:
        """Return the end of what can be read of a partition, just now; None where it is not known.

        For up to a second behind the first record of a transaction it is the log's end.
        """
        return self._ends.get(tp)

    def held_back(self, tp: TP) -> int:
        """Return how many offsets stood behind an open transaction about a second ago."""
        return self._client.held_back.get(tp, 0)

    def quiesce(self) -> None:
        """Take no more records; rebalances are still answered."""
        self._quiet.set()

    async def commit_last(self, offsets: Mapping[TP, int], within: float) -> None:
        """Take no more records and commit these offsets, or stop waiting for that."""
        self._last_offsets = offsets
        self._quiet.set()
        self._closing.set()
        await _answered(self._committed_last, within)

    async def leave(self, within: float) -> None:
        """Leave the group and end the thread, or stop waiting for that.

        The group rebalances then, and refuses the commits of those that stay for a moment: the worker's other members
        commit first.
        """
        self._may_leave.set()
        await _answered(self._closed, within)

    # The thread -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Poll until closed."""
        try:
            self._client.subscribe()
            while not self._closing.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001 - whatever it is: without records the worker must not seem to be well
            self._tell(self._owner.failed, _worded(error))
            self._closing.wait()
        finally:
            self._leave()
            self._tell(_resolve, self._closed)

    def _turn(self) -> None:
        self._errands()
        self._settle()
        if not self._may_form():
            self._keep_membership()
            return
        self._resume()
        fetches = self._client.receive(_POLL_SECONDS if self._question is None else _ANSWER_POLL_SECONDS)
        if fetches:
            self._pace.formed(time.monotonic(), sum(map(len, fetches)), more=self._client.has_more)
            self._ahead = [fetch.passed for fetch in fetches]
            self.room.take()
            self._tell(self._owner.deliver, fetches)

    def _may_form(self) -> bool:
        """Wait until the next micro-batch may be formed; return False where it was in vain for a while.

        After a small one that is a little later, and at its end. After a large one, or one that takes long, it is once
        that has passed and there is room; if that was in vain the last time, it is only looked at.
        """
        time.sleep(self._pace.rest(time.monotonic()))
        if self.room.wait(0, self._pace.alone(time.monotonic())):
            return not self._quiet.is_set()
        deadline = time.monotonic() + (0 if self.paused else self._options.pause_after)
        while not self._quiet.is_set():
            self._errands()
            left = deadline - time.monotonic()
            step = min(max(left, 0), _POLL_SECONDS)
            if all(passed.wait(step) for passed in self._ahead) and self.room.wait(self.room.most - 1, step):
                return True
            if left <= 0:
                break
        return False

    def _keep_membership(self) -> None:
        """Poll with everything paused, so that the group sees the worker and rebalances are answered."""
        if not self.paused:
            self._client.pause(self._client.positions)
            self.paused = True
        self._client.poll(_POLL_SECONDS)
        self._ask_ends(self._client.positions.keys() | self._waiting)

    def _resume(self) -> None:
        if self.paused:
            self._client.resume(self._client.positions)
            self.paused = False

    def _errands(self) -> None:
        """Do what the event loop has asked for, and keep the ends of logs at hand."""
        offsets, self._offsets = self._offsets, None
        if offsets:
            self._client.commit_soon(offsets)
        if not self.paused and time.monotonic() >= self._note_at:  # while paused nothing is fetched: see _ask_ends
            self._note_at = time.monotonic() + _NOTE_ENDS_SECONDS
            for tp in self._client.positions:
                if (end := self._client.known_end(tp)) is not None:
                    self._ends[tp] = end  # be it lower than before: a transaction has begun

    def _ask_ends(self, tps: Collection[TP]) -> None:
        """Ask for the ends of partitions that are not fetched: their lag would grow unseen."""
        if self._quiet.is_set() or time.monotonic() < self._ask_ends_at:
            return
        self._ask_ends_at = time.monotonic() + _ASK_ENDS_SECONDS
        for tp in tps:
            if (end := self._client.asked_end(tp)) is None:
                return
            self._ends[tp] = end

    def _leave(self) -> None:
        try:
            self._client.commit_now(self._last_offsets)
        except FatalError:
            logger.exception("The last commit failed; its records come again.")
        self._tell(_resolve, self._committed_last)
        self._may_leave.wait()
        self._client.close()

    # Partitions come --------------------------------------------------------------------------------------------------

    def on_assign(self, partitions: frozenset[TP]) -> None:
        """Let new partitions wait for their start, and the event loop know of them."""
        if self._closing.is_set():
            return
        self._withdraw_question()
        self._waiting |= partitions
        self._ask(self._owner.assigned(self.name, frozenset(self._client.positions.keys() | self._waiting)))
        if not self._waiting:
            self._tell(self._owner.begun, self.name, {})

    def _settle(self) -> None:
        """Bring partitions that wait for their start one step further."""
        if not self._waiting:
            return
        if self._question is None:
            self._ask_start()
        elif self._question.done():
            answer, self._question = self._question.result(), None
            self._start(answer)
        else:
            self._ask_ends(self._waiting)

    def _ask_start(self) -> None:
        if time.monotonic() < self._ask_at:
            return
        committed = self._client.committed(self._waiting)
        if committed is None:
            self._ask_at = time.monotonic() + _ASK_AGAIN_SECONDS
            return
        self._committed = committed
        self._question = asyncio.run_coroutine_threadsafe(self._owner.start_offsets(committed), self._loop)

    def _withdraw_question(self) -> None:
        """Withdraw the question where to start; it is asked again for whatever still waits."""
        if self._question is not None:
            self._question.cancel()
            self._question = None

    def _start(self, moved: Mapping[TP, int]) -> None:
        starts = {}
        for tp, committed in self._committed.items():
            offset = None if committed is None else min(committed, moved.get(tp, committed))
            starts[tp] = Start(offset, committed)
        self._waiting -= starts.keys()
        # First the ledger, then the fetching: the first records must find their partitions.
        self._tell(self._owner.begun, self.name, starts)
        self._client.fetch_from({tp: start.offset for tp, start in starts.items()})
        if self.paused:
            self._client.pause(starts)
        else:
            # librdkafka keeps a pause across losing a partition and getting it back; nothing would be fetched again.
            self._client.resume(starts)

    # Partitions go ----------------------------------------------------------------------------------------------------

    def on_revoke(self, partitions: frozenset[TP]) -> None:
        """Drain with a bound, commit, then let go."""
        self._withdraw_question()
        if not self._closing.is_set():
            offsets = self._ask(self._owner.drained(self.name, partitions))
            self._ask(self._owner.released(self.name, partitions, self._client.commit_now(offsets)))
        self._forget(partitions)
        if not self._waiting:
            # The classic protocol assigns right after it, KIP-848 only if there is something to assign.
            self._tell(self._owner.begun, self.name, {})

    def on_lost(self, partitions: frozenset[TP]) -> None:
        """Let go at once: a commit would be refused, and others work on these records already."""
        logger.warning("The group took %d partitions away: it had not heard of this worker in time.", len(partitions))
        self._withdraw_question()
        if not self._closing.is_set():
            self._ask(self._owner.released(self.name, partitions, {}))
        self._forget(partitions)

    def _forget(self, partitions: frozenset[TP]) -> None:
        self._waiting -= partitions
        for tp in partitions:
            self._ends.pop(tp, None)

    # What else the client has to say ----------------------------------------------------------------------------------

    def on_commit(self, accepted: Mapping[TP, int], refused: Mapping[TP, KafkaError]) -> None:
        """Pass the answer on."""
        self._tell(self._owner.commit_answered, self.name, accepted, refused)

    def on_kafka(self, *, up: bool) -> None:
        """Pass it on."""
        self._tell(partial(self._owner.kafka_answers, self.name, up=up))

    def on_reading(self) -> None:
        """Pass it on."""
        self._tell(self._owner.reads_on)

    def _tell(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            logger.debug("%s was not told: the event loop is closed.", function)

    def _ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(self._options.answer_within)


def _worded(error: Exception) -> Exception:
    return KafkaRefusedError(f"Kafka: {error}.") if isinstance(error, KafkaException) else error


async def _answered(future: asyncio.Future[None], within: float) -> None:
    try:
        await asyncio.wait_for(asyncio.shield(future), within)
    except TimeoutError:
        logger.warning("Kafka did not answer the worker's farewell within %.0f s; going without.", within)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
