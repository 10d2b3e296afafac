"""What-ifs against a real server: what was said is what comes, and the server is the same before and after."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
import redis

from features.columns import FeatureState
from features.entities import KINDS, PAYEE, PAYER
from features.errors import ReplicaBudgetError, StoreUnavailableError
from features.online import OnlineFeatures
from features.record import pack_records
from features.replica import fold as folding
from features.store import redis_store
from features.store.contract import Origin
from features.store.layout import key, offset_key
from features.store.messages import Claims
from features.store.redis_store import RedisEntityStore, library
from features.what_if.what_if import CACHE_BYTES, WhatIf
from features.windows import BLOCK, DAY
from local.valkey import ValkeyServer
from tests.fixtures.payment_streams import START, Script, Stretch
from tests.fixtures.what_ifs import Twice, run
from tests.oracle import Payment, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

WHAT_IFS = [int(os.environ.get("UPIFRAUD_TEST_WHAT_IFS", "800")), pytest.param(10_000, marks=pytest.mark.long)]
"""How many what-ifs are compared, and how many leave the server as it is."""

ALICE, SHOP, PHONE = 11, 22, 33
HOT = 300_000


class Watched(RedisEntityStore):
    """Remembers how long the longest answer was."""

    longest = calls = 0

    def _command(self, *args: Any) -> Any:
        answer = super()._command(*args)
        parts = answer if isinstance(answer, list) else [answer]
        self.longest = max(self.longest, sum(len(part) for part in parts if isinstance(part, bytes)))
        self.calls += 1
        return answer


@pytest.fixture
def looked_at(redis_url: str) -> Iterator[Watched]:
    watched = Watched(redis_url)
    yield watched
    watched.close()


def ask(store: RedisEntityStore, cache_bytes: int = CACHE_BYTES) -> WhatIf:
    """Return one who asks at the time of the payments: logs that may have expired are looked at more closely."""
    return WhatIf(store, cache_bytes, clock=lambda: START / 1_000)


def mixed(seed: int) -> list[Payment]:
    """Payments of few parties, dense and sparse, in order and late: some 1,000, behind those of the seed before."""
    payments = Script(
        seed,
        (
            Stretch(300, "seconds", "jitter", payers=3, payees=3, devices=2),
            Stretch(60, "days", "some days", payers=40, payees=40, devices=30),
            Stretch(250, "burst", "at the horizon", payers=2, payees=1, devices=1),
            Stretch(250, "minutes", "some hours", payers=5, payees=3, devices=3),
            Stretch(100, "hours", "some minutes", payers=40, payees=5, devices=0),
            Stretch(60, "days", "in order", payers=40, payees=40, devices=3),
        ),
    ).payments()
    return [
        replace(one, payment_id=one.payment_id + seed * len(payments), event_time=one.event_time + 150 * DAY * seed)
        for one in payments
    ]


def everything(client: redis.Redis) -> dict[bytes, tuple[bytes, int]]:
    """All keys of the server with what they hold and when they expire."""
    return {name: (client.dump(name), client.pexpiretime(name)) for name in client.scan_iter("*")}


def process(features: OnlineFeatures, first: int, count: int = 1, *, payer: int = ALICE) -> np.ndarray:
    """Let payments to the shop come, one a source offset from `first` on; return their vectors."""
    payments = [Payment(n + 1, START + n * 1_000, 100 + n, payer, SHOP, PHONE) for n in range(first, first + count)]
    claims = Claims(np.zeros(count, dtype=np.uint16), np.arange(first, first + count))
    return features.process(columns_of(payments), claims, [Origin(b"transactions:0", first, first + count)]).vectors


@pytest.mark.parametrize("what_ifs", WHAT_IFS)
def test_a_payment_gets_what_was_said_before_it_came(
    store: RedisEntityStore, looked_at: Watched, what_ifs: int
) -> None:
    twice, seed = Twice(store, looked_at=looked_at, seed=1), 0
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        while twice.cases["all"] < what_ifs:
            seed += 1
            run(twice, mixed(seed))
    for case in ("FULL", "COLD", "LATE", "with reports", "located", "located, as when it came", "folded away"):
        assert twice.cases[case] > 0, case
    for case in ("sequences that are not the same alone", "repeated"):
        assert twice.cases[case] > 0, case


@pytest.mark.parametrize("what_ifs", WHAT_IFS)
def test_nothing_on_the_server_changes(
    client: redis.Redis, store: RedisEntityStore, looked_at: Watched, what_ifs: int
) -> None:
    twice = Twice(store, looked_at=looked_at, seed=2)
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        run(twice, mixed(0))
    asked = mixed(3)
    twice.ask(asked[0])
    assert any(client.strlen(name) % 32 == 16 for name in client.scan_iter("[pmd]*")), "a log is folded"
    before, dirty = everything(client), client.info("persistence")["rdb_changes_since_last_save"]
    r = random.Random(4)
    for _ in range(what_ifs):
        some = r.choices(asked, k=r.choice((1, 1, 1, 5))) if r.random() < 0.7 else [r.choice(twice.seen)[0]]
        twice.ask(*some, sequence=r.random() < 0.5)
        kind = r.choice(KINDS)
        twice.what_if.windows(kind, getattr(some[0], kind.name), some[0].event_time)
    assert client.info("persistence")["rdb_changes_since_last_save"] == dirty
    assert everything(client) == before


def test_who_may_only_read_may_look(client: redis.Redis, store: RedisEntityStore, redis_url: str) -> None:
    """The server would refuse a function that could write."""
    features = OnlineFeatures(store)
    process(features, 0, 3)
    ask(store).windows(PAYER, ALICE, START)  # the functions are there
    client.acl_setuser(
        "reader", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@read"], commands=["+fcall_ro"]
    )
    try:
        reader = RedisEntityStore(redis_url.replace("redis://", "redis://reader:secret@"))
        said = ask(reader).measure(columns_of([Payment(4, START + 3_000, 103, ALICE, SHOP, PHONE)]))
        assert said.vectors.tobytes() == process(features, 3).tobytes()
        reader.close()
    finally:
        client.acl_deluser("reader")


def test_functions_that_are_not_there_are_loaded(client: redis.Redis, looked_at: Watched) -> None:
    what_if = ask(looked_at)
    for _ in range(2):
        client.function_flush()
        assert what_if.windows(PAYER, ALICE, START).records == 0
    assert [each[1].decode() for each in client.function_list()] == [library().name]


# Popular payees ---------------------------------------------------------------------------------------------------


def hot_log(records: int) -> bytes:
    """The log of a payee who gets 1,000 payments a second."""
    number = np.arange(records)
    payments = columns_of([Payment(1, START, 1, 1, SHOP)]).take(np.zeros(records, dtype=np.intp))
    payments = payments.changed(
        payment_id=number.astype(np.uint64) + 1_000_000, event_time=START + number, amount_paise=100 + number % 977,
        payer=(number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1),
    )  # fmt: skip
    return pack_records(payments, payments.payer).tobytes()


def test_of_a_long_log_only_what_is_new_is_read_and_never_much_at_once(
    store: RedisEntityStore, looked_at: Watched
) -> None:
    store.load([(PAYEE.letter + SHOP.to_bytes(8, "little"), hot_log(HOT))], {})
    what_if = ask(looked_at)
    payment = Payment(1, START + HOT, 100, ALICE, SHOP, PHONE)
    first = what_if.measure(columns_of([payment]))
    assert looked_at.longest <= redis_store.PART_BYTES
    features = OnlineFeatures(store)
    claims = Claims(np.zeros(1, dtype=np.uint16), np.zeros(1, dtype=np.int64))
    came = features.process(columns_of([payment]), claims, [Origin(b"transactions:0", 0, 1)])
    assert first.vectors.tobytes() == came.vectors.tobytes()
    looked_at.longest = looked_at.calls = 0
    payment = Payment(2, START + HOT + 1, 200, ALICE, SHOP, PHONE)
    said = what_if.measure(columns_of([payment]))
    assert (looked_at.calls, looked_at.longest < 500) == (1, True)
    claims = Claims(np.zeros(1, dtype=np.uint16), np.ones(1, dtype=np.int64))
    came = features.process(columns_of([payment]), claims, [Origin(b"transactions:0", 1, 2)])
    assert said.vectors.tobytes() == came.vectors.tobytes()


def test_a_log_that_is_too_long_for_the_cache_is_refused_and_others_are_not(
    store: RedisEntityStore, looked_at: Watched
) -> None:
    store.load([(PAYEE.letter + SHOP.to_bytes(8, "little"), hot_log(20_000))], {})
    what_if = ask(looked_at, 1 << 20)
    others = [Payment(n, START, 100, ALICE, 1_000 + n) for n in range(3)]
    for _ in range(2):
        with pytest.raises(ReplicaBudgetError):
            what_if.measure(columns_of([*others, Payment(1, START, 100, ALICE, SHOP)]))
        assert what_if.measure(columns_of(others)).state.tolist() == 3 * [FeatureState.COLD]


def test_payments_whose_logs_do_not_fit_together_are_measured_apart(
    store: RedisEntityStore, looked_at: Watched
) -> None:
    shops = range(SHOP, SHOP + 4)
    store.load([(PAYEE.letter + shop.to_bytes(8, "little"), hot_log(7_000)) for shop in shops], {})
    payments = [Payment(n, START + 8_000, 100, ALICE, shop) for n, shop in enumerate(shops)]
    small = ask(looked_at, 1 << 20)
    said = small.measure(columns_of(payments))
    assert said.vectors.tobytes() == ask(looked_at).measure(columns_of(payments)).vectors.tobytes()
    with pytest.raises(ReplicaBudgetError):
        small.measure(columns_of(payments), sequence=True)


def test_a_log_that_is_folded_while_it_is_read_in_parts_is_read_again(store: RedisEntityStore, redis_url: str) -> None:
    name = PAYEE.letter + SHOP.to_bytes(8, "little")
    store.load([(name, hot_log(4_000))], {})
    header = folding.Header(BLOCK, START + 5, START, START, np.zeros(2, dtype=folding.PANE)).pack()
    meanwhile = [lambda: store.fold(name, 0, header, BLOCK)]

    class Interrupted(RedisEntityStore):
        def _command(self, *args: Any) -> Any:
            answer = super()._command(*args)
            if args[0] == "GETRANGE" and args[2] > 0 and meanwhile:
                assert meanwhile.pop()()
            return answer

    with patch.object(redis_store, "PART_BYTES", 4_096):
        interrupted = Interrupted(redis_url)
        assert interrupted.fetch_in_parts(name) == store.fetch([name])[0]
        assert not meanwhile
        interrupted.close()


# When the store is not what it was ---------------------------------------------------------------------------------


def test_an_outcome_log_that_cannot_be_read_degrades(
    client: redis.Redis, store: RedisEntityStore, looked_at: Watched
) -> None:
    features = OnlineFeatures(store)
    process(features, 0)
    client.lpush(key(PAYEE.reports, SHOP.to_bytes(8, "little")), b"x")
    said = ask(looked_at).measure(columns_of([Payment(2, START + 1_000, 101, ALICE, SHOP, PHONE)]))
    assert said.state.tolist() == [FeatureState.DEGRADED]
    assert said.vectors.tobytes() == process(features, 1).tobytes()


def test_a_store_that_was_rolled_back_is_read_anew(
    client: redis.Redis, store: RedisEntityStore, looked_at: Watched
) -> None:
    """What was lost came again in another order: the logs are as long as before, and say something else."""
    what_if, probe = ask(looked_at), columns_of([Payment(10_000, START + 10**6, 5, ALICE, SHOP, PHONE)])
    process(OnlineFeatures(store), 0, 300)
    kept = everything(client)
    process(OnlineFeatures(store), 300, 50)
    what_if.measure(probe)
    for name, (content, _) in kept.items():
        client.restore(name, 0, content, replace=True)
    assert what_if.windows(PAYER, 999, START).offsets == {b"transactions:0": 300}
    process(OnlineFeatures(store), 310, 50)
    client.set(offset_key(b"transactions:0"), 350)
    assert what_if.measure(probe).vectors.tobytes() == ask(store).measure(probe).vectors.tobytes()


def test_a_server_that_was_away_is_read_anew(redis_server: ValkeyServer, looked_at: Watched) -> None:
    what_if = ask(looked_at)
    probe = columns_of([Payment(1, START, 5, ALICE, SHOP, PHONE)])
    said = what_if.measure(probe)
    redis_server.stop()
    with pytest.raises(StoreUnavailableError):
        what_if.measure(probe)
    redis_server.start()
    assert what_if.measure(probe).vectors.tobytes() == said.vectors.tobytes()


def test_a_replica_can_be_looked_at(
    client: redis.Redis, redis_server: ValkeyServer, store: RedisEntityStore, tmp_path: Path
) -> None:
    """It takes no functions: they come from the primary."""
    client.function_flush()
    replica = ValkeyServer(tmp_path / "replica")
    replica.start()
    try:
        with redis.Redis.from_url(replica.url) as follower:
            follower.replicaof("127.0.0.1", redis_server.port)
            features = OnlineFeatures(store)
            looked_at = RedisEntityStore(replica.url, primary=store)
            what_if = ask(looked_at)
            _until(lambda: follower.info("replication")["master_link_status"] == "up")
            process(features, 0, 300)
            client.wait(1, 10_000)
            probe = columns_of([Payment(301, START + 300_000, 400, ALICE, SHOP, PHONE)])
            said = what_if.measure(probe)
            assert said.offsets == {b"transactions:0": 300}
            assert said.vectors.tobytes() == process(features, 300).tobytes()
            looked_at.close()
    finally:
        replica.stop()


def _until(true: Any) -> None:
    import time

    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not become true")
