"""Growth of the online store: a busy payee, and many entities, put there directly as a rebuild would."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import redis

from bench import online_features as bench
from bench.growth.curve import Curve, Point
from features.online import Claims, OnlineFeatures
from features.rebuild import rebuilt_logs
from features.redis_store import RedisEntityStore
from features.store import Origin
from features.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from features.columns import PaymentColumns

BATCH = 512
CHUNK = 250_000
PER_ENTITY = 12
"""Payments that a payer, a payee and a device have each, while their number grows."""


def busy(per_day: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Curve:
    """Let one merchant have so many payments a day, and pay to it: every payment of a micro-batch, the worst case."""
    points = []
    for count in per_day:
        columns = _to_one(bench.payments(count, (2 + rounds) * BATCH, max(1, count // 86_400), 1))
        columns.event_time[:count] = np.sort(np.random.default_rng(2).integers(bench.START - DAY, bench.START, count))
        points.append(_measured(columns, count, count, rounds=rounds, warm=2))
        say(points[-1].line())
    about = f"all {BATCH} payments of a micro-batch go to one merchant with so many payments in the last 24 hours"
    return Curve("payments per entity", "payments of the merchant a day", points, about)


def entities(counts: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Curve:
    """Let there be so many entities, a third each of payers, payees and devices, alike in use."""
    points = []
    for count in counts:
        each = max(10, count // 3)
        points.append(_measured(_spread(each * PER_ENTITY, each, (2 + rounds) * BATCH), each * PER_ENTITY, count,
                                rounds=rounds, warm=2))  # fmt: skip
        say(points[-1].line())
    about = f"{PER_ENTITY} payments each within 30 days, drawn evenly: nothing is busy, every read is of a cold log"
    return Curve("entities", "entities (payers, payees, devices)", points, about)


def _to_one(columns: PaymentColumns) -> PaymentColumns:
    return replace(columns, payee=np.full(len(columns), 7, dtype=np.uint64))


def _spread(history: int, each: int, count: int) -> PaymentColumns:
    """Return payments of so many payers, payees and devices, all alike."""
    columns = bench.payments(1_000, 0, 2_000, 1)
    draw, total = np.random.default_rng(1), history + count
    past = np.sort(draw.integers(bench.START - 30 * DAY, bench.START, history))
    columns = columns.take(np.arange(total) % len(columns))
    return replace(
        columns,
        payment_id=draw.integers(1, 2**63, total).astype(np.uint64),
        event_time=np.concatenate((past, bench.START + np.arange(count))),
        amount_paise=np.exp(draw.normal(10.5, 1.2, total)).astype(np.int64) + 1,
        **{name: bench.mixed(draw.integers(1, each + 1, total)) for name in ("payer", "payee", "device")},
    )


def _measured(columns: PaymentColumns, history: int, x: int, *, rounds: int, warm: int) -> Point:
    """Put the history there, apply micro-batches, and return what a payment costs."""
    with bench.server(None) as url, redis.Redis.from_url(url, socket_timeout=None) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        client.config_set("appendonly", "no")  # while it is filled
        pid, empty = client.info("server")["process_id"], client.info("memory")["used_memory"]
        store = RedisEntityStore(url, timeout=120)
        _fill(store, columns.take(slice(0, history)))
        logs, used = client.dbsize(), client.info("memory")["used_memory"] - empty
        client.config_set("appendonly", "yes")
        _settled(client)
        kernel, plain = bench.Kernel(), bench.online.vectors
        bench.online.vectors = kernel  # type: ignore[assignment]
        try:
            features = OnlineFeatures(store)
            costs = []
            for number in range(warm + rounds):
                start = history + number * BATCH
                costs.append(bench.measured(lambda s=start: _apply(features, columns, s), BATCH, pid, kernel))
        finally:
            bench.online.vectors = plain
            store.close()
    spent, inside, server, _ = (median(column) for column in zip(*costs[warm:], strict=True))
    us = {"worker": spent - inside, "window kernel": inside, "redis": server}
    more = {"Redis bytes an entity": used / max(1, logs), "Redis bytes a payment": used / max(1, history)}
    return Point(x, us, more)


def _fill(store: RedisEntityStore, past: PaymentColumns) -> None:
    """Load all logs; sorted by entity as a whole, which is what takes the memory."""
    store.load(rebuilt_logs(bench.provenance(past)), {bench.PARTITION: len(past)})


def _settled(client: redis.Redis) -> None:
    """Wait until the append-only file is written: its fork would be measured with the payments."""
    import time

    while client.info("persistence")["aof_rewrite_in_progress"] or client.info("persistence")["aof_rewrite_scheduled"]:
        time.sleep(0.05)


def _apply(features: OnlineFeatures, columns: PaymentColumns, start: int) -> None:
    rows = np.arange(start, start + BATCH)
    claims = Claims(np.zeros(BATCH, dtype=np.bool_), np.zeros(BATCH, dtype=np.uint16), rows)
    features.process(columns.take(rows), claims, [Origin(bench.PARTITION, start, start + BATCH, start)])
