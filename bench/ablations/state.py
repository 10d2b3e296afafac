"""Windows in the online store: entity logs and a kernel, sorted sets, or bucket hashes."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import redis

from bench import online_features as bench
from bench.ablations import buckets
from bench.ablations.ablation import Ablation, Way
from features.online import Claims, OnlineFeatures
from features.rebuild import rebuilt_logs
from features.redis_store import RedisEntityStore
from features.store import Origin
from features.windows import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.columns import PaymentColumns

BATCH = 512
PART = 1_000
"""Payments of a call that puts history there."""
WARM = 24
"""Micro-batches of the history that are applied, not loaded."""

LOGS = "entity logs, windows by the kernel (80 features)"
SETS = "sorted sets, windows summed in a server function"
COUNTERS = "bucket hashes: counts and sums only, approximate"
SKETCHES = "bucket hashes and HyperLogLogs, approximate"


def measure(*, rounds: int, history: int) -> Ablation:
    """Add payments to the same history and read their windows back; CPU of client and server, taking turns.

    Bytes are what the history takes, a payment.
    """
    columns = bench.payments(history, (1 + rounds) * BATCH, 2_000, 1)
    past = columns.take(slice(0, history))
    with bench.server(None) as url, redis.Redis.from_url(url, socket_timeout=None) as client:

        def used() -> int:
            return int(client.info("memory")["used_memory"])

        store = RedisEntityStore(url, timeout=60)
        features = OnlineFeatures(store)
        client.function_load(buckets.LIBRARY, replace=True)
        windows = f"[{','.join(map(str, WINDOWS.values()))}]"
        fill: dict[str, Callable[[], object]] = {
            LOGS: lambda: _fill_logs(store, features, columns, history),
            SETS: lambda: bench.textbook(client, past, PART),
            COUNTERS: lambda: _fill_buckets(client, past, "0"),
            SKETCHES: lambda: _fill_buckets(client, past, "1"),
        }
        ways: dict[str, Callable[[int], object]] = {
            LOGS: lambda at: _to_logs(features, columns, at),
            SETS: _called(client, columns, "textbook_apply", windows),
            COUNTERS: _called(client, columns, "buckets_apply", "0", "1"),
            SKETCHES: _called(client, columns, "buckets_apply", "1", "1"),
        }
        bytes_a_payment = {}
        for name, put in fill.items():
            before = used()
            put()
            bytes_a_payment[name] = (used() - before) / history
        pid = client.info("server")["process_id"]
        kernel = bench.Kernel()
        costs: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
        for number in range(1 + rounds):  # the first is for whatever is not warm yet
            for name, call in ways.items():
                at = history + number * BATCH
                costs[name].append(bench.measured(lambda c=call, a=at: c(a), BATCH, pid, kernel))
    found = []
    for name, measured in costs.items():
        client_us, _, server_us, wall = (median(column) for column in zip(*measured[1:], strict=True))
        more = {"client": client_us, "server": server_us, "wall": wall, "bytes": bytes_a_payment[name]}
        note = f"{client_us:.1f} client + {server_us:.1f} server; {bytes_a_payment[name]:,.0f} bytes"
        found.append(Way(name, client_us + server_us, note, more))
    return Ablation(f"windows in Redis, micro-batches of {BATCH}", found)


def _fill_logs(store: RedisEntityStore, features: OnlineFeatures, columns: PaymentColumns, history: int) -> None:
    """Load most of the history as a rebuild would, and apply the rest, so that replicas are as in a worker at work."""
    loaded = history - WARM * BATCH
    past = columns.take(slice(0, loaded))
    store.load(rebuilt_logs(bench.provenance(past)), {bench.PARTITION: loaded})
    for at in range(loaded, history, BATCH):
        _to_logs(features, columns, at)


def _to_logs(features: OnlineFeatures, columns: PaymentColumns, at: int) -> None:
    claims = Claims(np.zeros(BATCH, dtype=np.bool_), np.zeros(BATCH, dtype=np.uint16), np.arange(at, at + BATCH))
    features.process(columns.take(slice(at, at + BATCH)), claims, [Origin(bench.PARTITION, at, at + BATCH, at)])


def _called(client: Any, columns: PaymentColumns, function: str, *options: str) -> Callable[[int], object]:
    def call(at: int) -> object:
        payments = bench.textbook_arguments(columns.take(slice(at, at + BATCH)))
        return client.execute_command("FCALL", function, 0, *options, *payments)

    return call


def _fill_buckets(client: Any, past: PaymentColumns, distinct: str) -> None:
    for start in range(0, len(past), PART):
        payments = bench.textbook_arguments(past.take(slice(start, start + PART)))
        client.execute_command("FCALL", "buckets_apply", 0, distinct, "0", *payments)
