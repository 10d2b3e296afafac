"""What KEDA reports and how a ScaledObject is read, against KEDA's own tests and its manual."""

from __future__ import annotations

import pytest

from deploy.autoscaling.hpa import Bounds, average_value
from deploy.autoscaling.keda import KafkaTrigger, PrometheusTrigger, ScaledObjectError, read

SCALED_OBJECT = {
    "spec": {
        "minReplicaCount": 3,
        "maxReplicaCount": 20,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 600,
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    }
                }
            }
        },
        "triggers": [
            {"type": "kafka", "metadata": {"topic": "transactions", "lagThreshold": "10000"}},
            {"type": "prometheus", "metadata": {"query": "max(\n consumer_lag_seconds)", "threshold": "5"}},
        ],
    }
}


def test_lag_is_summed_over_partitions():
    assert KafkaTrigger("transactions", 100).total([30, 40, 0, 50]) == 120


def test_no_more_pods_than_partitions():
    """The manual: with 5 partitions and maxReplicaCount 10 there are never more than 5."""
    total = KafkaTrigger("transactions", 10).total([1000] * 5)
    assert average_value(total, 10, 3, Bounds(1, 10)) == 5
    idle = KafkaTrigger("transactions", 10, allow_idle=True).total([1000] * 5)
    assert idle == 5000


def test_only_partitions_with_lag_count_when_asked():
    assert KafkaTrigger("transactions", 10, only_with_lag=True).total([1000, 0, 1000, 0]) == 20


@pytest.mark.parametrize(("lag", "factor"), [(10, 1), (20, 2), (40, 4), (50, 5), (99, 10), (100, 10), (101, 20)])
def test_even_distribution_takes_the_next_divisor(lag: int, factor: int):
    """TestGetNextFactor: 100 partitions, a threshold of 10."""
    lags = [lag] + [0] * 99
    assert KafkaTrigger("transactions", 10, even=True).total(lags) == factor * 10


def test_a_scaled_object_is_read_with_the_defaults_of_kubernetes():
    scaled = read(SCALED_OBJECT)
    assert (scaled.bounds.least, scaled.bounds.most) == (3, 20)
    assert scaled.bounds.down.stabilization_seconds == 600
    assert [policy.value for policy in scaled.bounds.down.policies] == [1]
    assert [(policy.kind, policy.value) for policy in scaled.bounds.up.policies] == [("Pods", 4), ("Percent", 100)]
    assert scaled.triggers == (
        KafkaTrigger("transactions", 10000),
        PrometheusTrigger("max( consumer_lag_seconds)", 5.0),
    )


def test_what_the_model_lacks_is_refused():
    with pytest.raises(ScaledObjectError, match="cron"):
        read({"spec": {"minReplicaCount": 3, "triggers": [{"type": "cron", "metadata": {}}]}})
    with pytest.raises(ScaledObjectError, match="minReplicaCount"):
        read({"spec": {"triggers": []}})
