"""Online = history, bit for bit, whatever happens between workers and the store.

partition 0   --a--b-----c--------          any split, any interleaving,
partition 1   -----d--e-----f-----    =>    replies lost, batches again,    =>    the vectors of the history
partition 2   --g-----------h--i--          folds and restarts at any time        in the order the store decided
"""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features import fold as folding
from features.errors import StoreUnavailableError
from features.history import history_vectors
from features.memory_store import MemoryEntityStore
from features.windows import BLOCK
from tests.fixtures.feature_deployment import Deployment
from tests.fixtures.payment_streams import Script, dense_scripts, scripts

NO_DEVICE = -1
seeds = st.integers(0, 2**32)


def assert_like_history(deployment: Deployment) -> None:
    """Vectors, states and positions are those of the order in which the store got the payments."""
    order = np.array(deployment.order)
    vectors, states = history_vectors(deployment.columns.take(order))
    assert deployment.vectors[order].tobytes() == vectors.tobytes()
    assert deployment.states[order].tolist() == states.tolist()
    places = deployment.oracle.places
    for row, (payer_at, payee_at, device_at, inbound) in zip(order.tolist(), places, strict=True):
        found = deployment.provenance[row]
        assert found["payer_at"] == payer_at
        assert found["payee_at"] == payee_at
        assert found["device_at"] == (NO_DEVICE if device_at is None else device_at)
        assert found["inbound_upto"] == inbound


def run(deployment: Deployment, most: int) -> None:
    """Deliver everything, each micro-batch to a worker drawn at random; replies get lost, workers die."""
    r = deployment.random
    while not deployment.done:
        worker, batch = r.randrange(2), deployment.next_batch(most)
        deployment.store.refuse_folds = r.random() < 0.3
        fate = r.choice(("arrives", "arrives", "request lost", "reply lost", "reply lost, worker dies"))
        deployment.store.lose_request = fate == "request lost"
        deployment.store.lose_reply = fate.startswith("reply lost")
        claimed = r.random() < 0.2  # claimed by a worker that died before it came to apply
        if fate != "arrives":
            with pytest.raises(StoreUnavailableError):
                deployment.call(worker, batch, claimed=claimed)
        if fate == "reply lost, worker dies":
            deployment.restart(worker)
            worker, claimed = r.randrange(2), True
        deployment.first(worker, batch, claimed=claimed)
        if r.random() < 0.3:
            deployment.assert_repeats(batch, deployment.call(r.randrange(2), batch, claimed=r.random() < 0.5))
        if r.random() < 0.1:
            deployment.restart(r.randrange(2))


@settings(max_examples=40, deadline=None)
@given(scripts(max_payments=60), seeds, st.sampled_from((1, 3, 40)))
def test_online_is_history_in_the_order_the_store_decided(script: Script, seed: int, most: int) -> None:
    deployment = Deployment(MemoryEntityStore(), script.payments(), seed=seed)
    run(deployment, most)
    assert_like_history(deployment)


# Thousands of payments a case shrink too slowly to be worth waiting for: the seed says it all.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=25, deadline=None, phases=WITHOUT_SHRINKING)
@given(dense_scripts(), seeds, st.sampled_from((BLOCK, 4 * BLOCK)), st.sampled_from((4 << 20, 64 << 20)))
def test_folding_at_any_moment_cannot_be_seen(script: Script, seed: int, least: int, budget: int) -> None:
    deployment = Deployment(MemoryEntityStore(), script.payments(), seed=seed, budget=budget)
    with patch.object(folding, "FOLD_RECORDS", least):
        run(deployment, 60)
    assert_like_history(deployment)
