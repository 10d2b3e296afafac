"""Stores that have a month of payments in them before anything is measured.

The payments are those of the switch, encoded and decoded as on their way through Kafka, in order of their time. Their
logs are put into Redis as a rebuild would after a loss. All that takes 20 us of CPU a payment. The last days' payments
come through the worker itself, as a backlog: so Postgres has the ids that it keeps, and the verdicts of the newest
days. Days before those are tables that nobody touches.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import redis

from features.compiled import njit
from features.identity import Identities
from features.rebuild import rebuilt_logs
from features.record import pack_records
from features.replica.fold import MAGIC
from features.store.provenance import PROVENANCE
from features.store.redis_store import RedisEntityStore
from simulator.encode import encode_payments
from simulator.parameters import Parameters
from simulator.switch import Switch
from stream.decode import decode_payments
from stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

DAY_MS: Final = 86_400_000
PAYMENTS_A_DAY: Final = 2.5
"""Of a payer, as the switch has it."""
AT_ONCE: Final = 20_000
"""Payments that are decoded together."""
KEYS: Final = 1_000
"""Logs that are asked for together."""


@dataclass(frozen=True, slots=True)
class History:
    """Which payments: those of this population between two moments, epoch ms."""

    payers: int
    seed: int
    since: int
    until: int

    def pieces(self, count: int) -> list[History]:
        """Return it in so many pieces of the same length, the earliest first."""
        edges = np.linspace(self.since, self.until, count + 1).astype(np.int64).tolist()
        return [History(self.payers, self.seed, since, until) for since, until in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was put there, and how long that took."""

    payments: int
    logs: int
    redis_bytes: int
    seconds: float


def fill(url: str, history: History, say: Callable[[str], None], cache: Path | None = None) -> Filled:
    """Put a history's logs into an empty Redis; `cache`: a directory that keeps what is the same in every run."""
    began = time.monotonic()
    rows = _cached(history, cache)
    say(f"  {len(rows):,} payments of {history.payers:,} payers are made and decoded after {_since(began)}")
    with redis.Redis.from_url(url, socket_timeout=None) as client:
        client.config_set("appendonly", "no")  # what is there is written once, in the end
        store = RedisEntityStore(url, timeout=120)
        store.load(rebuilt_logs(rows), {})
        store.close()
        client.config_set("appendonly", "yes")
        wait_written(client)
        logs, used = client.dbsize(), client.info("memory")["used_memory"]
    say(f"  {logs:,} logs, {used / 2**20:,.0f} MB, are in Redis after {_since(began)}")
    return Filled(len(rows), logs, used, time.monotonic() - began)


def wait_written(client: redis.Redis) -> None:
    """Wait until the append-only file is there: its fork would be measured with the payments."""
    while (told := client.info("persistence"))["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]:
        time.sleep(0.05)


def folded_logs(url: str) -> int:
    """Count the logs that workers have folded."""
    count, cursor = 0, 0
    with redis.Redis.from_url(url, socket_timeout=None) as client:
        while True:
            cursor, keys = client.scan(cursor, count=KEYS, _type="string")
            with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.getrange(key, 0, len(MAGIC) - 1)
                count += sum(found == MAGIC for found in pipeline.execute())
            if cursor == 0:
                return count


def provenance(history: History) -> NDArray[np.void]:
    """Return what verdicts would keep of the payments, PROVENANCE[n] in order of time, made on all cores."""
    cores = os.cpu_count() or 1
    days = max(1, round((history.until - history.since) / DAY_MS))
    with (
        tempfile.TemporaryDirectory(prefix="upifraud-bench-history-") as directory,
        ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool,
    ):
        pieces = [(piece, Path(directory) / f"{at}.npy") for at, piece in enumerate(history.pieces(days))]
        return counted(np.concatenate([np.load(path) for path in pool.map(_write_piece, *zip(*pieces, strict=True))]))


def counted(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Fill in where each payment is in its logs, PROVENANCE[n] in order of time."""
    parties, of_party = np.unique(np.concatenate((rows["payer"], rows["payee"])), return_inverse=True)
    devices, device = np.unique(rows["device"], return_inverse=True)
    payer, payee = of_party[: len(rows)], of_party[len(rows) :]
    _count(payer, payee, device, np.zeros((2, len(parties)), np.int32), np.zeros(len(devices), np.int32), rows)
    return rows


def _cached(history: History, cache: Path | None) -> NDArray[np.void]:
    if cache is None:
        return provenance(history)
    path = cache / f"{history.payers}-{history.seed}-{history.since}-{history.until}.npy"
    if path.exists():
        rows: NDArray[np.void] = np.load(path)
        if rows.dtype == PROVENANCE:
            return rows
    rows = provenance(history)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(path, rows)
    return rows


def _write_piece(piece: History, path: Path) -> Path:
    np.save(path, np.concatenate([np.zeros(0, dtype=PROVENANCE), *decoded(piece)]))
    return path


def decoded(piece: History) -> Iterator[NDArray[np.void]]:
    """Yield the payments as a worker reads them from the topic; where they are in their logs is not known yet."""
    switch = Switch(Parameters(seed=piece.seed, payers=piece.payers, payments_per_day=PAYMENTS_A_DAY))
    identities = Identities(Settings().identity_key)
    for payments in switch.payments(piece.since, piece.until):
        _, values = encode_payments(payments, switch.directory)
        for start in range(0, len(values), AT_ONCE):
            columns = decode_payments(values[start : start + AT_ONCE], piece.until, identities).payments
            rows = np.zeros(len(columns), dtype=PROVENANCE)
            rows["record"] = pack_records(columns, columns.payee)
            for name in ("payer", "payee", "device"):
                rows[name] = getattr(columns, name)
            yield rows


@njit()
def _count(payer, payee, device, lengths, of_devices, rows):  # type: ignore[no-untyped-def]
    """Note where each payment is in its logs; lengths: of every party as a payer, and as a payee."""
    paid, received = lengths
    for at in range(len(rows)):
        row = rows[at]
        row.payer_at, row.inbound_upto = paid[payer[at]], received[payer[at]]
        row.payee_at, row.outbound_upto = received[payee[at]], paid[payee[at]]
        row.device_at = of_devices[device[at]]
        paid[payer[at]] += 1
        received[payee[at]] += 1
        of_devices[device[at]] += 1


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"
