"""Online = history, bit for bit, whatever happens between workers and the store.

partition 0   --a--b-----c--------          any split, any interleaving,
partition 1   -----d--e-----f-----    =>    overlap, replies lost, batches  =>    the vectors of the history
partition 2   --g-----------h--i--          again, folds, restarts at any time    in the order the store decided
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features.errors import StoreUnavailableError
from features.replica import fold as folding
from features.store.memory_store import MemoryEntityStore
from features.store.redis_store import RedisEntityStore
from features.windows import BLOCK
from tests.fixtures.feature_deployment import Deployment
from tests.fixtures.payment_streams import Script, dense_scripts, scripts

if TYPE_CHECKING:
    from features.online import FeatureBatch

FIXTURE = HealthCheck.function_scoped_fixture
seeds = st.integers(0, 2**32)


def run(deployment: Deployment, most: int) -> None:
    """Deliver everything, each micro-batch to a worker drawn at random; replies get lost, workers die."""
    r = deployment.random
    while not deployment.done:
        worker, batch = r.randrange(2), deployment.next_batch(most)
        deployment.store.refuse_folds = r.random() < 0.3
        if r.random() < 0.4:
            following = [deployment.next_batch(most) for _ in range(r.randrange(3))]
            deployment.overlap(worker, [batch, *filter(None, following)])
            continue
        fate = r.choice(("arrives", "arrives", "request lost", "reply lost", "reply lost, worker dies"))
        deployment.store.lose_request = fate == "request lost"
        deployment.store.lose_reply = fate.startswith("reply lost")
        if fate != "arrives":
            with pytest.raises(StoreUnavailableError):
                deployment.call(worker, batch)
            if fate != "request lost":  # else its partitions stand still
                deployment.hold_positions(batch)
                if r.random() < 0.5 and not deployment.done:
                    deployment.first(1 - worker, deployment.next_batch(most))
        if fate == "reply lost, worker dies":
            deployment.restart(worker)
            worker = r.randrange(2)
        found = deployment.call(worker, batch)
        if not fate.startswith("reply lost"):
            deployment.hold_positions(batch)
        deployment.keep(batch, found)
        if r.random() < 0.3:
            deployment.assert_repeats(batch, deployment.call(r.randrange(2), batch))
        if r.random() < 0.2:
            earlier = r.choice(deployment.batches)
            deployment.assert_repeats(earlier, deployment.call(r.randrange(2), earlier))
        if r.random() < 0.1:
            deployment.restart(r.randrange(2))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(scripts(max_payments=60), seeds, st.sampled_from((1, 3, 40)))
def test_online_is_history_in_the_order_the_store_decided(script: Script, seed: int, most: int) -> None:
    deployment = Deployment(MemoryEntityStore(), script.payments(), seed=seed)
    run(deployment, most)
    deployment.assert_like_history()


# Thousands of payments a case shrink too slowly to be worth waiting for: the seed says it all.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, phases=WITHOUT_SHRINKING)
@given(dense_scripts(), seeds, st.sampled_from((BLOCK, 4 * BLOCK)), st.sampled_from((4 << 20, 64 << 20)))
def test_folding_at_any_moment_cannot_be_seen(script: Script, seed: int, least: int, budget: int) -> None:
    deployment = Deployment(MemoryEntityStore(), script.payments(), seed=seed, budget=budget)
    with patch.object(folding, "FOLD_RECORDS", least):
        run(deployment, 60)
    deployment.assert_like_history()


@pytest.mark.servers
@settings(max_examples=10, deadline=None, phases=WITHOUT_SHRINKING, suppress_health_check=[FIXTURE])
@given(script=st.one_of(scripts(max_payments=60), dense_scripts()), seed=seeds, most=st.sampled_from((3, 80)))
def test_redis_gives_the_vectors_of_the_history_too(redis_url: str, script: Script, seed: int, most: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    store = RedisEntityStore(redis_url)
    deployment = Deployment(store, script.payments(), seed=seed)
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        run(deployment, most)
    deployment.assert_like_history()
    store.close()


@pytest.mark.slow
@settings(max_examples=15, deadline=None, phases=WITHOUT_SHRINKING)
@given(dense_scripts(), seeds)
def test_what_others_do_between_a_call_and_its_fetch_cannot_be_seen(script: Script, seed: int) -> None:
    """The other worker appends and folds while this one, which has to read a log anew, still waits for it."""
    deployment = Deployment(MemoryEntityStore(), script.payments(), seed=seed)
    r = deployment.random
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        while not deployment.done:
            worker, batch = r.randrange(2), deployment.next_batch(40)
            other = deployment.next_batch(40) if not deployment.done else []
            order: list[tuple[list[int], FeatureBatch]] = []

            def meanwhile(other: list[int] = other, worker: int = worker, order: list = order) -> None:
                if other:
                    order.append((other, deployment.call(1 - worker, other)))

            deployment.store.before_fetch = meanwhile
            found = deployment.call(worker, batch)
            deployment.store.before_fetch = lambda: None
            for rows in (batch, *(rows for rows, _ in order)):
                deployment.hold_positions(rows)
            deployment.keep(batch, found)
            for rows, vectors in order:
                deployment.keep(rows, vectors)
            if other and not order:
                deployment.first(1 - worker, other)
    deployment.assert_like_history()
