"""What may be delivered, again or for the first time, and what comes of it: one example a law."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from features.columns import FeatureState
from features.errors import StoreRolledBackError, StoreUnavailableError
from features.online import MAX_PAYMENTS, FeatureBatch, OnlineFeatures
from features.rebuild import RebuildInput
from features.replica import fold as folding
from features.schema import FEATURE_NAMES
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from features.store.provenance import read_provenance
from features.windows import BLOCK, SUPER
from tests.fixtures.feature_deployment import Deployment
from tests.fixtures.log_order import check_both_parts
from tests.fixtures.payment_streams import START, Script, Stretch, identity
from tests.oracle import DAY, SECOND, Payment, columns_of


def test_a_payment_delivered_again_long_after_is_late() -> None:
    """Its position was folded away: it takes the current one, says so, and is not counted again."""
    payments = [Payment(n + 1, START + n * 2 * SECOND, 100 + n, identity(n % 7), identity(99)) for n in range(3_000)]
    deployment = Deployment(MemoryEntityStore(), payments, seed=1, partitions=1)
    batches = [list(range(at, at + 100)) for at in range(0, 3_000, 100)]
    for batch in batches:
        deployment.first(0, batch)
    assert deployment.store.folds > 0
    stored = {name: bytes(log) for name, log in deployment.store._store.logs.items()}
    again = deployment.call(1, batches[0])
    assert set(again.state.tolist()) == {FeatureState.LATE}
    deployment.assert_repeats(batches[-1], deployment.call(1, batches[-1]))
    assert {name: bytes(log) for name, log in deployment.store._store.logs.items()} == stored
    assert again.provenance["payee_at"].tolist() == [len(payments) - 1] * 100
    assert again.vectors[:, FEATURE_NAMES.index("payee_count_7d")].tolist() == [len(payments)] * 100
    deployment.assert_like_history()


def test_a_retry_long_after_a_lost_reply_appends_nothing() -> None:
    """While one worker waits to try again, the other goes on, and what the first had applied is folded away."""
    payments = [Payment(n + 1, START + n * 2 * SECOND, 100 + n, identity(1), identity(n % 40)) for n in range(5_000)]
    deployment = Deployment(MemoryEntityStore(), payments, seed=1, partitions=2)
    waiting, others = deployment.rows[0][:20], deployment.rows[1]
    deployment.store.lose_reply = True
    with pytest.raises(StoreUnavailableError):
        deployment.call(0, waiting)
    deployment.hold_positions(waiting)
    for at in range(0, len(others), 100):
        deployment.first(1, others[at : at + 100])
    assert deployment.store.folds > 0
    found = deployment.call(0, waiting)
    assert set(found.state.tolist()) == {FeatureState.LATE}
    deployment.keep(waiting, found)
    deployment.first(0, deployment.rows[0][20:1000])
    deployment.assert_like_history()


def test_what_was_applied_is_appended_by_nobody_again() -> None:
    """Every micro-batch again, by both workers: the store stays as it is."""
    payments = Script(
        3, (Stretch(150, "seconds", "jitter", 5, 5, 3), Stretch(150, "minutes", "some hours", 5, 5, 3))
    ).payments()
    store = MemoryEntityStore()
    deployment = Deployment(store, payments, seed=5)
    while not deployment.done:
        deployment.first(deployment.random.randrange(2), deployment.next_batch(20))
    before = {name: bytes(log) for name, log in store.logs.items()}, dict(store.offsets)
    for batch in list(deployment.batches):
        for worker in range(2):
            deployment.assert_repeats(batch, deployment.call(worker, batch))
    assert ({name: bytes(log) for name, log in store.logs.items()}, store.offsets) == before


def test_a_micro_batch_may_mix_new_payments_with_old_ones() -> None:
    """After a rebalance a worker gets the tail of what another had applied, and goes on behind it."""
    payments = Script(4, (Stretch(400, "seconds", "jitter", 5, 3, 3),)).payments()
    deployment = Deployment(MemoryEntityStore(), payments, seed=5, partitions=1)
    deployment.first(0, list(range(300)))
    mixed = list(range(250, 400))
    found = deployment.call(1, mixed)
    deployment.assert_repeats(mixed[:50], FeatureBatch(found.vectors[:50], found.state[:50], found.provenance[:50]))
    deployment.hold_positions(mixed[50:])
    deployment.keep(mixed[50:], FeatureBatch(found.vectors[50:], found.state[50:], found.provenance[50:]))
    deployment.assert_like_history()


@pytest.mark.slow
def test_more_than_two_super_blocks_of_records_behind_a_fold() -> None:
    """A slow start that is folded, then a burst of 17,000 payments within minutes, of which nothing may go.

    Replicas grow through all their sizes; super-blocks do not begin where the kept records do.
    """
    slow = [START + n * 2 * SECOND for n in range(3_000)]
    times = slow + [slow[-1] + n * 40 - n % 7 * 30 for n in range(17_000)]
    payments = [Payment(n + 1, at, 100 + n % 977, identity(n % 5_003), identity(9_999)) for n, at in enumerate(times)]
    deployment = Deployment(MemoryEntityStore(), payments, seed=7, partitions=1, budget=64 << 20)
    while not deployment.done:
        deployment.first(deployment.random.randrange(2), deployment.next_batch(900))
    replicas = deployment.workers[0]._replicas
    slot = replicas.slot_of(b"m" + identity(9_999).to_bytes(8, "little"))
    log = replicas.logs.slots[slot]
    assert log["folded"] % (BLOCK * SUPER) > 0
    assert log["length"] - log["folded"] > 2 * BLOCK * SUPER
    deployment.assert_like_history()


@pytest.mark.slow
def test_logs_that_do_not_fit_together_are_measured_one_after_the_other() -> None:
    """Forty folded logs in one micro-batch, and memory for a few of them."""
    shops = 40
    payments = [
        Payment(n + 1, START + n * 200, 100 + n % 977, identity(1_000 + n % 5_003), identity(n % shops))
        for n in range(shops * 400)
    ]
    deployment = Deployment(MemoryEntityStore(), payments, seed=7, partitions=1, budget=1 << 20)
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        while not deployment.done:
            deployment.first(deployment.random.randrange(2), deployment.next_batch(4_000))
    assert deployment.store.folds > 0
    deployment.assert_like_history()


@pytest.mark.parametrize("count", [0, 1, MAX_PAYMENTS])
def test_a_micro_batch_of_any_size(count: int) -> None:
    payments = Script(8, (Stretch(MAX_PAYMENTS, "seconds", "jitter", 40, 40, 30),)).payments()[:count]
    deployment = Deployment(MemoryEntityStore(), payments, seed=7, partitions=1)
    found = deployment.call(0, list(range(count)))
    assert found.vectors.shape == (count, len(FEATURE_NAMES))
    deployment.hold_positions(list(range(count)))
    deployment.keep(list(range(count)), found)
    deployment.assert_like_history()


def test_a_micro_batch_without_payments_moves_the_offsets() -> None:
    """All its records were rejected: they must not come again."""
    store = MemoryEntityStore()
    columns = columns_of([])
    nothing = Claims(np.zeros(0, dtype=np.uint16), np.zeros(0, dtype=np.int64))
    OnlineFeatures(store, 1 << 20).process(columns, nothing, [Origin(b"transactions:0", 5, 9)])
    assert store.next_offsets([b"transactions:0"]) == [9]


def test_more_payments_than_fit_are_refused() -> None:
    payments = [Payment(n + 1, START, 1, 1, 2) for n in range(MAX_PAYMENTS + 1)]
    deployment = Deployment(MemoryEntityStore(), payments, seed=1, partitions=1)
    with pytest.raises(ValueError, match="4096"):
        deployment.call(0, list(range(MAX_PAYMENTS + 1)))


def test_a_store_that_was_rolled_back_changes_nothing() -> None:
    store = MemoryEntityStore()
    deployment = Deployment(store, [Payment(1, START, 1, 1, 2)], seed=1, partitions=1)
    columns = deployment.columns
    claims = Claims(np.zeros(1, dtype=np.uint16), np.array([7]))
    with pytest.raises(StoreRolledBackError):
        deployment.workers[0].process(columns, claims, [Origin(b"transactions:0", 7, 8, expected=7)])
    assert not store.logs
    assert not store.offsets


def test_a_rebuilt_store_goes_on_as_the_lost_one_would_have() -> None:
    """What the verdicts keep, in any order, is enough: the next vectors are those of the whole history."""
    stretches = Stretch(900, "seconds", "some minutes", 40, 1, 3), Stretch(300, "minutes", "some hours", 5, 5, 3)
    deployment = Deployment(MemoryEntityStore(), Script(9, stretches).payments(), seed=5)
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        while deployment.taken[0] < 300:
            deployment.first(deployment.random.randrange(2), deployment.next_batch(30))
    assert deployment.store.folds > 0
    kept = RebuildInput()
    rows = list(deployment.provenance.values())
    deployment.random.shuffle(rows)
    kept.add([row.tobytes() for row in rows[:100]])
    kept.add([row.tobytes() for row in rows[100:]])
    rebuilt = MemoryEntityStore()
    logs = [log for batch in kept.batches(7) for log in batch]
    rebuilt.load(logs, deployment.store._store.offsets)
    assert len(kept) == len(rows)
    assert kept.count_logs() == len(logs) == len(rebuilt.logs)
    deployment.store._store = rebuilt
    for worker in range(2):
        deployment.restart(worker)
    deployment.assert_repeats(deployment.batches[-1], deployment.call(0, deployment.batches[-1]))
    while not deployment.done:
        deployment.first(deployment.random.randrange(2), deployment.next_batch(30))
    deployment.assert_like_history()


# Read again from far back ------------------------------------------------------------------------------------------


def test_what_was_never_appended_is_late_and_counts_nowhere() -> None:
    """It was rejected when it came: its own windows are those of its parties as they stand, without it."""
    payments = [Payment(n + 1, START + n * SECOND, 100, identity(1), identity(2), identity(3)) for n in range(5)]
    store = MemoryEntityStore()
    deployment = Deployment(store, payments, seed=1, partitions=1)
    deployment.first(0, [0, 1, 2])
    deployment.call(0, [4])  # and 3 was passed over
    before = {name: bytes(log) for name, log in store.logs.items()}
    found = deployment.call(1, [3])
    assert found.state.tolist() == [FeatureState.LATE]
    assert found.vectors[0, FEATURE_NAMES.index("payer_count_24h")] == 4
    assert {name: bytes(log) for name, log in store.logs.items()} == before


@pytest.mark.parametrize("gone", [b"p", b"m", b"d", b"pmd"])
def test_a_payment_from_before_its_logs_expired_is_late_and_alone_in_them(gone: bytes) -> None:
    payments = [
        Payment(1, START, 700, identity(1), identity(2), identity(3), latitude=12.9, longitude=77.6),
        Payment(2, START + 40 * DAY, 100, identity(4), identity(5), identity(6)),
    ]
    store = MemoryEntityStore()
    deployment = Deployment(store, payments, seed=1, partitions=1)
    deployment.first(0, [0, 1])
    for kind, party in zip(b"pmd", (1, 2, 3), strict=True):
        if kind in gone:
            del store.logs[bytes([kind]) + identity(party).to_bytes(8, "little")]
    before = {name: bytes(log) for name, log in store.logs.items()}
    for order in ([0], [1, 0]):
        worker = OnlineFeatures(store, 1 << 20, clock=lambda: (START + 40 * DAY) / 1000)
        columns, claims, origins = deployment._arguments(order)
        found = worker.process(columns, claims, origins)
        at = order.index(0)
        assert found.state[at] == FeatureState.LATE
        for name, kind in (("payer_count_30d", b"p"), ("payee_count_30d", b"m")):
            assert found.vectors[at, FEATURE_NAMES.index(name)] == 1, kind
        assert found.vectors[at, FEATURE_NAMES.index("payer_sum_30d")] == 700
        assert np.isnan(found.vectors[at, FEATURE_NAMES.index("device_count_30d")]) == (b"d" in gone)
    assert {name: bytes(log) for name, log in store.logs.items()} == before


def test_a_repeated_status_from_another_device_is_found_where_the_first_is() -> None:
    """Its claim has been forgotten, so it comes as a payment; the device that it names never got it."""
    first = Payment(1, START, 700, identity(1), identity(2), identity(3))
    again = Payment(1, START, 700, identity(1), identity(2), identity(4))
    store = MemoryEntityStore()
    deployment = Deployment(store, [first, again], seed=1, partitions=1)
    before = deployment.first(0, [0])
    store.offsets[b"transactions:0"] = 2
    logs = {name: bytes(log) for name, log in store.logs.items()}
    found = deployment.call(1, [1])
    assert found.provenance["payer_at"].tolist() == before.provenance["payer_at"].tolist() == [0]
    assert found.state.tolist() == [FeatureState.LATE]
    assert {name: bytes(log) for name, log in store.logs.items()} == logs


# Both parts of a party ----------------------------------------------------------------------------------------------


def test_what_was_paid_out_and_what_was_received_say_the_same_order_and_a_wrong_one_is_noticed() -> None:
    """What the chaos tests hold of the store's own numbers, after any delivery again."""
    payments = Script(11, (Stretch(300, "minutes", "jitter", 5, 5, 3),)).payments()
    deployment = Deployment(MemoryEntityStore(), payments, seed=5)
    while not deployment.done:
        batch = deployment.next_batch(20)
        deployment.first(deployment.random.randrange(2), batch)
        again = deployment.call(0, batch)
        deployment.provenance.update(zip(batch, again.provenance, strict=True))
    kept = read_provenance([row.tobytes() for row in deployment.provenance.values()])
    check_both_parts(kept)
    for field, wrong in (("outbound_upto", 1), ("outbound_upto", -1), ("inbound_upto", 1)):
        shifted = kept.copy()
        shifted[field][150] += wrong
        with pytest.raises(AssertionError):
            check_both_parts(shifted)
