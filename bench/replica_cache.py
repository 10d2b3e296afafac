"""What the bound of a worker's replicas costs over grown stores: `python -m bench.replica_cache`.

A month of payments of `--payers` is put into a Valkey of our own as a rebuild would; then those of the ten hours behind
it are applied and measured in micro-batches, once for each size of the cache, and the second half counts. Sizes go with
the payers: 51 MiB for 40,000 are as 256 MiB for 200,000. All CPU is in microseconds a payment, a micro-batch's that a
fifth of them stayed below: others on the same cores only ever add to it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import redis

from bench import online_features as bench
from bench.grown import DAY_MS, History, provenance, wait_written
from features.columns import UNKNOWN_TIME, PaymentColumns
from features.online import OnlineFeatures
from features.rebuild import rebuilt_logs
from features.record import with_received
from features.store.contract import Origin
from features.store.messages import Claims
from features.store.redis_store import RedisEntityStore

BEHIND_MS = DAY_MS * 10 // 24


def columns_of(rows: np.ndarray) -> PaymentColumns:
    """Return PROVENANCE[n] as payments again."""
    records = with_received(rows["record"], np.zeros(len(rows), dtype=np.int32))
    words, n = np.ascontiguousarray(records).view(np.uint64), len(rows)
    amount = words[:, 0] >> np.uint64(48) | (words[:, 1] & np.uint64((1 << 24) - 1)) << np.uint64(16)
    return PaymentColumns.of(
        payment_id=words[:, 2].copy(),
        event_time=times_of(rows),
        amount_paise=amount.astype(np.int64),
        payer=rows["payer"].copy(),
        payee=rows["payee"].copy(),
        device=rows["device"].copy(),
        place=words[:, 3].astype(np.uint32),
        kind=np.full(n, 0x01010101, dtype=np.uint32),
        mcc=np.full(n, -1, dtype=np.int32),
        device_bound_at=np.full(n, UNKNOWN_TIME),
        sim_changed_at=np.full(n, UNKNOWN_TIME),
        same_bank=np.ones(n, dtype=np.int8),
    )


def times_of(rows: np.ndarray) -> np.ndarray:
    """Return the event times of PROVENANCE[n]."""
    words = np.ascontiguousarray(rows["record"]).view(np.uint64)
    return (words[:, 0] & np.uint64((1 << 48) - 1)).astype(np.int64)


def measured(url: str, columns: PaymentColumns, mib: float, partition: bytes, batch: int) -> str:
    """Apply and measure the payments; return a line of the table."""
    with redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
    store = RedisEntityStore(url, timeout=60)
    features, costs = OnlineFeatures(store, int(mib * 2**20)), []
    half = len(columns) // 2 // batch * batch
    misses = 0
    for start in range(0, len(columns), batch):
        if start == half:
            costs, misses = [], features.misses
        rows = np.arange(start, min(start + batch, len(columns)))
        n = len(rows)
        server, began = bench.server_ns(pid), time.thread_time_ns()
        claims, origin = Claims(np.zeros(n, dtype=np.uint16), rows), Origin(partition, start, start + n, start)
        pending = features.apply(columns.take(rows), claims, [origin])
        applied = time.thread_time_ns()
        features.measure(pending)
        ended = time.thread_time_ns()
        costs.append((ended - applied, applied - began, bench.server_ns(pid) - server))
        costs[-1] = tuple(cost / n / 1e3 for cost in costs[-1])
    store.close()
    measuring, applying, server = np.percentile(costs, 20, axis=0)
    whole = (features.misses - misses) / (len(columns) - half)
    used = features.replica_bytes / 2**20
    return f"{mib:>8g} {used:>9.0f} {whole:>12.2f} {measuring:>10.1f} {applying:>9.1f} {server:>7.1f}"


def main() -> None:
    """Fill a server, measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--payers", type=int, default=40_000)
    arguments.add_argument("--cache", type=float, nargs="+", default=[51.0, 205.0, 819.0], help="MiB, one or more")
    arguments.add_argument("--batch", type=int, default=512, help="payments of a micro-batch")
    given = arguments.parse_args()
    until = bench.START
    rows = provenance(History(given.payers, 7, until - 30 * DAY_MS, until + BEHIND_MS))
    past = times_of(rows) < until
    with bench.server(None) as url, redis.Redis.from_url(url, socket_timeout=None) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        client.config_set("appendonly", "no")  # while it is filled
        store = RedisEntityStore(url, timeout=120)
        store.load(rebuilt_logs(rows[past]), {})
        store.close()
        client.config_set("appendonly", "yes")
        wait_written(client)
        print(
            f"{past.sum():,} payments, {client.dbsize():,} logs, {client.info('memory')['used_memory'] / 2**20:.0f} MiB"
        )
        print(f"{'MiB':>8} {'used':>9} {'whole reads':>12} {'measuring':>10} {'applying':>9} {'redis':>7}")
        for number, mib in enumerate(given.cache):
            print(measured(url, columns_of(rows[~past]), mib, b"transactions:%d" % number, given.batch), flush=True)


if __name__ == "__main__":
    main()
