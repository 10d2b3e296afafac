"""Every stage of the job alone, in micro-batches of one size, so that their sum can be held against the whole.

Each is measured with the inputs of its own script (bench/decode.py, online_features.py, score.py, verdicts.py,
transport.py), on servers started for it. CPU microseconds a payment; what a stage waits for costs nothing here.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Self

import numpy as np
import redis
from threadpoolctl import threadpool_limits

from bench import decode, machine, online_features, score, transport, verdicts
from bench.ablations.state import Logs
from bench.ablations.transport import FETCH
from features.identity import Identities
from features.schema import FEATURE_NAMES
from local import kafka_admin
from local.kafka_jvm import JvmKafkaServer
from model.artifact import DEFAULT_DIR, load
from model.reasons import Explainer
from stream.decode import decode_payments
from stream.kafka.publisher import Publisher
from stream.verdict_store import Model, VerdictStore, migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from features.columns import PaymentColumns

BATCH = 512
WARM = 2
"""Micro-batches before that are not measured."""
ALERT_SHARE = 0.01
ALERT_BYTES = 1_500


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage costs a payment."""

    name: str
    us: dict[str, float]
    """CPU microseconds a payment, by process."""
    note: str = ""

    def line(self) -> str:
        """Return a line for a reader."""
        return f"  {self.name:28} " + ", ".join(f"{name} {us:.2f}" for name, us in self.us.items()) + f"  {self.note}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int = 7
    payments: int = 8 * BATCH
    history: int = 100_000
    records: int = 400_000
    ids: int = 200_000


def measure(sizes: Sizes, say: Callable[[str], None]) -> list[Stage]:
    """Measure all stages, and say each."""
    found = []
    for stages in (decoding, features, scoring, postgres, kafka):
        for stage in stages(sizes):
            say(stage.line())
            found.append(stage)
    return found


def decoding(sizes: Sizes) -> Iterator[Stage]:
    """From record values to columns, hashes and fingerprints."""
    values, identities = decode.payments(sizes.payments, 1, times="epoch"), Identities(bytes(range(16)))

    def run() -> None:
        for start in range(0, len(values), BATCH):
            decode_payments(values[start : start + BATCH], decode.NOW_MS, identities)

    yield Stage("decode", {"worker": decode.microseconds(run, len(values), sizes.rounds)})


def features(sizes: Sizes) -> Iterator[Stage]:
    """Append to the entity logs, read them back, and compute the vectors."""
    columns = online_features.payments(sizes.history, (WARM + sizes.rounds) * BATCH, 2_000, 1)
    with online_features.counted_kernel() as kernel, Store(columns, sizes.history) as ours:
        costs = [ours.measure(BATCH, kernel) for _ in range(WARM + sizes.rounds)][WARM:]
    client, inside, server, _ = (median(column) for column in zip(*costs, strict=True))
    yield Stage("Redis apply and read", {"worker": client - inside, "redis": server})
    yield Stage("window kernel", {"worker": inside}, f"{len(FEATURE_NAMES)} features")


class Store(ExitStack):
    """Entity logs on a server of their own with a history in them, measured batch by batch."""

    def __init__(self, columns: PaymentColumns, history: int) -> None:
        super().__init__()
        self._columns, self._at = columns, history

    def __enter__(self) -> Self:
        super().__enter__()
        url = self.enter_context(online_features.server(None))
        with redis.Redis.from_url(url, socket_timeout=None) as client:
            client.config_set("auto-aof-rewrite-percentage", 0)  # its fork would be measured with the payments
            self._pid = client.info("server")["process_id"]
        self._logs = Logs(url, self._columns)
        self._logs.fill(self._at)
        return self

    def measure(self, count: int, kernel: online_features.Kernel) -> tuple[float, ...]:
        """Apply the next payments and return what they cost: client, kernel in it, server, wall."""
        start, self._at = self._at, self._at + count
        return online_features.measured(lambda: self._logs.apply(start, start + count), count, self._pid, kernel)


def scoring(sizes: Sizes) -> Iterator[Stage]:
    """Score and exact contributions of every payment, reasons in words of those with an alert."""
    artifact = load(DEFAULT_DIR)
    vectors, _ = score.history(4_096, seed=1)
    vectors = np.tile(vectors, 2)[:, : artifact.scorer.n_features]
    contributions = artifact.scorer.score(vectors[:256]).contributions
    reasons = Explainer(artifact)

    def scored(at: int) -> None:
        start = at * BATCH % (len(vectors) - BATCH + 1)
        artifact.scorer.score(vectors[start : start + BATCH])

    def explained(at: int) -> None:
        reasons.reasons(vectors[at % 256], contributions[at % 256], score.REASONS)

    with threadpool_limits(limits=1):
        least = score.measure(
            [score.Contestant("score", scored, BATCH, 4), score.Contestant("reasons", explained, 1, 256)], sizes.rounds
        )
    yield Stage("score and contributions", {"worker": least["score"]})
    note = f"{least['reasons']:.1f} us an alert, {ALERT_SHARE:.0%} of payments"
    yield Stage("reasons in words", {"worker": least["reasons"] * ALERT_SHARE}, note)


def postgres(sizes: Sizes) -> Iterator[Stage]:
    """Claim the ids, and store the verdicts."""
    with verdicts.database(None) as url:
        migrate(url)
        store = VerdictStore(url)
        payments = verdicts.Payments(store.model_key(Model("bench", "0", 0.0, tuple(FEATURE_NAMES))))
        for _ in range(0, sizes.ids, 50_000):
            store.claim(*payments.claims(50_000), verdicts.TODAY)
        store.insert(payments.rows(4 * BATCH))
        claims_pid, verdicts_pid = store.server_pids
        claiming, inserting = verdicts.Cost(), verdicts.Cost()
        for _ in range(sizes.rounds):
            claims, rows = payments.claims(BATCH), payments.rows(BATCH)
            claiming.measure(lambda c=claims: store.claim(*c, verdicts.TODAY), BATCH, claims_pid)
            inserting.measure(lambda r=rows: store.insert(r), BATCH, verdicts_pid)
        store.close()
    for name, cost in (("claim ids in Postgres", claiming), ("verdict rows in Postgres", inserting)):
        client, server, wall = (median(column) for column in zip(*cost.rounds, strict=True))
        yield Stage(name, {"worker": client, "postgres": server}, f"{wall * BATCH / 1e3:.1f} ms elapsed a micro-batch")


def kafka(sizes: Sizes) -> Iterator[Stage]:
    """Publish and confirm alerts; drain records through the transport with an empty agent."""
    with tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory:
        server = JvmKafkaServer(Path(directory))
        server.start()
        try:
            yield from _on(server, sizes)
        finally:
            server.kill()


def _on(server: JvmKafkaServer, sizes: Sizes) -> Iterator[Stage]:
    bootstrap = server.bootstrap_servers
    assert server.process is not None
    pid = server.process.pid
    kafka_admin.make_topics(bootstrap, {"bench-alerts": transport.PARTITIONS})
    publisher = Publisher({"bootstrap.servers": bootstrap})
    alerts, value = round(BATCH * ALERT_SHARE), bytes(ALERT_BYTES)

    def send(batches: int) -> None:
        for _ in range(batches):
            for number in range(alerts):
                publisher.produce("bench-alerts", b"payer%d@bench" % number, value)
            publisher.confirm(30)

    send(100)
    batches = 40 * sizes.rounds
    of_broker, own, began = machine.cpu_seconds(pid), time.process_time(), time.perf_counter()
    send(batches)
    wall, own = time.perf_counter() - began, time.process_time() - own
    of_broker = machine.cpu_seconds(pid) - of_broker
    publisher.close()
    us = {"worker": own / batches / BATCH * 1e6, "kafka": of_broker / batches / BATCH * 1e6}
    note = f"{alerts} alerts a micro-batch, confirmed in {wall / batches * 1e3:.1f} ms"
    yield Stage("alerts, confirmed", us, note)

    topic = transport.new_topic(bootstrap)
    transport.publish(bootstrap, topic, sizes.records)
    before = machine.cpu_seconds(pid)
    run = transport.child("ours", bootstrap, topic, sizes.records, FETCH, latency=False)
    broker = (machine.cpu_seconds(pid) - before) / sizes.records * 1e6
    yield Stage("transport, empty agent", {"worker": run["cpu_us"], "kafka": broker}, f"{run['rate']:,.0f} records/s")
