"""Partitions among pods: everything is read by somebody, evenly, and little moves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from deploy.autoscaling.group import Group, Pace
from deploy.autoscaling.hpa import Bounds
from deploy.autoscaling.keda import KafkaTrigger, PrometheusTrigger, ScaledObject, ScaledObjectError
from deploy.autoscaling.simulation import Cluster, simulate

PACE = Pace(rate=100, start_seconds=10, move_seconds=2, commit_seconds=1, pipeline_seconds=0)


@pytest.mark.parametrize("pods", [1, 3, 5, 7, 12])
def test_no_pod_has_two_partitions_more_than_another(pods: int):
    group = Group(12, PACE)
    group.share(list(range(pods)), 0)
    assert sorted(Counter(group.owner.tolist())) == list(range(pods))
    assert np.ptp(list(Counter(group.owner.tolist()).values())) <= 1


def test_a_pod_that_joins_takes_only_its_share():
    group = Group(12, PACE)
    group.share([0, 1, 2], 0)
    before = group.owner.copy()
    group.share([0, 1, 2, 3], 100)
    moved = group.owner != before
    assert moved.sum() == 3
    assert set(group.owner[moved]) == {3}
    assert (group.resumes_at[moved] == 102).all()
    assert (group.resumes_at[~moved] == 2).all()


def test_a_pod_that_leaves_gives_up_only_its_share():
    group = Group(12, PACE)
    group.share([0, 1, 2, 3], 0)
    before = group.owner.copy()
    group.share([0, 1, 2], 100)
    assert set(before[group.owner != before]) == {3}


def test_what_a_partition_leaves_of_its_pod_goes_to_the_others():
    group = Group(4, PACE)
    group.share([0], 0)
    group.waiting[:] = (10, 0, 500, 500)
    group.serve(10, 1)
    assert group.waiting.tolist() == [0, 0, 455, 455]


def test_work_that_is_done_is_lag_until_it_is_committed():
    group = Group(2, PACE)
    group.share([0], 0)
    group.waiting[:] = 20
    group.serve(10, 1)
    assert group.waiting.sum() == 0
    assert group.lags().sum() == 20  # 40 a second, committed every second: half of it on average


def course(load, triggers, seconds=1200, bounds=None, **more):
    scaled = ScaledObject(bounds or Bounds(3, 12), triggers)
    return simulate(scaled, Cluster(12, PACE), load, seconds, **more)


LAG = KafkaTrigger("transactions", 500)


def test_payments_are_neither_made_nor_lost():
    run = course(lambda now: 250 if now < 600 else 700, (LAG,))
    done = run.load.sum() - run.lag[-1]
    assert 0 < done <= run.load.sum()
    assert run.lag.min() >= 0


def test_lag_within_the_means_changes_nothing():
    assert set(course(lambda _now: 200, (LAG,)).replicas) == {3}


def test_lag_beyond_them_brings_pods_after_they_have_started():
    run = course(lambda now: 200 if now < 300 else 800, (LAG,), 600)
    first = int(np.argmax(run.replicas > 3))
    joined = int(np.argmax(run.working > 3))
    assert 300 < first <= 330
    assert joined - first == 10
    assert run.replicas.max() == 12


def test_lag_alone_lets_go_what_a_steady_load_needs():
    """The reason for a trigger on throughput: pods without backlog look idle to the lag."""
    lag_only = course(lambda _now: 800, (LAG,), 3600)
    assert lag_only.behind[1800:].max() > 10
    rate = PrometheusTrigger("sum(rate(transactions_consumed_total[1m]))", 70)
    both = course(lambda _now: 800, (LAG, rate), 3600)
    assert both.behind[1800:].max() < 2
    assert set(both.replicas[1800:]) == {12}


def test_seconds_behind_are_the_age_of_what_waits():
    run = course(lambda _now: 100, (LAG,), 400, outage=(100, 160))
    assert run.behind[155] == pytest.approx(56, abs=2)
    assert run.behind[399] == 0


def test_a_query_that_the_model_does_not_know_is_refused():
    with pytest.raises(ScaledObjectError, match="up"):
        course(lambda _now: 100, (PrometheusTrigger("sum(up)", 1),))
