"""Compiles every kernel that a worker calls, by being one on stores in memory: run once while the image is built.

What is called here is what `upifraud.worker` puts together, so a kernel that is new there is compiled here too.
"""  # noqa: INP001 - a script

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from features.identity import Identities
from features.online import OnlineFeatures
from features.schema import SCHEMA_HASH
from features.store.memory_store import MemoryEntityStore
from model.artifact import DEFAULT_DIR, load
from simulator.dirt import Dirt
from simulator.parameters import Parameters
from simulator.records import TRANSACTIONS
from simulator.run import Extent, Extras, compressed
from stream.app import make_health
from stream.feature_stage import FeatureStage
from stream.judge import Judge
from stream.lanes import Lanes
from stream.outbox import Outbox
from stream.outcomes import OutcomeFlow
from stream.retry import Patience
from stream.settings import Settings
from stream.transactions import TransactionFlow
from stream.transport.fetch import Fetch, Slice
from stream.verdict_store.binary import text_array
from stream.verdict_store.memory import MemoryVerdictStore
from upifraud.worker import described

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYMENTS: Final = 12_000
# Few payers and a busy shop, so that logs grow long enough for the kernels of long and of folded ones.
PARAMETERS: Final = Parameters(seed=1, payers=400, payments_per_day=5, fraud_rate=0.02, hot_payee=0.2)
DIRT: Final = Dirt(duplicates=0.01, late=0.01, untidy=0.02, malformed=50, conflicts=10)


@dataclass(frozen=True, slots=True)
class Record:
    """What a record of Kafka says of itself, as far as the stages ask."""

    place: tuple[str, int, int]
    content: tuple[bytes | None, bytes | None]

    def topic(self) -> str:
        """Return the topic."""
        return self.place[0]

    def partition(self) -> int:
        """Return the partition."""
        return self.place[1]

    def offset(self) -> int:
        """Return the offset."""
        return self.place[2]

    def key(self) -> bytes | None:
        """Return the key's bytes."""
        return self.content[0]

    def value(self) -> bytes | None:
        """Return the value's bytes."""
        return self.content[1]

    def headers(self) -> None:
        """Return none."""

    def timestamp(self) -> tuple[int, int]:
        """Return that it was made now."""
        return 1, int(time.time() * 1000)


class Nobody:
    """Takes what is published and confirms it."""

    def produce(self, *_letter: object) -> None:
        """Take a record."""

    def confirm(self, _seconds: float) -> None:
        """Confirm all of them."""


def fetches() -> Iterator[Fetch]:
    """Yield the records of a simulated switch, as micro-batches of the two topics in the order in which they come."""
    run = compressed(PARAMETERS, Extent(PAYMENTS), None, int(time.time() * 1000), Extras(DIRT))
    offsets: defaultdict[str, int] = defaultdict(int)
    for records in run.records:
        batch: defaultdict[str, list[Any]] = defaultdict(list)
        for topic, key, value in zip(records.topic.tolist(), records.keys, records.values, strict=True):
            name = "transactions" if topic == TRANSACTIONS else "outcomes"
            batch[name].append(Record((name, 0, offsets[name]), (key, value)))
            offsets[name] += 1
        for name, run_of in batch.items():
            for start in range(0, len(run_of), 2048):
                yield Fetch(name, [Slice(0, run_of[start : start + 2048])])


async def work() -> dict[str, int]:
    """Give all records their effects, in memory; return how many there were of each topic."""
    settings = Settings()
    artifact = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH)
    patience = Patience(make_health(settings), threading.Event())
    lanes, verdicts, entities = Lanes(), MemoryVerdictStore(), MemoryEntityStore()
    outbox = Outbox(Nobody(), alerts=settings.topic_alerts, patience=patience)  # type: ignore[arg-type]
    parts: dict[str, Any] = {
        "lanes": lanes,
        "features": FeatureStage(entities, OnlineFeatures(entities, settings.replica_cache_bytes), patience),
        "store": verdicts,
        "outbox": outbox,
        "patience": patience,
    }
    judge = Judge(artifact, model_key=verdicts.model_key(described(artifact)), include_allow=False)
    flows: dict[str, Any] = {
        "transactions": TransactionFlow(identities=Identities(settings.identity_key), judge=judge, **parts),
        "outcomes": OutcomeFlow(**parts),
    }
    done: defaultdict[str, int] = defaultdict(int)
    try:
        for fetch in fetches():
            await flows[fetch.topic].process(fetch)
            done[fetch.topic] += len(fetch)
    finally:
        lanes.close()
    return done


if __name__ == "__main__":
    began = time.monotonic()
    # Most of the time goes into the features' kernels: a second core begins with them. What one has is not made twice.
    beside = subprocess.Popen(
        [sys.executable, "-c", "from upifraud.demo.kernels import compile_features; compile_features()"]
    )
    text_array((b"as Postgres gets it, which is not there", None))
    print(f"{dict(asyncio.run(work()))} in {time.monotonic() - began:.1f} s")
    sys.exit(beside.wait())
