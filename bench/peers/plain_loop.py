"""A plain confluent-kafka loop around the worker's own stages: what is left of the worker without Faust.

The worker's composition root puts the same parts together, with this loop in place of the Faust app: the consumer's
options, the flows of both topics, the lanes and the number of micro-batches in flight are the worker's. With `single`
there are no lanes and nothing overlaps: one thread does one stage after the other.

What a plain loop leaves out of the worker's transport: draining and committing before a partition is let go, seeking
back to what the online store holds, pausing while a server is gone, and telling health of all this.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from confluent_kafka import Consumer, TopicPartition

from stream import metrics
from stream.kafka.config import consumer_config
from stream.kafka.fetch import Fetch, Slice
from stream.running.lane import Way
from stream.running.lanes import Lanes
from upifraud import worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from confluent_kafka import Message

    from bench.peers.parts import Parts
    from stream.running.lane import Lane
    from stream.settings import Settings

POLL_SECONDS = 0.1
LINGER_SECONDS = 0.005


def run(parts: Parts, *, single: bool) -> None:
    """Run until SIGTERM."""

    def loop(settings: Settings, transactions: Any, outcomes: Any, *_hooks: object, **_health: object) -> Loop:
        flows = {settings.topic_transactions: transactions, settings.topic_outcomes: outcomes}
        return Loop(settings, flows, single=single)

    # By its names in the composition root, so that all that is not Faust stays the worker's, whatever it becomes.
    with patch.object(worker, "make_app", loop), patch.object(worker, "run_worker", Loop.run):
        if single:
            with patch.object(worker, "Lanes", InlineLanes):
                worker.run(parts.settings)
        else:
            worker.run(parts.settings)


class InlineLanes(Lanes):
    """The worker's lanes, all in the thread that asks."""

    async def follow(self, first: Lane, go: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Go the whole way at once."""
        return self.walk(Way(first), go, *args, **kwargs)


class Loop:
    """Consumes, processes, commits."""

    def __init__(
        self,
        settings: Settings,
        flows: dict[str, Callable[[Fetch], Awaitable[None]]],
        *,
        single: bool,
    ) -> None:
        self._flows, self._single = flows, single
        self._limit = settings.micro_batch_records
        self._in_flight = 1 if single else settings.micro_batches_in_flight
        self._commit_seconds = settings.commit_interval_seconds
        self._transactions = settings.topic_transactions
        # No word of the ends of partitions: it passes over no transactions.
        own = {"auto.offset.reset": "earliest", "enable.partition.eof": False}
        self._consumer = Consumer({**consumer_config(settings), **own})
        self._done: dict[tuple[str, int], int] = {}
        self._commit_at = 0.0
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM, then finish what is in flight and commit."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._consumer.subscribe(list(self._flows))
        print("ready", flush=True)
        asyncio.run(self._one_by_one() if self._single else self._overlapping())
        if self._done:
            self._commit(asynchronous=False)
        self._consumer.close()
        return 0

    def _stop(self, *_signal: object) -> None:
        self._stopping = True

    async def _one_by_one(self) -> None:
        while not self._stopping:
            for fetch in self._receive():
                await self._flows[fetch.topic](fetch)
                self._finished(fetch)

    async def _overlapping(self) -> None:
        at_work: deque[tuple[Fetch, asyncio.Task[None]]] = deque()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="poll") as poller:
            receiving = None
            while at_work or not self._stopping:
                if receiving is None and len(at_work) < self._in_flight and not self._stopping:
                    receiving = loop.run_in_executor(poller, self._receive)
                waiting: list[Any] = [task for _, task in at_work] + ([receiving] if receiving else [])
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                while at_work and at_work[0][1].done():
                    fetch, task = at_work.popleft()
                    task.result()
                    self._finished(fetch)
                if receiving is not None and receiving.done():
                    at_work.extend((fetch, asyncio.ensure_future(self._process(fetch))) for fetch in receiving.result())
                    receiving = None

    async def _process(self, fetch: Fetch) -> None:
        await self._flows[fetch.topic](fetch)

    def _receive(self) -> list[Fetch]:
        """Wait for a record, then a little for more, as the worker does; commit now and then."""
        if self._done and time.monotonic() >= self._commit_at:
            self._commit(asynchronous=True)
            self._commit_at = time.monotonic() + self._commit_seconds
        first = self._consumer.poll(POLL_SECONDS)
        if first is None:
            return []
        runs: dict[str, dict[int, list[Message]]] = {}
        for record in [first, *self._consumer.consume(self._limit - 1, LINGER_SECONDS)]:
            if record.error() is not None:
                raise RuntimeError(f"Kafka: {record.error().str()}")
            runs.setdefault(record.topic(), {}).setdefault(record.partition(), []).append(record)
        return [Fetch(topic, [Slice(*run) for run in by_partition.items()]) for topic, by_partition in runs.items()]

    def _finished(self, fetch: Fetch) -> None:
        for partition, records in fetch.slices:
            self._done[fetch.topic, partition] = records[-1].offset() + 1
        is_payments = fetch.topic == self._transactions
        (metrics.TRANSACTIONS_CONSUMED if is_payments else metrics.OUTCOMES_CONSUMED).inc(len(fetch))

    def _commit(self, *, asynchronous: bool) -> None:
        offsets = [TopicPartition(*place, offset) for place, offset in list(self._done.items())]
        self._consumer.commit(offsets=offsets, asynchronous=asynchronous)
        self._done.clear()
