"""CPU of one micro-batch, and of one payment more in it: `python -m bench.rounds`, in less than a minute.

The worker's own objects, put together by its own composition root, with a real Redis and a real Postgres; no Faust and
no Kafka: fetches are made here, and what is published is taken by nobody. Micro-batches of several sizes come one at a
time, so many a second, or one at once after the other (`--hot`). The line through what they cost has what a micro-batch
costs however small it is, and what a payment costs besides. Compare two versions by turns, and steps that did not
change beside those that did: the same code differs by a quarter between runs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from confluent_kafka import Message

from bench import decode, machine
from bench.peers.plain_loop import InlineLanes
from local import valkey
from local.ports import free_port
from local.postgres import PostgresServer
from local.valkey import ValkeyServer
from stream import metrics
from stream.kafka.fetch import Fetch, Slice
from stream.settings import Settings
from stream.verdict_store import migrate
from upifraud import worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SIZES = {1: 25, 8: 25, 34: 25, 128: 12, 512: 6}
"""Records of a micro-batch, and how many of that size are measured in a row."""
TURNS, QUICK_TURNS = 12, 4
"""How often every size has its turn. The cheapest turn counts: others on the same cores only ever add to it."""
WARM, QUICK_WARM = 30, 10
"""Micro-batches of each size before anything is measured."""
PARTITIONS = 4
PAYEES = 3_000


class Nobody:
    """Takes what is published, and confirms it at once."""

    def __init__(self, *_config: object, **_more: object) -> None:
        pass

    def produce(self, *_record: object, **_more: object) -> None:
        """Take a record."""

    def confirm(self, _seconds: float) -> None:
        """Confirm all of them."""

    def close(self) -> None:
        """Nothing to close."""


class NoTopics:
    """Knows of no topics, as there is no Kafka."""

    def __init__(self, _config: object) -> None:
        pass

    def ids(self, _topics: object) -> dict[str, str | None]:
        """Return none."""
        return {}


class Rounds:
    """Stands where the worker has its Faust app: makes micro-batches, one at a time, and notes what each size costs."""

    def __init__(self, every: float, turns: int = TURNS, warm: int = WARM) -> None:
        self._every, self._turns, self._warm = every, turns, warm
        self._offsets: defaultdict[int, int] = defaultdict(int)
        self.cost: dict[int, list[float]] = {size: [] for size in SIZES}
        """Microseconds of the whole process for a micro-batch, turn by turn."""
        self.stages: dict[int, dict[str, list[float]]] = {size: defaultdict(list) for size in SIZES}

    def make_app(self, _settings: Settings, transactions: Any, *_others: object, **_more: object) -> Any:
        """Return what takes a fetch of payments through all steps."""
        return transactions

    def run_worker(self, process: Callable[[Fetch], Awaitable[None]]) -> int:
        """Measure."""
        asyncio.run(self._measure(process))
        return 0

    async def _measure(self, process: Callable[[Fetch], Awaitable[None]]) -> None:
        warm = [(size, self._warm) for size in SIZES]
        turns = [*warm, *(turn for _ in range(self._turns) for turn in SIZES.items())]
        total = sum(size * count for size, count in turns)
        values = iter(decode.payments(total, 1, times="epoch", now_ms=int(time.time() * 1000), payees=PAYEES))
        for number, (size, count) in enumerate(turns):
            fetches = [self.fetch(itertools.islice(values, size)) for _ in range(count)]
            before, began = stage_cpu(), time.process_time()
            due = time.monotonic()
            for fetch in fetches:
                due = max(due + self._every, time.monotonic() - self._every)
                time.sleep(max(0.0, due - time.monotonic()))  # noqa: ASYNC251 - there is nothing else to do
                await process(fetch)
            cost = (time.process_time() - began) / count * 1e6
            if number >= len(warm):
                self.cost[size].append(cost)
                for stage, seconds in stage_cpu().items():
                    self.stages[size][stage].append((seconds - before.get(stage, 0.0)) / count * 1e6)

    def fetch(self, values: Iterator[bytes]) -> Fetch:
        """Return a fetch of these values, as if they had come over all partitions just now."""
        now = (1, int(time.time() * 1000))
        runs: defaultdict[int, list[Message]] = defaultdict(list)
        for number, value in enumerate(values):
            partition = number % PARTITIONS
            offset = self._offsets[partition]
            self._offsets[partition] += 1
            record = Message(topic="transactions", partition=partition, offset=offset, value=value, timestamp=now)
            runs[partition].append(record)
        return Fetch("transactions", [Slice(*run) for run in sorted(runs.items())])


def stage_cpu() -> dict[str, float]:
    """Return the seconds that each stage has used."""
    return {
        sample.labels["stage"]: sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == "stage_cpu_seconds_total"
    }


def line(costs: dict[int, list[float]]) -> tuple[float, float]:
    """Return what a micro-batch costs and what a payment costs besides, by the least relative error."""
    sizes, cost = np.array(list(costs), dtype=float), np.array([min(found) for found in costs.values()])
    marginal, fixed = np.polyfit(sizes, cost, 1, w=1 / np.maximum(cost, 1.0))
    return float(fixed), float(marginal)


def report(rounds: Rounds) -> Iterator[str]:
    """Yield what was found, line by line: microseconds of CPU."""
    yield f"{'':10s} {'fixed':>8s} {'a payment':>10s}  " + "".join(f"{f'n={size}':>9s}" for size in SIZES)
    stages = list(dict.fromkeys(stage for found in rounds.stages.values() for stage in found))
    rows = {stage: {size: rounds.stages[size][stage] for size in SIZES} for stage in stages}
    rows["all"] = rounds.cost
    for name, costs in rows.items():
        fixed, marginal = line(costs)
        yield f"{name:10s} {fixed:8.0f} {marginal:10.2f}  " + "".join(f"{min(costs[size]):9.0f}" for size in SIZES)


def main() -> None:
    """Start the servers, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=120.0, help="micro-batches a second (default 120)")
    parser.add_argument("--hot", action="store_true", help="one at once after the other")
    parser.add_argument("--inline", action="store_true", help="all steps in one thread, without lanes")
    parser.add_argument("--include-allow", action="store_true", help="an alert of every verdict, not confirmed here")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TURNS} turns instead of {TURNS}")
    given = parser.parse_args()
    turns, warm = (QUICK_TURNS, QUICK_WARM) if given.quick else (TURNS, WARM)
    rounds = Rounds(0.0 if given.hot else 1 / given.rate, turns, warm)
    with ExitStack() as parts:
        directory = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="rounds-")))
        redis, postgres = ValkeyServer(directory / "redis"), PostgresServer(directory / "postgres")
        for server in (redis, postgres):
            server.start()
            parts.callback(server.kill)
        migrate(postgres.url)
        replaced: dict[str, Any] = {
            "make_app": rounds.make_app,
            "run_worker": rounds.run_worker,
            "Publisher": Nobody,
            "SourceTopics": NoTopics,
        }
        if given.inline:
            replaced["Lanes"] = InlineLanes
        for name, stand_in in replaced.items():
            parts.enter_context(patch.object(worker, name, stand_in))
        settings = Settings(
            redis_url=redis.url,
            postgres_url=postgres.url,
            metrics_host="127.0.0.1",
            metrics_port=free_port(),
            alerts_include_allow=given.include_allow,
        )
        memory = valkey.memory_of(redis.url)
        worker.run(settings)
    print(f"machine-speed index {machine.index():.2f} s, Redis takes its memory from {memory}")
    print("microseconds of CPU a micro-batch")
    for text in report(rounds):
        print(text)


if __name__ == "__main__":
    main()
