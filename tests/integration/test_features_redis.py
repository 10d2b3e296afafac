"""The Redis store when the server misbehaves: what is retryable, what is fatal, and that nothing is half applied."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from features import entities
from features.columns import FeatureState
from features.errors import StoreCorruptError, StoreRolledBackError, StoreUnavailableError
from features.online import FeatureBatch, OnlineFeatures
from features.schema import FEATURE_NAMES
from features.store.contract import ApplyRequest, Origin
from features.store.layout import key, offset_key
from features.store.messages import Claims
from features.store.redis_store import RedisEntityStore, library
from features.windows import DAY, EXPIRY
from local.ports import free_port
from tests.fixtures.payment_streams import REPORTED
from tests.oracle import Payment, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from local.valkey import ValkeyServer

PAYEE = entities.PAYEE.letter
PAYEE_REPORTS = entities.PAYEE.reports
PAYER = entities.PAYER.letter

pytestmark = pytest.mark.servers
START = 1_790_000_000_000
ALICE, SHOP, PHONE = 11, 22, 33
PAYER_KEY = key(PAYER, ALICE.to_bytes(8, "little"))
RISK_KEY = key(PAYEE_REPORTS, SHOP.to_bytes(8, "little"))


def process(
    features: OnlineFeatures, first: int, count: int = 1, *, step: int = 1_000, expected: int = 0
) -> FeatureBatch:
    """Payments of Alice to the shop, one a source offset from `first` on."""
    payments = [
        Payment(offset + 1, START + offset * step, 100 + offset, ALICE, SHOP, PHONE)
        for offset in range(first, first + count)
    ]
    claims = Claims(np.zeros(count, dtype=np.uint16), np.arange(first, first + count))
    return features.process(columns_of(payments), claims, [Origin(b"transactions:0", first, first + count, expected)])


def patiently(call: Callable[[], FeatureBatch]) -> FeatureBatch:
    """Call again until the store answers, as the worker does."""
    for _ in range(100):
        try:
            return call()
        except StoreUnavailableError:
            time.sleep(0.1)
    raise AssertionError("the store did not come back")


# What may be retried ----------------------------------------------------------------------------------------------


def test_a_refused_connection_is_retryable() -> None:
    with pytest.raises(StoreUnavailableError, match="UPIFRAUD_REDIS_URL"):
        RedisEntityStore(f"redis://127.0.0.1:{free_port()}/0").next_offsets([b"transactions:0"])


def test_a_server_that_hangs_is_retryable(client: redis.Redis, redis_url: str) -> None:
    store = RedisEntityStore(redis_url, timeout=0.2)
    features = OnlineFeatures(store)
    process(features, 0)
    client.client_pause(600)
    with pytest.raises(StoreUnavailableError):
        process(features, 1)
    assert patiently(lambda: process(features, 1)).provenance["payer_at"].tolist() == [1]
    assert client.strlen(PAYER_KEY) == 64
    store.close()


def test_a_full_server_refuses_a_micro_batch_whole(client: redis.Redis, store: RedisEntityStore) -> None:
    features = OnlineFeatures(store)
    process(features, 0, 3)
    try:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailableError, match="maxmemory"):
            process(features, 3, 5)
        with pytest.raises(StoreUnavailableError):
            store.report([(PAYEE_REPORTS + bytes(8), bytes(16))])
        with pytest.raises(StoreUnavailableError):
            store.load([(PAYER + bytes(8), bytes(32))], {})
        assert client.strlen(PAYER_KEY) == 96
        assert client.get(offset_key(b"transactions:0")) == b"3"
    finally:
        client.config_set("maxmemory", 0)
    assert process(features, 3, 5).provenance["payer_at"].tolist() == [3, 4, 5, 6, 7]


def test_a_server_without_its_replicas_is_retryable(client: redis.Redis, store: RedisEntityStore) -> None:
    try:
        client.config_set("min-replicas-to-write", 1)
        with pytest.raises(StoreUnavailableError, match="NOREPLICAS"):
            process(OnlineFeatures(store), 0)
    finally:
        client.config_set("min-replicas-to-write", 0)


def test_functions_that_were_lost_are_loaded_again(client: redis.Redis, store: RedisEntityStore) -> None:
    """Plain commands need none; what is delivered again does."""
    features = OnlineFeatures(store)
    process(features, 0)
    client.function_flush()
    assert process(features, 1).provenance["payer_at"].tolist() == [1]
    with pytest.raises(StoreUnavailableError, match="functions"):
        process(features, 1)
    assert process(features, 1).provenance["payer_at"].tolist() == [1]


def test_another_version_of_the_functions_stays(client: redis.Redis, store: RedisEntityStore) -> None:
    """In a rolling update the workers of both versions are at work, and may disagree on what a call looks like."""
    ours = library()
    older = f"{ours.name[:-8]}{int(ours.name[-8:], 16) ^ 1:08x}"
    client.function_load(ours.code.replace(ours.name, older).replace("local ENTRY = 98", "local ENTRY = 131"))
    process(OnlineFeatures(store), 0)
    assert client.fcall(f"{older}_apply", 0, b"", b"", b"", b"") == [b""]
    assert {each[1].decode() for each in client.function_list()} >= {ours.name, older}


def test_a_restarted_server_keeps_logs_and_offsets(redis_server: ValkeyServer, store: RedisEntityStore) -> None:
    features = OnlineFeatures(store)
    process(features, 0, 200)
    redis_server.stop()
    with pytest.raises(StoreUnavailableError):
        process(features, 200)
    redis_server.start()
    assert process(features, 200).provenance["payer_at"].tolist() == [200]
    assert store.next_offsets([b"transactions:0"]) == [201]


def test_a_connection_lost_while_idle_is_seen_by_the_caller(client: redis.Redis, store: RedisEntityStore) -> None:
    """Whoever answers on a new connection may be another server: the caller has to drop its replicas."""
    features = OnlineFeatures(store)
    process(features, 0, 300)
    process(features, 300)
    known = features.hits
    assert known > 0
    client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(StoreUnavailableError, match="lost"):
        process(features, 301)
    assert process(features, 301).provenance["payer_at"].tolist() == [301]
    assert features.hits == known, "every log was read whole"


def test_a_store_that_was_rolled_back_is_refused_by_plain_commands(
    client: redis.Redis, store: RedisEntityStore
) -> None:
    features = OnlineFeatures(store)
    process(features, 0, 3)
    kept = {name: client.dump(name) for name in client.scan_iter("*")}
    process(features, 3, 3)
    for name, content in kept.items():
        client.restore(name, 0, content, replace=True)
    with pytest.raises(StoreRolledBackError, match="applied up to 3, expected 6"):
        process(features, 6, expected=6)
    assert client.strlen(PAYER_KEY) == 96


def test_who_may_do_what_a_worker_does_can_be_a_worker(client: redis.Redis, redis_url: str) -> None:
    """As docs/operations.md says it."""
    text = Path("docs/operations.md").read_text()
    allowed = re.search(r"`(~\* [^`]*)`", text)
    assert allowed is not None
    client.execute_command("ACL", "SETUSER", "worker", "on", ">secret", *allowed[1].split())
    try:
        store = RedisEntityStore(redis_url.replace("redis://", "redis://worker:secret@"))
        store.check_identity(b"key")
        features = OnlineFeatures(store)
        for offset in (0, 1, 1, 2):
            process(features, offset)
        store.report([(PAYEE_REPORTS + bytes(8), bytes(16))])
        assert store.memory().evicted_keys == 0
        store.close()
    finally:
        client.acl_deluser("worker")


# What may not -----------------------------------------------------------------------------------------------------


def test_a_log_of_another_type_is_fatal_and_moves_no_offset(client: redis.Redis, store: RedisEntityStore) -> None:
    client.lpush(PAYER_KEY, b"x")
    with pytest.raises(StoreCorruptError):
        process(OnlineFeatures(store), 0)
    assert store.next_offsets([b"transactions:0"]) == [None]


@pytest.mark.parametrize("expected", [bytes(8), bytes(4) + b"\xff" * 4, b"\x01" + bytes(7)])
def test_a_log_of_another_type_that_is_only_read_is_fatal(
    client: redis.Redis, store: RedisEntityStore, expected: bytes
) -> None:
    client.lpush(key(PAYEE, ALICE.to_bytes(8, "little")), b"x")
    reads = b"".join(PAYEE + identity.to_bytes(8, "little") + expected for identity in (SHOP, ALICE))
    with pytest.raises(StoreCorruptError):
        store.apply(ApplyRequest(b"", reads, b"", b"", []))


def test_a_log_of_another_type_that_should_not_be_there_is_fatal(client: redis.Redis, store: RedisEntityStore) -> None:
    client.lpush(key(PAYEE, ALICE.to_bytes(8, "little")), b"x")
    absent = b"".join(PAYEE + identity.to_bytes(8, "little") for identity in (SHOP, ALICE))
    with pytest.raises(StoreCorruptError):
        store.apply(ApplyRequest(b"", b"", absent, b"", []))


def test_an_outcome_log_that_cannot_be_read_degrades(client: redis.Redis, store: RedisEntityStore) -> None:
    features = OnlineFeatures(store)
    process(features, 0)
    client.lpush(RISK_KEY, b"x")
    applied = store.apply(ApplyRequest(b"", PAYEE_REPORTS + SHOP.to_bytes(8, "little") + bytes(8), b"", b"", []))
    assert list(applied.totals) == [-1]
    batch = process(features, 1)
    assert batch.state.tolist() == [FeatureState.DEGRADED]
    assert np.isnan(batch.vectors[0, [FEATURE_NAMES.index(name) for name in REPORTED]]).all()
    client.delete(RISK_KEY)
    assert process(features, 2).state.tolist() == [FeatureState.FULL]


# Expiry -----------------------------------------------------------------------------------------------------------


def test_logs_expire_a_day_after_the_longest_window(client: redis.Redis, store: RedisEntityStore) -> None:
    process(OnlineFeatures(store), 0)
    for name in client.scan_iter("[pmd]*"):
        assert EXPIRY - DAY < client.pttl(name) <= EXPIRY


def test_expiry_is_pushed_out_by_the_next_micro_batch_once_a_day(client: redis.Redis, store: RedisEntityStore) -> None:
    features = OnlineFeatures(store)
    process(features, 0)
    client.pexpire(PAYER_KEY, 1_000_000)
    process(features, 1, step=1_000)  # the same day
    process(features, 2, step=1_000)
    assert client.pttl(PAYER_KEY) <= 1_000_000
    process(features, 3, step=DAY)  # three days later
    process(features, 4, step=DAY)
    assert client.pttl(PAYER_KEY) > EXPIRY - DAY


def test_new_logs_get_their_expiry_with_the_next_micro_batch(client: redis.Redis, store: RedisEntityStore) -> None:
    features = OnlineFeatures(store)
    process(features, 0)
    for shop in (71, 72):
        payment = Payment(shop, START + 5_000, 100, shop, shop, PHONE)
        origin, claims = (
            Origin(b"transactions:0", shop, shop + 1),
            Claims(np.zeros(1, dtype=np.uint16), np.array([shop])),
        )
        features.process(columns_of([payment]), claims, [origin])
    first, last = (key(PAYEE, shop.to_bytes(8, "little")) for shop in (71, 72))
    assert [client.pttl(first) > 0, client.pttl(last)] == [True, -1]
    store.close()  # or when the worker ends
    assert all(client.pttl(name) > 0 for name in client.scan_iter("[pmd]*"))


def test_a_new_log_whose_worker_died_gets_its_expiry_when_the_payment_comes_again(
    client: redis.Redis, store: RedisEntityStore, redis_url: str
) -> None:
    features = OnlineFeatures(store)
    process(features, 0)
    payment = columns_of([Payment(9, START + 5_000, 100, 71, 71, PHONE)])
    arguments = payment, Claims(np.zeros(1, dtype=np.uint16), np.array([1])), [Origin(b"transactions:0", 1, 2)]
    features.process(*arguments)
    assert client.pttl(key(PAYEE, (71).to_bytes(8, "little"))) == -1
    OnlineFeatures(RedisEntityStore(redis_url)).process(*arguments)
    assert all(client.pttl(name) > 0 for name in client.scan_iter("[pmd]*"))


def test_housekeeping_gives_logs_an_expiry_that_have_none(client: redis.Redis, store: RedisEntityStore) -> None:
    process(OnlineFeatures(store), 0)
    client.persist(PAYER_KEY)
    assert [store.give_expiries(), store.give_expiries()] == [1, 0]
    assert client.pttl(PAYER_KEY) > EXPIRY - DAY
    assert client.ttl(offset_key(b"transactions:0")) == -1


def test_folding_keeps_the_expiry(client: redis.Redis, store: RedisEntityStore) -> None:
    name = PAYEE + bytes(8)
    store.load([(name, bytes(32) * 300)], {})
    client.pexpire(key(PAYEE, bytes(8)), 1_000_000)
    assert store.fold(name, 0, bytes(48), 256)
    assert 0 < client.pttl(key(PAYEE, bytes(8))) <= 1_000_000


def test_two_workers_at_once_share_one_order(redis_url: str) -> None:
    """Two threads, each a worker with partitions of its own, pay one shop: no position is given twice."""
    batches: dict[int, list[FeatureBatch]] = {0: [], 1: []}

    def work(worker: int) -> None:
        store = RedisEntityStore(redis_url)
        features = OnlineFeatures(store, 8 << 20)
        for at in range(0, 600, 20):
            payments = [
                Payment(1 + 1_000 * worker + at + k, START + (at + k) * 5_000, 100, 1 + worker, SHOP, PHONE)
                for k in range(20)
            ]
            claims = Claims(np.zeros(20, dtype=np.uint16), np.arange(at, at + 20))
            origin = Origin(b"transactions:%d" % worker, at, at + 20)
            batches[worker].append(features.process(columns_of(payments), claims, [origin]))
        store.close()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(found) == 30 for found in batches.values())
    provenance = np.concatenate([batch.provenance for found in batches.values() for batch in found])
    vectors = np.concatenate([batch.vectors for found in batches.values() for batch in found])
    assert sorted(provenance["payee_at"].tolist()) == list(range(1_200))
    assert sorted(provenance["device_at"].tolist()) == list(range(1_200))

    from features.history import history_vectors

    order = np.argsort(provenance["payee_at"])
    columns = columns_of(
        [
            Payment(
                int.from_bytes(row["record"][16:24].tobytes(), "little"),
                int.from_bytes(row["record"][:6].tobytes(), "little"),
                100,
                int(row["payer"]),
                SHOP,
                PHONE,
            )
            for row in provenance[order]
        ]
    )
    assert vectors[order].tobytes() == history_vectors(columns)[0].tobytes()
