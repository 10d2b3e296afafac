"""Liveness and readiness: when each fails, and what is said then."""

from __future__ import annotations

import pytest

from stream.running.health import Health

STALL, REBALANCE = 60, 120


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def health(clock, told):
    health = Health(
        clock, stall_seconds=STALL, rebalance_seconds=REBALANCE, on_server=lambda server, up: told.append((server, up))
    )
    health.rebalance_ended()
    return health


def test_a_worker_without_partitions_is_alive_but_not_ready(clock):
    health = Health(clock, stall_seconds=STALL, rebalance_seconds=REBALANCE)
    assert health.live().ok
    assert health.ready().reasons == ("no partitions were assigned yet",)


def test_a_worker_at_work_is_alive_and_ready(health):
    health.lag(1000)
    assert health.live().as_json() == {"status": "ok", "reasons": [], "waiting_for": {}}
    assert health.ready().ok


def test_lag_without_progress_fails_liveness_once_it_lasts(health, clock):
    health.lag(1000)
    clock.now += STALL
    health.lag(1000)
    assert health.live().ok
    clock.now += 1
    health.lag(1000)
    assert health.live().reasons == ("1000 records behind, but nothing was finished for 61 s",)
    health.progress()
    assert health.live().ok


def test_silence_without_lag_is_no_stall_and_the_first_lag_after_it_starts_the_clock(health, clock):
    health.lag(0)
    clock.now += 10 * STALL
    health.lag(5)
    assert health.live().ok


def test_a_declared_wait_keeps_liveness_and_fails_readiness(health, clock, told):
    health.lag(1000)
    with health.waiting_for("redis"):
        clock.now += 10 * STALL
        health.lag(5000)
        assert health.live().ok
        assert health.live().waiting_for == {"redis": 600}
        assert health.ready().as_json() == {
            "status": "failing", "reasons": ["waiting for redis"], "waiting_for": {"redis": 600},
        }  # fmt: skip
    assert health.live().ok, "the time of the wait is not held against the worker"
    assert health.ready().ok
    assert told == [("redis", False), ("redis", True)]


def test_waits_for_one_server_may_overlap_and_last_from_first_to_last(health, clock, told):
    health.wait_began("redis")
    clock.now += 5
    health.wait_began("redis")
    health.wait_ended("redis")
    assert health.ready().waiting_for == {"redis": 5}
    health.wait_ended("redis")
    assert health.ready().ok
    assert told == [("redis", False), ("redis", True)]


def test_a_rebalance_fails_readiness_and_after_too_long_liveness(health, clock):
    health.rebalance_began()
    assert health.ready().reasons == ("rebalancing",)
    clock.now += REBALANCE
    assert health.live().ok
    clock.now += 1
    assert health.live().reasons == ("rebalancing for 121 s",)
    health.rebalance_ended()
    assert health.live().ok


def test_an_event_loop_that_stands_still_fails_liveness(health, clock):
    health.lag(0)
    clock.now += STALL + 1
    assert health.live().reasons == ("the event loop has not run for 61 s",)


def test_a_worker_that_drains_is_not_ready(health):
    health.stopping()
    assert health.ready().reasons == ("draining, about to stop",)
    assert health.live().ok
