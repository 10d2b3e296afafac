"""Writes components/keda/scaled-object.yaml from the figures beside it, with the derivation as its comment.

python -m deploy.k8s.scaled_object            write it anew
python -m deploy.k8s.scaled_object --check    exit with 1 if it is not what the figures say
"""

from __future__ import annotations

import argparse
import math
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE / "components/keda/figures.toml"
MANIFEST = HERE / "components/keda/scaled-object.yaml"
SETTINGS = HERE / "base/settings.env"

TEMPLATE = """\
# Written by deploy/k8s/scaled_object.py from figures.toml: change it there. The HPA takes the largest of the three.
#
# A pod was measured at {rate:,} payments/s with 2 cores.
#
# lag             Offsets are committed every {commit:g} s, so a pod at its full rate shows {seen:,} records of lag with
#                 nothing waiting. What waits besides should be worked off within {drain:g} s by the pods asked for:
#                 {rate:,} x ({commit:g} + {drain:g}) = {lag:,} records a pod. It is the offsets in Kafka that count,
#                 so it works when no worker runs at all.
# seconds-behind  Few records can be old ones: a hot partition, or a slow one. A pod for every
#                 {all_pods:g} s / {max} pods = {behind:g} s that the partition furthest behind is behind;
#                 more than {min} pods from {first:g} s on.
# flow            Lag is gone as soon as there are pods enough, and with it the reason to keep them. So they stay for
#                 what arrives, at {share:.0%} of their rate: {rate:,} x {busy:g} = {flow:,} payments/s a pod.
#                 Over a minute, which is four scrapes: over two, a surge came late (docs/autoscaling.md).
#
# Never to zero: minReplicaCount. Without an answer from Kafka or Prometheus ({failures} x {polling} s) there are as
# many pods as there are, at least {fallback}. More pods than partitions would idle: KEDA caps `lag` at their number.
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: upi-fraud-stream
  namespace: upi-fraud-stream
  labels:
    app.kubernetes.io/component: worker
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: upi-fraud-stream
  pollingInterval: {polling}
  minReplicaCount: {min}
  maxReplicaCount: {max}
  fallback:
    failureThreshold: {failures}
    replicas: {fallback}
    behavior: currentReplicasIfHigher
  advanced:
    restoreToOriginalReplicaCount: false
    horizontalPodAutoscalerConfig:
      name: upi-fraud-stream
      behavior:
        # Out at once and by doubling; a pod needs about half a minute until it takes partitions.
        scaleUp:
          stabilizationWindowSeconds: 0
          selectPolicy: Max
          policies:
            - {{type: Percent, value: 100, periodSeconds: 30}}
            - {{type: Pods, value: 4, periodSeconds: 30}}
        # In slowly: every pod that goes is a rebalance, and the next peak may be near.
        scaleDown:
          stabilizationWindowSeconds: {scale_in}
          selectPolicy: Max
          policies:
            - {{type: Pods, value: 1, periodSeconds: {scale_in_period}}}
  triggers:
    # Addresses, group, topic and namespace are put in by ../../wiring from what the worker is told.
    - type: kafka
      name: lag
      metricType: AverageValue
      metadata:
        bootstrapServers: kafka-bootstrap.kafka.svc:9092
        consumerGroup: upi-fraud-stream
        topic: transactions
        lagThreshold: "{lag}"
        # A group that never committed starts at the beginning of the log, as the worker does.
        offsetResetPolicy: earliest
        scaleToZeroOnInvalidOffset: "false"
        allowIdleConsumers: "false"
        # While Postgres or Redis is away no offset moves: that lag is what has to be drained afterwards.
        excludePersistentLag: "false"
        # Kafka 4 no longer speaks the protocol of 1.0, which is KEDA's default.
        version: 2.8.0
    - type: prometheus
      name: seconds-behind
      metricType: AverageValue
      metadata:
        serverAddress: http://prometheus-operated.monitoring.svc:9090
        query: max(consumer_lag_seconds{{namespace="upi-fraud-stream",topic="transactions"}})
        threshold: "{behind:g}"
        # No series is no answer, not a lag of 0: the fallback holds.
        ignoreNullValues: "false"
    - type: prometheus
      name: flow
      metricType: AverageValue
      metadata:
        serverAddress: http://prometheus-operated.monitoring.svc:9090
        query: sum(rate(transactions_consumed_total{{namespace="upi-fraud-stream"}}[1m]))
        threshold: "{flow}"
        ignoreNullValues: "false"
"""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured and what is wanted; every threshold follows from it."""

    pod_rate: int
    drain_seconds: float
    busy_share: float
    all_pods_seconds: float
    min_replicas: int
    max_replicas: int
    fallback_replicas: int
    scale_in_seconds: int
    scale_in_period_seconds: int
    commit_seconds: float
    polling_seconds: int = 15
    failures: int = 3

    @property
    def lag_threshold(self) -> int:
        """Records of lag a pod."""
        return math.ceil(self.pod_rate * (self.commit_seconds + self.drain_seconds))

    @property
    def seconds_threshold(self) -> float:
        """Seconds behind a pod."""
        return self.all_pods_seconds / self.max_replicas

    @property
    def flow_threshold(self) -> int:
        """Payments/s a pod."""
        return math.floor(self.pod_rate * self.busy_share)


def read_figures() -> Figures:
    """Read the figures, and the commit interval from the settings that the workers get."""
    settings = dict(line.split("=", 1) for line in SETTINGS.read_text().split() if "=" in line)
    commit = float(settings["UPIFRAUD_COMMIT_INTERVAL_SECONDS"])
    return Figures(commit_seconds=commit, **tomllib.loads(FIGURES.read_text()))


def render(figures: Figures) -> str:
    """Return the manifest."""
    return TEMPLATE.format(
        rate=figures.pod_rate,
        commit=figures.commit_seconds,
        seen=math.ceil(figures.pod_rate * figures.commit_seconds),
        drain=figures.drain_seconds,
        lag=figures.lag_threshold,
        all_pods=figures.all_pods_seconds,
        behind=figures.seconds_threshold,
        first=figures.seconds_threshold * figures.min_replicas,
        share=figures.busy_share,
        busy=figures.busy_share,
        flow=figures.flow_threshold,
        failures=figures.failures,
        polling=figures.polling_seconds,
        fallback=figures.fallback_replicas,
        min=figures.min_replicas,
        max=figures.max_replicas,
        scale_in=figures.scale_in_seconds,
        scale_in_period=figures.scale_in_period_seconds,
    )


def main() -> None:
    """Write the manifest, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if it has to be written")
    check = parser.parse_args().check
    text = render(read_figures())
    if not check:
        MANIFEST.write_text(text)
    elif MANIFEST.read_text() != text:
        sys.exit(f"{MANIFEST} is not what {FIGURES.name} says: run python -m deploy.k8s.scaled_object")


if __name__ == "__main__":
    main()
