"""Faust's consumer on the poll threads: hands fetches to the agents, keeps the watermarks, commits, drains.

Of Faust's own consumer only the life cycle and the commit timer are used. It suspends the flow of all partitions and
clears the agents' queues at every rebalance; here that happens at the first assignment and at the stop only, so that
partitions which stay go on undisturbed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from stream import metrics
from stream.errors import KafkaRefusedError, RetryableError
from stream.faust_app import lag
from stream.faust_app.handover import Handover
from stream.faust_app.tableless import TablelessConsumer
from stream.kafka import kafka_errors
from stream.kafka.config import consumer_config, is_cooperative
from stream.kafka.ledger import Ledger
from stream.kafka.poll_thread import PollOptions, PollThread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka import KafkaError
    from faust.types import TP, Message
    from mode import ServiceT

    from stream.faust_app.hooks import Hooks
    from stream.kafka.fetch import Fetch
    from stream.kafka.owner import Start
    from stream.running.health import Health
    from stream.settings import Settings

logger = logging.getLogger(__name__)

KAFKA = "kafka"
_FAREWELL_SECONDS = 10.0
_COMMIT_LOST_SECONDS = 60.0
_BACKOFF_SECONDS = (0.2, 5.0)


class FetchConsumer(TablelessConsumer):
    """Consumes all topics of the app in one consumer group.

    What the app must have: `settings`, `hooks` and `health`.
    """

    app: Any  # a stream.faust_app.app.StreamApp; importing it would close a circle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings: Settings = self.app.settings
        self._hooks: Hooks = self.app.hooks
        self._health: Health = self.app.health
        self._threads: list[PollThread] = []
        self._thread_of: dict[str, PollThread] = {}
        self._ledger = Ledger()
        self._handover = Handover(self._ledger)
        self._assigned: dict[str, frozenset[TP]] = {}
        self._assigning = asyncio.Lock()
        self._rebalancing: set[str] = set()
        self._finish = asyncio.Event()
        self._commits_sent_at: dict[str, float] = {}
        self._kafka_down: set[str] = set()

    # Faust starts, stops and asks -------------------------------------------------------------------------------------

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group; the poll threads run from here on, for Faust waits for a first assignment."""
        settings = self._settings
        options = PollOptions(
            cooperative=is_cooperative(settings),
            micro_batch_records=settings.micro_batch_records,
            micro_batch_bytes=settings.micro_batch_bytes,
            micro_batches_in_flight=settings.micro_batches_in_flight,
            apart=settings.pace_seconds,
            pause_after=settings.pause_after_seconds,
            answer_within=settings.drain_seconds + 30,
        )
        for members_topics in _members(sorted(topics), cooperative=options.cooperative):
            config = consumer_config(settings, gathers=members_topics == [settings.topic_transactions])
            thread = PollThread(config, options, members_topics, loop=self.loop, owner=self)
            self._threads.append(thread)
            self._thread_of.update(dict.fromkeys(members_topics, thread))
        self._rebalancing = {thread.name for thread in self._threads}
        for thread in self._threads:
            thread.start()

    def stop_flow(self) -> None:
        """Take no more records: Faust is stopping."""
        super().stop_flow()
        self._health.stopping()
        for thread in self._threads:
            thread.quiesce()

    async def wait_empty(self) -> None:
        """Wait, with a bound, for what the agents have begun; what they have not begun is forgotten."""
        self._ledger.forget(lambda ticket: not self._handover.begun(ticket))
        await self._drain(frozenset(self.assignment()))

    def forgot(self, fetch: Fetch) -> bool:
        """Return whether the worker stops without this fetch, which reached its agent too late."""
        return self._ledger.forgot(fetch)

    async def on_stop(self) -> None:
        """Commit what is done and leave the group."""
        self._health.stopping()
        last = self._committable_by_thread()
        deadline = self.loop.time() + _FAREWELL_SECONDS
        await asyncio.gather(*(thread.commit_last(last.get(thread, {}), _FAREWELL_SECONDS) for thread in self._threads))
        left = max(1.0, deadline - self.loop.time())
        await asyncio.gather(*(thread.leave(left) for thread in self._threads))

    def assignment(self) -> set[TP]:
        """Return the partitions that the worker has."""
        return set().union(*self._assigned.values())

    @property
    def abandons_work(self) -> bool:
        """Whether something that was begun is not done: it failed or is stuck, maybe in a thread that never ends."""
        return self._ledger.busy()

    @property
    def _failed(self) -> bool:
        return bool(self.crashed or self.app.crashed)

    # Fetches go to the agents and come back ---------------------------------------------------------------------------

    def deliver(self, fetches: list[Fetch]) -> None:
        """Take a micro-batch from a poll thread."""
        if not self.flow_active or self.should_stop:
            return
        self._handover.bring(fetches)
        metrics.MICRO_BATCHES_IN_FLIGHT.inc()
        if records := sum(map(len, fetches)):
            metrics.MICRO_BATCH_RECORDS.observe(records)

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Bring to the agents what has arrived.

        Faust's own loop makes four tasks for each message and one for each wait, to see in time that the flow is
        suspended. Nothing waits for long here: there is always room in an agent's queue.
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._handover.wait()
                if not self.flow_active:
                    await self.can_resume_flow.wait()
                for message in self._handover.messages(self.app.consumer_generation_id):
                    await self.callback(message)
                    if not self.flow_active:
                        break
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    def ack(self, message: Message) -> bool:
        """Note that all effects of a fetch are done."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        fetch, whole = self._handover.finish(message)
        fetch.passed.set()
        if whole:
            self._thread_of[fetch.topic].room.give_back()
            metrics.MICRO_BATCHES_IN_FLIGHT.dec()
        self._count(fetch)
        self._health.progress()
        self._finish.set()
        return True

    def _count(self, fetch: Fetch) -> None:
        if fetch.topic == self._settings.topic_transactions:
            metrics.TRANSACTIONS_CONSUMED.inc(len(fetch))
        elif fetch.topic == self._settings.topic_outcomes:
            metrics.OUTCOMES_CONSUMED.inc(len(fetch))

    async def _drain(self, tps: frozenset[TP]) -> None:
        """Wait, but not beyond the bound, until no work on these partitions is in flight."""
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                while self._ledger.busy(tps) and not self._failed:
                    self._finish.clear()
                    await self._finish.wait()
        except TimeoutError:
            logger.warning(
                "Work on %d partitions was not done within %.0f s (UPIFRAUD_DRAIN_SECONDS); its records come again.",
                len(tps),
                self._settings.drain_seconds,
            )

    # Commits ----------------------------------------------------------------------------------------------------------

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        """Send the watermarks to the broker if they moved; called by Faust's timer."""
        self._health.lag(self._measure_lag())
        now, sent = time.monotonic(), False
        if self.should_stop:
            return sent
        for thread, offsets in self._committable_by_thread().items():
            # An answer that never comes must not end all commits: the offsets are sent again after a while.
            if now - self._commits_sent_at.get(thread.name, -_COMMIT_LOST_SECONDS) >= _COMMIT_LOST_SECONDS:
                self._commits_sent_at[thread.name] = now
                thread.commit_soon(offsets)
                sent = True
        return sent

    def _committable_by_thread(self) -> dict[PollThread, dict[TP, int]]:
        offsets: dict[PollThread, dict[TP, int]] = {}
        for tp, offset in self._ledger.committable().items():
            offsets.setdefault(self._thread_of[tp.topic], {})[tp] = offset
        return offsets

    def commit_answered(self, member: str, accepted: Mapping[TP, int], refused: Mapping[TP, KafkaError]) -> None:
        """Note what was accepted. What was refused for now is sent again at the next tick, with what came since."""
        self._commits_sent_at.pop(member, None)
        self._ledger.committed(accepted)
        if accepted:
            metrics.COMMITS.inc()
        for tp, error in refused.items():
            metrics.COMMIT_FAILURES.labels(error.name()).inc()
            if not kafka_errors.passes(error):
                self.failed(KafkaRefusedError(f"Kafka refused to commit {tp.topic}[{tp.partition}]: {error.str()}."))
                return
        if refused:
            logger.info(
                "Commit of %d partitions refused for now: %s.", len(refused), next(iter(refused.values())).str()
            )

    def _end_offset(self, tp: TP) -> int | None:
        return self._thread_of[tp.topic].end_offset(tp) if tp.topic in self._thread_of else None

    def _held_back(self, tp: TP) -> int:
        return self._thread_of[tp.topic].held_back(tp) if tp.topic in self._thread_of else 0

    def highwater(self, tp: TP) -> int:
        """Return the end of a partition's log as far as it is known."""
        return self._end_offset(tp) or 0

    def _measure_lag(self) -> int:
        metrics.CONSUMER_PAUSED.set(any(thread.paused for thread in self._threads))
        return lag.measure(self._ledger, self._end_offset, self._held_back, now=time.time())

    # Partitions come and go -------------------------------------------------------------------------------------------

    async def assigned(self, member: str, partitions: frozenset[TP]) -> None:
        """Let Faust know the whole assignment; the first one starts its fetcher."""
        metrics.REBALANCES.inc()
        self._rebalance_began(member)
        async with self._assigning:
            first = not self.app.rebalancing_count
            self.app.on_rebalance_start()
            self._assigned[member] = partitions
            if first:
                await self.on_partitions_assigned(self.assignment())
                return
            # Faust's own way from here would suspend the flow, clear the agents' queues and seek every partition.
            self._set_active_tps(self.assignment())
            revoked, newly = self.app._update_assignment(self.assignment())  # noqa: SLF001 - no public way does only this
            await self.app.agents.on_rebalance(revoked, newly)
            await self.app.topics.on_partitions_assigned(self.assignment())
            await self.app.on_partitions_assigned.send(self.assignment())
            self.app.on_rebalance_end()

    def _rebalance_began(self, member: str) -> None:
        self._rebalancing.add(member)
        self._health.rebalance_began()

    async def start_offsets(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Ask the hook where to start, for as long as it cannot say."""
        self._own({tp: (offset, offset) for tp, offset in committed.items()})
        delay, longest = _BACKOFF_SECONDS
        with ExitStack() as waits:
            while True:
                try:
                    return await self._hooks.on_assigned(committed)
                except RetryableError as error:
                    if delay == _BACKOFF_SECONDS[0]:
                        waits.enter_context(self._health.waiting_for(error.server or "the start of new partitions"))
                        logger.warning("%d new partitions wait for their start: %s", len(committed), error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, longest)

    def begun(self, member: str, starts: Mapping[TP, Start]) -> None:
        """Begin to keep the watermarks of new partitions."""
        self._own({tp: (start.offset, start.committed) for tp, start in starts.items()})
        for tp, start in starts.items():
            if start.offset != start.committed:
                logger.warning("%s[%d] starts at %s, before its committed %s.", *tp, start.offset, start.committed)
        self._rebalancing.discard(member)
        if not self._rebalancing:
            self._health.rebalance_ended()

    def _own(self, starts: Mapping[TP, tuple[int | None, int | None]]) -> None:
        for tp, (start, committed) in starts.items():
            self._ledger.own(tp, start=start, committed=committed, now_ms=int(time.time() * 1000))
        lag.count_partitions(self._ledger, self._thread_of)

    async def drained(self, member: str, revoked: frozenset[TP]) -> Mapping[TP, int]:
        """Wait for work on partitions that are about to go; return what to commit of them."""
        self._rebalance_began(member)
        await self._drain(revoked)
        return self._ledger.committable(revoked)

    async def released(self, member: str, gone: frozenset[TP], committed: Mapping[TP, int]) -> None:
        """Let go of partitions; work on them that is still in flight will count for nothing."""
        self._rebalance_began(member)
        self._ledger.committed(committed)
        metrics.PARTITIONS_ABANDONED.inc(len(self._ledger.release(gone)))
        self._assigned[member] = self._assigned.get(member, frozenset()) - gone
        self._set_active_tps(self.assignment())
        lag.forget(gone)
        lag.count_partitions(self._ledger, self._thread_of)
        await self._hooks.on_revoked(gone)

    # Trouble ----------------------------------------------------------------------------------------------------------

    def kafka_answers(self, member: str, *, up: bool) -> None:
        """Declare Kafka down, or back."""
        if not up and member not in self._kafka_down:
            self._kafka_down.add(member)
            self._health.wait_began(KAFKA)
        elif up and member in self._kafka_down:
            self._kafka_down.discard(member)
            self._health.wait_ended(KAFKA)

    def reads_on(self) -> None:
        """Note progress where nothing is at work: many aborted records take time, and a restart reads them again."""
        if not self._ledger.busy():
            self._health.progress()

    def failed(self, error: Exception) -> None:
        """End the worker with this error."""
        self.add_future(self._fail(error))

    async def _fail(self, error: Exception) -> None:
        # mode logs a crash with the exception at hand. There is none here, and `run_worker` says what it was.
        self.logger.disabled = True
        await self.crash(error)

    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        self._finish.set()  # nothing in flight will finish any more, so a drain must not wait for it


def _members(topics: list[str], *, cooperative: bool) -> list[list[str]]:
    """Return which topics share a member of the group.

    The sticky assignor only counts partitions: of two workers with both topics it gives one all partitions of one topic
    and none of the other. So each topic has a member of its own, and neither waits for the other's micro-batches. The
    eager assignors deal out every topic evenly, and the embedded broker takes a minute to recover when two members of
    a group leave at once.
    """
    return [[topic] for topic in topics] if cooperative else [topics]
