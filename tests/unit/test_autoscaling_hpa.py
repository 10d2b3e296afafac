"""The autoscaler's formulas, against what kube-controller-manager's own tests and the Kubernetes manual say."""

from __future__ import annotations

import itertools

import pytest

from deploy.autoscaling.hpa import SCALE_DOWN, SCALE_UP, Autoscaler, Bounds, Policy, Rules, average_value, value

ANY = Bounds(1, 1000)


def rules(pods: int = 0, pods_period: int = 0, percent: int = 0, percent_period: int = 0, window: int = 0) -> Rules:
    policies = []
    if pods:
        policies.append(Policy("Pods", pods, pods_period))
    if percent:
        policies.append(Policy("Percent", percent, percent_period))
    return Rules(tuple(policies), window)


def spread(changes: list[int], seconds: float = 120) -> list[tuple[float, int]]:
    """Changes that lie evenly within the last seconds, as generateEventsUniformDistribution makes them; now is 0."""
    part = seconds / len(changes)
    return [(-(seconds - part * (index + 1) + part / 2), change) for index, change in enumerate(changes)]


# replica_calculator_test.go ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replicas", "target", "expected"),
    [(3, 2150, 4), (5, 2867, 3), (3, 2900, 3)],
    ids=["ScaleUpPerPodCMExternal", "ScaleDownPerPodCMExternal", "TolerancePerPodCMExternal"],
)
def test_an_average_value_is_shared_out_among_pods(replicas: int, target: float, expected: int):
    assert average_value(8600, target, replicas, ANY) == expected


@pytest.mark.parametrize(
    ("replicas", "ready", "target", "expected"),
    [(3, 1, 4400, 2), (5, 5, 14334, 3), (3, 3, 8888, 3)],
    ids=["ScaleUpCMExternalIgnoresUnreadyPods", "ScaleDownCMExternal", "ToleranceCMExternal"],
)
def test_a_value_multiplies_the_ready_pods(replicas: int, ready: int, target: float, expected: int):
    assert value(8600, target, replicas, ready, ANY) == expected


@pytest.mark.parametrize(("total", "expected"), [(900, 10), (1100, 10), (899, 9), (1101, 12)])
def test_a_tenth_from_the_target_changes_nothing(total: float, expected: int):
    assert average_value(total, 100, 10, ANY) == expected


# horizontal_test.go: TestScalingWithRules -------------------------------------------------------------------------

NO_DOWN, NO_UP = SCALE_DOWN.policies, SCALE_UP.policies
UP = [
    ("default behavior", SCALE_UP, 10, 50, 20, [], []),
    ("pods policy larger than percent policy", rules(100, 60, 100, 60), 10, 500, 110, [], []),
    ("percent policy larger than pods policy", rules(2, 60, 100, 60), 10, 500, 20, [], []),
    ("pod policy limitation", rules(30, 60), 10, 50, 40, [], []),
    ("percent policy limitation", rules(percent=200, percent_period=60), 10, 50, 30, [], []),
    ("a lot of recent scale up events", rules(5, 120), 100, 500, 100, spread([1, 5, 9]), []),
    ("pod policy and previous events", rules(150, 120), 100, 500, 235, spread([1, 5, 9]), []),
    (
        "percent policy and previous events",
        rules(percent=200, percent_period=120),
        100,
        500,
        255,
        spread([1, 5, 9]),
        [],
    ),
    ("previous up and down events", rules(percent=300, percent_period=300), 6, 24, 16, spread([4]), spread([2])),
]
DOWN = [
    ("percent policy larger than pod policy", rules(20, 60, 1, 60), 100, 2, 80, [], []),
    ("pod policy larger than percent policy", rules(2, 60, 1, 60), 100, 2, 98, [], []),
    ("pod policy limitation", rules(5, 60), 10, 2, 5, [], []),
    ("percent policy limitation", rules(percent=50, percent_period=60), 10, 5, 5, [], []),
    ("pod policy and previous events", rules(5, 120), 100, 2, 100, [], spread([1, 5, 9])),
    ("percent policy and previous events", rules(percent=50, percent_period=120), 100, 0, 56, [], spread([2, 4, 6])),
    ("previous up and down events", rules(percent=50, percent_period=180), 10, 1, 6, spread([2]), spread([4])),
    ("previous events preventing it", rules(percent=10, percent_period=120), 100, 0, 100, [], spread([10, 10, 10])),
]


@pytest.mark.parametrize(("rule", "current", "wanted", "expected", "added", "removed"), [row[1:] for row in UP])
def test_policies_bound_the_way_up(rule, current, wanted, expected, added, removed):
    scaler = Autoscaler(Bounds(1, 1000, up=rule), added=added, removed=removed)
    assert scaler.decide(0, current, [wanted]) == expected


@pytest.mark.parametrize(("rule", "current", "wanted", "expected", "added", "removed"), [row[1:] for row in DOWN])
def test_policies_bound_the_way_down(rule, current, wanted, expected, added, removed):
    scaler = Autoscaler(Bounds(1, 1000, down=rule), added=added, removed=removed)
    assert scaler.decide(0, current, [wanted]) == expected


def test_least_and_most_stand():
    assert Autoscaler(Bounds(3, 20)).decide(0, 20, [1000]) == 20
    assert Autoscaler(Bounds(3, 20)).decide(0, 25, [1]) == 20
    assert Autoscaler(Bounds(3, 20)).decide(0, 1, [1]) == 3
    assert Autoscaler(Bounds(3, 20, down=rules(percent=100, percent_period=15))).decide(0, 10, [0]) == 3


def test_the_greatest_proposal_counts():
    assert Autoscaler(Bounds(1, 20)).decide(0, 5, [3, 8, 0]) == 8


# horizontal_test.go: TestNormalizeDesiredReplicasWithBehavior -----------------------------------------------------

EARLIER = [(-120.0, 4), (-60.0, 5)]
FAST = Policy("Percent", 10000, 15)


@pytest.mark.parametrize(
    ("current", "proposal", "up", "down", "expected"),
    [(100, 3, 0, 180, 5), (1, 7, 300, 0, 4), (1, 3, 0, 300, 3)],
    ids=["simple scale down", "simple scale up", "no scale up stabilization"],
)
def test_a_window_holds_what_was_proposed_within_it(current, proposal, up, down, expected):
    bounds = Bounds(1, 1000, Rules((FAST,), up), Rules((Policy("Percent", 100, 15),), down))
    assert Autoscaler(bounds, proposals=list(EARLIER)).decide(0, current, [proposal]) == expected


def test_scale_in_waits_for_the_window_and_then_goes_at_once():
    scaler, current, course = Autoscaler(Bounds(3, 20)), 12, []
    for now in range(0, 331, 15):
        current = scaler.decide(now, current, [3])
        course.append(current)
    assert course == [12] * 20 + [3] * 3


# The manual, Horizontal Pod Autoscaling, "Scaling policies" -------------------------------------------------------


def test_four_pods_or_a_tenth_a_minute_whichever_is_more():
    """80 pods towards 10: 8 go in the first minute, then 7.2 counts as 8, and below 40 four at a time."""
    scaler = Autoscaler(Bounds(10, 100, down=rules(4, 60, 10, 60)))
    current, course = 80, []
    for minute in range(16):
        current = scaler.decide(minute * 60, current, [10])
        course.append(current)
    assert course[:2] == [72, 64]
    assert course[-1] == 10
    steps = [before - after for before, after in itertools.pairwise(course)]
    assert all(step <= 4 for before, step in zip(course, steps, strict=False) if before < 40)
