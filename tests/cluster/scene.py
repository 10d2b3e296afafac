"""What the worker and KEDA meet in the test of scaling: real servers, and the shipped manifests pointed at them.

On a machine of two cores all pods share the processors, so one more would add nothing. What a pod can do is therefore
limited by Kafka: a quota on the bytes that each client id may read in a second, and each pod is a client id. The
thresholds are those that the shipped derivation (deploy/k8s/scaled_object.py) gives for such a pod.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from deploy.k8s.scaled_object import Figures, read_figures
from local.kafka_jvm import JvmKafkaServer
from local.ports import HOST
from local.postgres import PostgresServer
from local.valkey import ValkeyServer
from tests.cluster.kubectl import SCRATCH, copied, render
from tests.cluster.kubelet import NAME
from tests.cluster.prometheus import PrometheusServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.server import Server

NAMESPACE = f"{SCRATCH}scaling"
PARTITIONS = 12
RECORD_BYTES = 460
"""Of a simulated payment as the broker sends it."""
UNLIMITED = 10**12
REACHED_AT = os.environ.get("UPIFRAUD_CLUSTER_HOST", HOST)
"""This machine's address as KEDA sees it: loopback, unless KEDA runs in a container."""


def figures() -> Figures:
    """Return the shipped figures, but for what a small machine needs: slower pods, fewer of them, less patience."""
    return replace(
        read_figures(),
        pod_rate=250,
        max_replicas=6,
        fallback_replicas=3,
        scale_in_seconds=60,
        scale_in_period_seconds=15,
    )


class Servers:
    """Kafka, Redis, Postgres and Prometheus, from entering to leaving."""

    def __init__(self, directory: Path) -> None:
        # Two samples instead of eleven: a quota averaged over ten seconds lets a client burst and then stand still.
        settings = {"quota.window.num": "2"}
        self.kafka = JvmKafkaServer(directory / "kafka", host=REACHED_AT, settings=settings)
        self.redis = ValkeyServer(directory / "redis")
        self.postgres = PostgresServer(directory / "postgres")
        self.prometheus = PrometheusServer(directory / "prometheus", NAMESPACE, host=REACHED_AT)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Start them all, and set the quota."""
        servers: list[Server] = [self.kafka, self.redis, self.postgres, self.prometheus]
        with ExitStack() as opened:
            for server in servers:
                opened.callback(server.stop)
                server.start()
            self.limit(figures().pod_rate * RECORD_BYTES)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop them all."""
        self._open.close()

    def environment(self) -> dict[str, str]:
        """Return the settings of a command that runs on these servers."""
        return {
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": self.kafka.address,
            "UPIFRAUD_REDIS_URL": self.redis.address,
            "UPIFRAUD_POSTGRES_URL": self.postgres.address,
        }

    def limit(self, bytes_a_second: int) -> None:
        """Let every client id read so much and no more."""
        program = Path(__file__).with_name("Quota.java")
        command = [*self.kafka._java(), str(program), self.kafka.address, str(bytes_a_second)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr


def manifests(directory: Path, servers: Servers) -> list[dict[str, Any]]:
    """Return the shipped base with the shipped KEDA component, pointed at these servers by an overlay of its own."""
    shipped = copied(directory)
    overlay = shipped / "overlays/scaling"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(_overlay(servers), sort_keys=False))
    return render(overlay)


def _overlay(servers: Servers) -> dict[str, Any]:
    wanted = figures()
    prometheus = servers.prometheus.address
    scaled = [
        *({"op": "test", "path": f"/spec/triggers/{at}/name", "value": name} for at, name in enumerate(TRIGGERS)),
        *_set("/spec/maxReplicaCount", wanted.max_replicas),
        *_set("/spec/fallback/replicas", wanted.fallback_replicas),
        *_set(f"{_DOWN}/stabilizationWindowSeconds", wanted.scale_in_seconds),
        *_set(f"{_DOWN}/policies/0/periodSeconds", wanted.scale_in_period_seconds),
        *_set("/spec/triggers/0/metadata/lagThreshold", str(wanted.lag_threshold)),
        *_set("/spec/triggers/1/metadata/threshold", f"{wanted.seconds_threshold:g}"),
        *_set("/spec/triggers/1/metadata/serverAddress", prometheus),
        *_set("/spec/triggers/2/metadata/threshold", str(wanted.flow_threshold)),
        *_set("/spec/triggers/2/metadata/serverAddress", prometheus),
    ]
    name_of_pod = {"fieldRef": {"fieldPath": "metadata.name"}}
    pods = [
        {"op": "add", "path": "/spec/template/spec/schedulerName", "value": NAME},
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/env",
            "value": [{"name": "UPIFRAUD_KAFKA_CONF_CLIENT_ID", "valueFrom": name_of_pod}],
        },
    ]
    job = [
        pods[0],
        {"op": "replace", "path": "/spec/template/spec/containers/0/args/0", "value": f"--partitions={PARTITIONS}"},
    ]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": ["../../base"],
        "components": ["../../components/keda"],
        "transformers": ["../../wiring"],
        "configMapGenerator": [_literals("upi-fraud-stream", _settings(servers), behavior="merge")],
        "secretGenerator": [_literals("upi-fraud-stream", _secrets(servers), options={"disableNameSuffixHash": True})],
        "patches": [
            _patch("ScaledObject", "upi-fraud-stream", scaled),
            _patch("Deployment", "upi-fraud-stream", pods),
            _patch("Job", "upi-fraud-stream-setup", job),
        ],
    }


TRIGGERS = ("lag", "seconds-behind", "flow")
_DOWN = "/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown"


def _settings(servers: Servers) -> dict[str, str]:
    return {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": servers.kafka.address,
        # A verdict that was published twice would be two alerts.
        "UPIFRAUD_ALERTS_INCLUDE_ALLOW": "true",
        # Small fetches, so that the quota makes a pod slow and not jerky.
        "UPIFRAUD_KAFKA_CONF_FETCH_MESSAGE_MAX_BYTES": "2048",
    }


def _secrets(servers: Servers) -> dict[str, str]:
    return {
        "redis-url": servers.redis.address,
        "postgres-url": servers.postgres.address,
        "identity-key": secrets.token_hex(16),
    }


def _literals(name: str, values: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"name": name, "literals": [f"{key}={text}" for key, text in values.items()], **more}


def _patch(kind: str, name: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(operations)}


def _set(path: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": path, "value": value}]
