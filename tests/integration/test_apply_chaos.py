"""Every payment once in each of its logs, and the true numbers of records, whatever workers do to each other.

    worker 1   ---plain---plain---dies, half a request sent
    worker 2   ------plain----conflict: function---plain--------      one store, partitions that move while
    worker 3   --plain--dies between the records and their numbers    their old owners go on for a while

Logs are folded meanwhile, and people pay each other, themselves, and one who is paid all the time.
UPIFRAUD_TEST_CHAOS says how many payments each partition has (default 400).
"""

from __future__ import annotations

import os
import random
import struct
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
import redis

from features.columns import UNKNOWN_TIME, PaymentColumns
from features.entities import DEVICE, PAYEE, PAYER
from features.errors import StoreUnavailableError
from features.online import OnlineFeatures
from features.replica import fold as folding
from features.store.contract import Origin
from features.store.layout import key, offset_key
from features.store.messages import Claims
from features.store.redis_store import RedisEntityStore
from features.windows import BLOCK

if TYPE_CHECKING:
    from features.store.contract import Applied, ApplyRequest
    from features.store.plain import Plan

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

PARTITIONS = 6
EACH = int(os.environ.get("UPIFRAUD_TEST_CHAOS", "400"))
PEOPLE = 60
HOT = 1
START = 1_790_000_000_000


class DiedError(Exception):
    """A worker dies here."""


class Mortal(RedisEntityStore):
    """A store whose worker dies at the worst moments; notes what was done in which way."""

    def __init__(self, url: str, deaths: random.Random, seen: Counter[str]) -> None:
        super().__init__(url, timeout=60)
        self._deaths, self._seen, self._plain_exchange = deaths, seen, self._connection.exchange
        self._connection.exchange = self._exchange_or_die  # type: ignore[method-assign]
        self.cut_short = False
        """Whether records may be there whose numbers nobody has put right."""

    def _exchange_or_die(self, request: bytes, begins: bytes, more: int) -> list[Any]:
        chance = self._deaths.random()
        if chance < 0.01:
            raise DiedError
        connection = self._connection._connection
        if chance < 0.02:
            part = request[: self._deaths.randrange(1, len(request))]
            self.cut_short = b"\r\nEXEC\r\n" in part  # what follows only watches the offsets
            connection.send_packed_command([part])
            raise DiedError
        if chance < 0.03:
            connection.send_packed_command([request])
            self.cut_short = True
            raise DiedError
        return self._plain_exchange(request, begins, more)

    def _execute(self, plan: Plan) -> list[Any] | None:
        done = super()._execute(plan)
        self._seen["plain" if done is not None else "conflict"] += 1
        return done

    def _by_function(self, request: ApplyRequest) -> Applied:
        self._seen["function"] += 1
        return super()._by_function(request)

    def _call(self, function: str, *args: Any) -> Any:
        self._seen[function] += 1
        if function == "correct" and self._deaths.random() < 0.1:
            self.cut_short = True
            raise DiedError
        return super()._call(function, *args)


class Deployment:
    """Payments in partitions, which workers share."""

    def __init__(self, url: str) -> None:
        draw = np.random.default_rng(7)
        self.url, self.seen, self.lock = url, Counter[str](), threading.Lock()
        total = PARTITIONS * EACH
        payee = np.where(draw.random(total) < 0.25, HOT, draw.integers(1, PEOPLE + 1, total))
        self.columns = PaymentColumns.of(
            payment_id=np.arange(1, total + 1, dtype=np.uint64),
            event_time=START + np.arange(total) % EACH * 60_000,
            amount_paise=draw.integers(1, 10_000, total),
            payer=draw.integers(1, PEOPLE + 1, total).astype(np.uint64),
            payee=payee.astype(np.uint64),
            device=draw.integers(0, 40, total).astype(np.uint64),
            place=np.zeros(total, dtype=np.uint32),
            kind=np.full(total, 0x01010101, dtype=np.uint32),
            mcc=np.full(total, -1, dtype=np.int32),
            device_bound_at=np.full(total, UNKNOWN_TIME),
            sim_changed_at=np.full(total, UNKNOWN_TIME),
            same_bank=np.ones(total, dtype=np.int8),
        )
        self.committed = [0] * PARTITIONS
        self.owner: list[Worker | None] = [None] * PARTITIONS
        self.cut_short: set[int] = set()
        self.failed: list[BaseException] = []

    @property
    def done(self) -> bool:
        return min(self.committed) == EACH or bool(self.failed)


class Worker(threading.Thread):
    """Takes payments of its partitions, and goes on for a while with those that it has lost."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        super().__init__(daemon=True)
        self._deployment, self._random = deployment, random.Random(seed)

    def run(self) -> None:
        try:
            while not self._deployment.done:
                self._live()
        except BaseException as error:
            self._deployment.failed.append(error)
            raise

    def _live(self) -> None:
        """Work until death, or to the end."""
        deployment = self._deployment
        store = Mortal(deployment.url, self._random, deployment.seen)
        measuring = RedisEntityStore(deployment.url, timeout=60)
        features = OnlineFeatures(store, self._random.choice((1 << 20, 8 << 20)), measuring=measuring)
        at: dict[int, int] = {}
        expected: dict[int, int] = {}
        try:
            while not deployment.done:
                self._work(store, features, at, expected)
        except DiedError:
            deployment.seen["died"] += 1
        finally:
            store._connection.close()
            measuring.close()

    def _work(self, store: Mortal, features: OnlineFeatures, at: dict[int, int], expected: dict[int, int]) -> None:
        deployment, r = self._deployment, self._random
        owned = {partition for partition in range(PARTITIONS) if deployment.owner[partition] is self}
        for partition in owned - set(at):
            at[partition] = deployment.committed[partition]
            expected[partition] = store.next_offsets([name_of(partition)])[0] or 0
        for partition in set(at) - owned:
            if r.random() < 0.3:
                del at[partition]
            else:
                deployment.seen["zombie"] += 1
        rows, origins, claims = [], [], []
        for partition, first in at.items():
            count = min(r.randint(0, 12), EACH - first)
            if count > 0:
                origins.append(Origin(name_of(partition), first, first + count, expected[partition]))
                claims += [(len(origins) - 1, offset) for offset in range(first, first + count)]
                rows += [partition * EACH + offset for offset in range(first, first + count)]
        if not rows:
            time.sleep(0.001)
            return
        columns, (origin, offset) = deployment.columns.take(np.array(rows)), np.array(claims).T
        try:
            features.process(columns, Claims(origin.astype(np.uint16), offset), origins)
        except DiedError:
            if store.cut_short:
                deployment.cut_short |= {row + 1 for row in rows}
            raise
        except StoreUnavailableError as error:
            raise AssertionError("nothing refuses here") from error
        if r.random() < 0.01:
            raise DiedError  # before it commits
        for partition in {row // EACH for row in rows}:
            at[partition] += sum(row // EACH == partition for row in rows)
            expected[partition] = max(expected[partition], at[partition])
            with deployment.lock:
                if deployment.owner[partition] is self:
                    deployment.committed[partition] = max(deployment.committed[partition], at[partition])


def name_of(partition: int) -> bytes:
    return b"transactions:%d" % partition


def records_of(log: bytes) -> tuple[int, list[bytes]]:
    """Return how many records were folded away, and the others."""
    size = base = 0
    if len(log) % 32:
        _, size, base = struct.unpack_from("<IIQ", log)
    return base, [log[at : at + 32] for at in range(size, len(log), 32)]


def test_each_payment_is_once_in_each_log_with_the_true_numbers(redis_url: str) -> None:
    deployment = Deployment(redis_url)
    workers = [Worker(deployment, seed) for seed in range(3)]
    deployment.owner = [workers[partition % 3] for partition in range(PARTITIONS)]
    moves = random.Random(1)
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        for worker in workers:
            worker.start()
        while not deployment.done:
            time.sleep(0.05)
            deployment.owner[moves.randrange(PARTITIONS)] = moves.choice(workers)
        for worker in workers:
            worker.join(60)
    assert not deployment.failed
    print(dict(deployment.seen), len(deployment.cut_short), "cut short")
    assert min(deployment.seen[way] for way in ("plain", "function", "conflict", "died", "zombie", "correct")) > 0

    columns = deployment.columns
    wanted: defaultdict[bytes, list[int]] = defaultdict(list)
    for row in range(len(columns)):
        for letter, column in ((PAYER.letter, "payer"), (PAYEE.letter, "payee"), (DEVICE.letter, "device")):
            if identity := int(getattr(columns, column)[row]):
                wanted[key(letter, identity.to_bytes(8, "little"))].append(row + 1)
    with redis.Redis.from_url(redis_url) as client:
        assert [client.get(offset_key(name_of(partition))) for partition in range(PARTITIONS)] == PARTITIONS * [
            b"%d" % EACH
        ]
        logs = {name: records_of(client.get(name) or b"") for name in wanted}
        store = RedisEntityStore(redis_url)
        store.give_expiries()
        assert all(client.pttl(name) > 0 for name in client.scan_iter("[pmd]*"))
        store.close()
    assert any(base for base, _ in logs.values()), "nothing was folded"
    for name, (base, records) in logs.items():
        ids = [int.from_bytes(record[16:24], "little") for record in records]
        assert base + len(ids) == len(wanted[name])
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(wanted[name])
        if not base:
            assert sorted(ids) == wanted[name]

    def numbers(letter: bytes, who: int, field: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions in a log and what their records say, but for those whose worker died before it was sure."""
        base, records = logs.get(key(letter, who.to_bytes(8, "little")), (0, []))
        says = [
            (base + at, int.from_bytes(record[field : field + 4], "little"))
            for at, record in enumerate(records)
            if int.from_bytes(record[16:24], "little") not in deployment.cut_short
        ]
        return tuple(np.array(says, dtype=np.int64).reshape(-1, 2).T)  # type: ignore[return-value]

    checked = 0
    for who in range(1, PEOPLE + 1):
        (sent, received), (got, paid_out) = numbers(PAYER.letter, who, 28), numbers(PAYEE.letter, who, 24)
        # One order of both logs: what was received before a payment had been paid out less than it.
        before = got[None, :] < received[:, None]
        assert (before == (paid_out[None, :] <= sent[:, None])).all(), who
        checked += before.size
    assert checked > 1_000
