"""Load goes up, lag grows, KEDA adds pods; load ends, pods go by SIGTERM; nothing is lost and nothing done twice.

On a real control plane with the shipped ScaledObject, Apache Kafka, and one real worker process a pod.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.cluster import evidence, scene
from tests.cluster.kubectl import apply, delete_namespace
from tests.cluster.kubelet import Kubelet
from tests.cluster.observer import NAME, Observer
from tests.cluster.pod_process import loopback
from tests.cluster.prometheus import SCRAPE_SECONDS
from tests.cluster.recording import Recording
from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.servers, pytest.mark.apache, pytest.mark.long, pytest.mark.timeout(2400)]

BASE, PEAK = 150, 850
"""Payments/s: all the time, and on top of it."""
PEAK_SECONDS = 150
SYNC_SECONDS = float(os.environ.get("UPIFRAUD_CLUSTER_HPA_SYNC_SECONDS", "15"))
"""--horizontal-pod-autoscaler-sync-period of this control plane."""
RECORD = Path(os.environ.get("UPIFRAUD_CLUSTER_RECORD", ".cache/cluster"))
START_SECONDS = 300


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[scene.Servers]:
    with scene.Servers(tmp_path) as running:
        yield running


@pytest.fixture
def namespace(api: client.ApiClient) -> Iterator[str]:
    delete_namespace(scene.NAMESPACE)
    yield scene.NAMESPACE
    delete_namespace(scene.NAMESPACE)


def simulate(environment: dict[str, str], directory: Path, seed: int, rate: float, seconds: float) -> subprocess.Popen:
    """Start a switch that makes all its payments first, so that sending them costs this machine little."""
    command = [
        *(Path(sys.executable).with_name("upifraud"), "simulate", "--seed", str(seed)),
        *("--rate", str(rate), "--seconds", str(seconds), "--payers", "4000", "--buffered"),
    ]
    with (directory / f"simulate-{seed}.log").open("wb") as log:
        return subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)


def job_done(api: client.ApiClient, namespace: str) -> bool:
    status = client.BatchV1Api(api).read_namespaced_job(f"{NAME}-setup", namespace).status
    assert not status.failed, "the setup Job failed"
    return bool(status.succeeded)


def hpa(api: client.ApiClient, namespace: str) -> Any:
    try:
        return client.AutoscalingV2Api(api).read_namespaced_horizontal_pod_autoscaler(NAME, namespace)
    except ApiException:
        return None


def measured_by_keda(api: client.ApiClient, namespace: str) -> bool:
    """Whether the autoscaler has got all of KEDA's metrics at least once."""
    scaler = hpa(api, namespace)
    measured = (scaler.status.current_metrics or ()) if scaler and scaler.status else ()
    return sum(one.external is not None for one in measured) == len(scene.TRIGGERS)


def test_pods_come_with_load_and_go_by_sigterm(
    api: client.ApiClient, servers: scene.Servers, namespace: str, tmp_path: Path
):
    objects = scene.manifests(tmp_path, servers)
    scaled_object = next(one for one in objects if one["kind"] == "ScaledObject")
    least, most = scaled_object["spec"]["minReplicaCount"], scaled_object["spec"]["maxReplicaCount"]
    query = next(
        one["metadata"]["query"] for one in scaled_object["spec"]["triggers"] if one["name"] == "seconds-behind"
    )
    environment = servers.environment()

    def own_address(ip: str) -> dict[str, str]:
        return {"UPIFRAUD_METRICS_HOST": loopback(ip)}

    with Kubelet(api, namespace, tmp_path / "pods", own_address) as kubelet:
        # As deploy.sh does: the topics and tables first, then who needs them.
        workers = [one for one in objects if one["kind"] in ("Deployment", "ScaledObject")]
        apply([one for one in objects if one not in workers])
        until(lambda: job_done(api, namespace), "topics and tables made by the setup Job", START_SECONDS)
        base = simulate(environment, tmp_path, 1, BASE, 1000)
        apply(workers)
        with Observer(api, namespace, servers, kubelet, query) as observer:
            until(lambda: observer.last.ready == least, f"{least} pods ready", START_SECONDS)
            until(lambda: measured_by_keda(api, namespace), "KEDA's metrics in the autoscaler", START_SECONDS)
            until(lambda: observer.last.produced > 10 * BASE, "load", START_SECONDS)
            peak = simulate(environment, tmp_path, 2, PEAK, PEAK_SECONDS)
            until(lambda: observer.last.replicas > least, "KEDA adds pods", START_SECONDS)
            until(lambda: observer.last.ready > least, "a pod more joins", START_SECONDS)
            assert peak.wait(START_SECONDS + PEAK_SECONDS) == 0
            until(lambda: observer.last.replicas == least, "back to the least", 900)
            until(lambda: observer.last.pods == least, "the pods beyond that have drained", 120)
            base.send_signal(signal.SIGINT)
            assert base.wait(60) == 0
            until(lambda: observer.last.committed == observer.last.produced, "all payments done", 120)
        left_by_scale_in = list(kubelet.ended)
        delete_namespace(namespace)

    servers.limit(scene.UNLIMITED)
    kafka = servers.kafka.address
    published = [payment.transaction_id for payment in evidence.values(kafka, "transactions", evidence.Payment)]
    stored = Counter(evidence.verdict_ids(servers.postgres.address))
    alerted = Counter(alert.alert_id for alert in evidence.values(kafka, "alerts", evidence.Alert))
    recording = Recording(setting=_setting(scaled_object, servers), moments=observer.moments)
    recording.save(RECORD / "run.json")  # as it is, should it have no rate of a pod
    recording.result = _result(recording, observer, kubelet, published)
    recording.save(RECORD / "run.json")
    (RECORD / "run.png").write_bytes(recording.plot())

    assert max(moment.replicas for moment in observer.moments) > least
    assert max(moment.ready for moment in observer.moments) > least
    assert max(moment.replicas for moment in observer.moments) <= most
    assert len(left_by_scale_in) >= max(moment.pods for moment in observer.moments) - least
    assert all(one.exit_code == 0 for one in kubelet.ended), kubelet.ended
    assert kubelet.restarted == []
    assert kubelet.problems == []
    assert set(Counter(published).values()) == {1}, "the switch made an id twice: no test of the worker"
    assert stored.keys() == set(published), "lost, or from nowhere"
    assert set(stored.values()) == {1}, "two verdicts of one payment"
    assert len(alerted) == len(published), "an alert a payment"
    assert set(alerted.values()) == {1}, "an orderly move publishes nothing twice"


def _setting(scaled_object: dict[str, Any], servers: scene.Servers) -> dict[str, Any]:
    text = json.dumps({"spec": scaled_object["spec"]})
    text = text.replace(servers.prometheus.address, "http://prometheus").replace(servers.kafka.address, "kafka:9092")
    return {
        "scaled_object": json.loads(text),
        "partitions": scene.PARTITIONS,
        "pod_rate_by_quota": scene.figures().pod_rate,
        "sync_seconds": SYNC_SECONDS,
        "scrape_seconds": SCRAPE_SECONDS,
        "base_load": BASE,
        "peak_load": BASE + PEAK,
        "peak_seconds": PEAK_SECONDS,
        "processors": os.cpu_count(),
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _result(recording: Recording, observer: Observer, kubelet: Kubelet, published: list[str]) -> dict[str, Any]:
    moments = observer.moments
    return {
        "payments_a_second_a_pod": recording.pod_rate(),
        "payments": len(published),
        "most_replicas": max(moment.replicas for moment in moments),
        "most_lag": max(moment.produced - moment.committed for moment in moments),
        "most_seconds_behind": max(moment.behind for moment in moments),
        "seconds_from_start_to_ready": [round(one, 1) for one in kubelet.started_in],
        "seconds_from_sigterm_to_exit": round(statistics.median(one.seconds for one in kubelet.ended), 2),
        "exit_codes": sorted({one.exit_code for one in kubelet.ended}),
        "looks_missed": len(observer.problems),
    }
