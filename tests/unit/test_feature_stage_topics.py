"""Which topics the offsets are of: another of the same name, or a shorter log, is refused and nothing is applied."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from features.online import OnlineFeatures
from features.store.memory_store import MemoryEntityStore
from stream.errors import TopicRenewedError
from stream.running.health import Health
from stream.running.retry import Retry, Server
from stream.stages.feature_stage import FeatureStage, StoreBehindError

TOPIC, PARTITION = "transactions", ("transactions", 0)


def stage(store: MemoryEntityStore) -> FeatureStage:
    retry = Retry(Server.REDIS, Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=60), threading.Event())
    return FeatureStage(store, OnlineFeatures(store, 1 << 20), retry)


def begin(features: FeatureStage, committed: int | None, topic_id: str | None, shorter: Any = ()) -> dict[Any, int]:
    """Ask as the hooks do when a partition comes."""
    features.reached({PARTITION: committed}, {TOPIC: topic_id})
    return features.starts({PARTITION: committed}, {TOPIC: topic_id}, dict(shorter))


def test_a_topic_is_known_from_its_first_assignment_on() -> None:
    store = MemoryEntityStore()
    store.load([], {b"transactions:0": 5_000})  # by a version that kept no ids
    assert begin(stage(store), 5_100, "one") == {PARTITION: 5_000}
    assert store.topic_id(b"transactions") == b"one"
    with pytest.raises(TopicRenewedError, match=r"transactions was made anew.*one.*two.*`upifraud accept-topic trans"):
        begin(stage(store), None, "two")
    assert begin(stage(store), 5_000, None) == {}, "a broker without ids"


def test_a_log_that_ends_before_what_was_worked_on_is_refused() -> None:
    store = MemoryEntityStore()
    store.load([], {b"transactions:0": 5_000})
    features = stage(store)
    assert features.reached({PARTITION: 4_000, ("transactions", 1): None}, {TOPIC: "one"}) == {PARTITION: 5_000}
    assert features.reached({PARTITION: 6_000}, {TOPIC: "one"}) == {PARTITION: 6_000}
    with pytest.raises(TopicRenewedError, match=r"transactions\[0\] ends at 20.*rebuild-features --force"):
        begin(features, None, "one", {PARTITION: 20})
    assert store.topic_id(b"transactions") is None, "what is refused is not kept"


def test_an_accepted_topic_begins_where_it_was_told_to() -> None:
    store = MemoryEntityStore()
    store.load([], {b"transactions:0": 5_000})
    store.keep_topic_id(b"transactions", b"one")
    store.begin_topic(b"transactions", b"two", {b"transactions:0": 0})
    assert begin(stage(store), None, "two") == {}
    assert begin(stage(store), 7, "two") == {PARTITION: 0}


def test_a_topic_made_anew_while_it_is_read_is_read_no_further() -> None:
    store = MemoryEntityStore()
    features = stage(store)
    begin(features, None, "one")
    features.watch({TOPIC: "one"})
    features.watch({TOPIC: None})
    features.report([])
    features.watch({TOPIC: "two"})
    with pytest.raises(TopicRenewedError, match="made anew"):
        features.report([])


def test_a_store_that_was_wiped_is_still_waited_for() -> None:
    with pytest.raises(StoreBehindError, match="rebuild-features"):
        begin(stage(MemoryEntityStore()), 5, "one")
