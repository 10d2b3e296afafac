"""Growth of the online store: a busy payee, and many entities, put there directly as a rebuild would."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import redis

from bench import online_features as bench
from bench.grown import wait_written
from bench.growth.curve import Curve, Point
from features.entities import PAYEE
from features.online import OnlineFeatures
from features.rebuild import rebuilt_logs
from features.store.contract import Origin
from features.store.layout import key
from features.store.messages import Claims
from features.store.redis_store import RedisEntityStore
from features.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from features.columns import PaymentColumns


BATCH = 512
WARM = 2
"""Micro-batches before: the first fetches busy logs whole."""
CHUNK = 40_000
PAYERS = 2_000
MERCHANT = 7
PER_ENTITY = 12
"""Payments that a payer, a payee and a device have each, while their number grows."""


def busy(per_day: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Curve:
    """Let one merchant have so many payments a day, and pay to it: every payment of a micro-batch, the worst case.

    All else stays: the payers of the measured payments are the same few in every point, and of those who paid before
    only the merchant's log is there.
    """
    points = []
    for count in per_day:
        payments = _payments(PAYERS, (WARM + rounds) * BATCH)
        payments.payee[:] = MERCHANT
        points.append(_measured(PAYERS, payments, count, beside=_merchant(count)))
        say(points[-1].line())
    about = f"all {BATCH} payments of a micro-batch go to one merchant with so many payments in the last 24 hours"
    return Curve("payments per entity", "payments of the merchant a day", points, about)


def entities(counts: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Curve:
    """Let there be so many entities, a third each of payers, payees and devices, alike in use."""
    points = []
    for count in counts:
        each = max(10, count // 3)
        points.append(_measured(each, _payments(each, (WARM + rounds) * BATCH), count))
        say(points[-1].line())
    about = f"{PER_ENTITY} payments each within 30 days, drawn evenly: nothing is busy, every read is of a cold log"
    return Curve("entities", "entities (payers, payees, devices)", points, about)


def _merchant(count: int) -> tuple[bytes, bytes]:
    """Return the name and the log of a merchant with so many payments in the last 24 hours, from as many payers."""
    columns = bench.payments(count, 0, 2_000, 1)
    columns = columns.changed(
        payee=np.full(count, MERCHANT, dtype=np.uint64),
        payer=bench.mixed(np.arange(1, count + 1)),
        event_time=np.sort(np.random.default_rng(2).integers(bench.START - DAY, bench.START, count)),
    )
    return next(log for log in rebuilt_logs(bench.provenance(columns)) if log[0][:1] == PAYEE.letter)


def _payments(each: int, count: int, *, first: int = 0, history: bool = False) -> PaymentColumns:
    """Return payments of so many payers, payees and devices from the first on, all alike: of 30 days, or of now."""
    draw = np.random.default_rng(first + history)
    if history:
        times = np.sort(draw.integers(bench.START - 30 * DAY, bench.START, count))
    else:
        times = bench.START + np.arange(count, dtype=np.int64)
    usual = bench.payments(1_000, 0, 2_000, 1).take(np.arange(count) % 1_000)
    return usual.changed(
        payment_id=draw.integers(1, 2**63, count).astype(np.uint64),
        event_time=times,
        amount_paise=np.exp(draw.normal(10.5, 1.2, count)).astype(np.int64) + 1,
        payer=bench.mixed(first + draw.integers(1, each + 1, count)),
        payee=bench.mixed(first + draw.integers(1, each + 1, count)),
        device=bench.mixed(first + draw.integers(1, each + 1, count)),
    )


def _logs(each: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the logs of so many payers, payees and devices, some of each at a time: all at once takes gigabytes."""
    for first in range(0, each, CHUNK):
        some = min(CHUNK, each - first)
        yield from rebuilt_logs(bench.provenance(_payments(some, some * PER_ENTITY, first=first, history=True)))


def _measured(each: int, payments: PaymentColumns, x: int, *, beside: tuple[bytes, bytes] | None = None) -> Point:
    """Put the logs there, and one more beside them, apply micro-batches, and return what a payment costs."""
    with bench.server(None) as url, redis.Redis.from_url(url, socket_timeout=None) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        client.config_set("appendonly", "no")  # while it is filled
        pid, empty = client.info("server")["process_id"], client.info("memory")["used_memory"]
        store = RedisEntityStore(url, timeout=120)
        store.load(_logs(each), {bench.PARTITION: 0})
        used, logs, records = client.info("memory")["used_memory"] - empty, client.dbsize(), each * PER_ENTITY
        if beside is not None:
            store.load([beside], {})
            used, logs, records = client.memory_usage(key(beside[0][:1], beside[0][1:]), samples=0), 1, x
        client.config_set("appendonly", "yes")
        wait_written(client)
        with bench.counted_kernel() as kernel:
            features = OnlineFeatures(store)
            costs = [
                bench.measured(partial(_apply, features, payments, start), BATCH, pid, kernel)
                for start in range(0, len(payments), BATCH)
            ]
        store.close()
    spent, inside, server, _ = (median(column) for column in zip(*costs[WARM:], strict=True))
    more = {"Redis bytes an entity": used / logs, "Redis bytes a payment": used / records}
    return Point(x, {"worker": spent - inside, "window kernel": inside, "redis": server}, more)


def _apply(features: OnlineFeatures, columns: PaymentColumns, start: int) -> None:
    rows = np.arange(start, start + BATCH)
    claims = Claims(np.zeros(BATCH, dtype=np.uint16), rows)
    features.process(columns.take(rows), claims, [Origin(bench.PARTITION, start, start + BATCH, start)])
