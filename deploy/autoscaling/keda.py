"""What KEDA 2.18 tells the HorizontalPodAutoscaler, and how a ScaledObject is read.

Source: pkg/scalers/kafka_scaler.go (`getTotalLag`). With one replica or more KEDA's polling interval plays no part: the
metrics adapter asks the trigger whenever the autoscaler asks it, unless `useCachedMetrics` is set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy.autoscaling.hpa import SCALE_DOWN, SCALE_UP, Bounds, Policy, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ScaledObjectError(ValueError):
    """A ScaledObject that this model cannot play."""


@dataclass(frozen=True, slots=True)
class KafkaTrigger:
    """The `kafka` trigger: lag in records over a topic's partitions."""

    topic: str
    threshold: int
    allow_idle: bool = False
    only_with_lag: bool = False
    even: bool = False

    def total(self, lags: Sequence[float]) -> float:
        """Return the lag that the autoscaler is told: never more than makes a pod a partition."""
        lag = math.floor(sum(lags))
        if self.allow_idle and not self.only_with_lag and not self.even:
            return lag
        limit = len(lags)
        if self.even:
            lag = self._even(lag, len(lags)) * self.threshold
        if self.only_with_lag:
            limit = sum(one >= 1 for one in lags)
        return limit * self.threshold if lag // self.threshold > limit else lag

    def _even(self, lag: int, partitions: int) -> int:
        factors = (number for number in range(1, partitions + 1) if partitions % number == 0)
        return next((number for number in factors if number * self.threshold >= lag), partitions)


@dataclass(frozen=True, slots=True)
class PrometheusTrigger:
    """The `prometheus` trigger: whatever its query returns."""

    query: str
    threshold: float
    metric_type: str = "AverageValue"


Trigger = KafkaTrigger | PrometheusTrigger


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """A ScaledObject as far as it decides how many pods there are."""

    bounds: Bounds
    triggers: tuple[Trigger, ...]


def read(document: Mapping[str, Any]) -> ScaledObject:
    """Return what a ScaledObject's manifest says; raises ScaledObjectError where it has what the model lacks."""
    spec = document["spec"]
    behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    bounds = Bounds(
        spec.get("minReplicaCount", 0),
        spec.get("maxReplicaCount", 100),
        _rules(behavior.get("scaleUp", {}), SCALE_UP),
        _rules(behavior.get("scaleDown", {}), SCALE_DOWN),
    )
    if bounds.least < 1:
        raise ScaledObjectError(
            f"minReplicaCount: expected 1 or more, got {bounds.least}: scaling from 0 is not played."
        )
    return ScaledObject(bounds, tuple(_trigger(one) for one in spec["triggers"]))


def _trigger(trigger: Mapping[str, Any]) -> Trigger:
    metadata, kind = trigger["metadata"], trigger["type"]
    metric_type = trigger.get("metricType", "AverageValue")
    if kind == "kafka" and metric_type == "AverageValue":
        flags = ("allowIdleConsumers", "limitToPartitionsWithLag", "ensureEvenDistributionOfPartitions")
        set_ = [str(metadata.get(flag, "false")).lower() == "true" for flag in flags]
        return KafkaTrigger(metadata["topic"], int(metadata["lagThreshold"]), *set_)
    if kind == "prometheus":
        return PrometheusTrigger(" ".join(metadata["query"].split()), float(metadata["threshold"]), metric_type)
    raise ScaledObjectError(
        f"trigger {kind} with {metric_type}: expected kafka with AverageValue, or prometheus. Teach deploy/autoscaling "
        "what it returns."
    )


def _rules(rules: Mapping[str, Any], default: Rules) -> Rules:
    policies = tuple(Policy(one["type"], one["value"], one["periodSeconds"]) for one in rules.get("policies", ()))
    return Rules(
        policies or default.policies,
        rules.get("stabilizationWindowSeconds", default.stabilization_seconds),
        rules.get("selectPolicy", default.select),
        float(rules.get("tolerance", default.tolerance)),
    )
