"""What is deployed of the API agrees with the program: port, probes, drain, paths, role, and when pods are added."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from deploy.k8s.manifests import K8S, OVERLAYS
from service.routes import ROUTES
from service.server import DRAIN_SECONDS
from stream.settings import Settings, read_settings
from tests.fixtures.manifests import Manifests, overlay
from tests.fixtures.promql import complaints

FULL_CACHES_BYTES = 350_000_000
"""What an API process may have at most."""


@pytest.fixture(params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> Manifests:
    return overlay(request.param)


def test_the_port_is_one_everywhere(rendered: Manifests) -> None:
    settings = read_settings({k: v for k, v in rendered.settings().items() if not k.endswith("_FILE")})
    assert settings.api_port == Settings().api_port == 8000
    assert rendered.api["containers"][0]["ports"] == [{"name": "http", "containerPort": settings.api_port}]
    (service,) = rendered.one("Service", "upi-fraud-stream-api")["spec"]["ports"]
    assert (service["port"], service["targetPort"]) == (settings.api_port, "http")


def test_a_pod_ends_after_nobody_is_sent_to_it_and_after_the_calls_that_were_begun(rendered: Manifests) -> None:
    api = rendered.api["containers"][0]
    pause = api["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause >= 5
    assert pause + DRAIN_SECONDS + 10 <= rendered.api["terminationGracePeriodSeconds"] <= 120
    strategy = rendered.one("Deployment", "upi-fraud-stream-api")["spec"]["strategy"]["rollingUpdate"]
    assert strategy["maxUnavailable"] == 0
    assert api["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert api["livenessProbe"]["httpGet"] == api["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_the_ingress_takes_every_call_by_tls_and_neither_meters_nor_probes(rendered: Manifests) -> None:
    ingress = rendered.one("Ingress", "upi-fraud-stream-api")
    (rule,) = ingress["spec"]["rules"]
    (tls,) = ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]]
    assert "cert-manager.io/cluster-issuer" in ingress["metadata"]["annotations"]
    patterns = [one["path"] + ("*" if one["pathType"] == "Prefix" else "") for one in rule["http"]["paths"]]
    for path in (*(route.path for route in ROUTES), "/docs", "/openapi.json"):
        assert any(fnmatch(path, pattern) for pattern in patterns), path
    for path in ("/metrics", "/healthz", "/readyz", "/health", "/"):
        assert not any(fnmatch(path, pattern) for pattern in patterns), path


def test_the_ingress_waits_longer_than_any_deadline(rendered: Manifests) -> None:
    from service.calls.payments import MOST_MS
    from service.door.bodies import MAX_BYTES

    said = rendered.one("Ingress", "upi-fraud-stream-api")["metadata"]["annotations"]
    assert int(said["nginx.ingress.kubernetes.io/proxy-read-timeout"]) * 1000 > MOST_MS
    assert int(said["nginx.ingress.kubernetes.io/proxy-body-size"].removesuffix("m")) * 2**20 > MAX_BYTES


def test_full_caches_ask_for_no_pod(rendered: Manifests) -> None:
    memory = rendered.api["containers"][0]["resources"]["requests"]["memory"]
    assert 0.8 * int(memory.removesuffix("Mi")) * 2**20 > FULL_CACHES_BYTES


def test_replicas_follow_cpu_memory_and_requests(rendered: Manifests) -> None:
    scaled = rendered.one("ScaledObject", "upi-fraud-stream-api")["spec"]
    triggers = {one["name"]: one for one in scaled["triggers"]}
    assert (triggers["cpu"]["metadata"], triggers["memory"]["metadata"]) == ({"value": "70"}, {"value": "80"})
    requests = triggers["requests"]["metadata"]
    assert requests["threshold"] == "100"
    assert complaints(requests["query"]) == []
    (namespace,) = rendered.of("Namespace")
    assert f'namespace="{namespace["metadata"]["name"]}"' in requests["query"]


def test_production_has_3_to_20_pods_and_so_it_has_without_keda() -> None:
    scaled = overlay("production").one("ScaledObject", "upi-fraud-stream-api")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (3, 20)
    text = (K8S / "components/api-hpa/autoscaler.yaml").read_text()
    assert re.findall(r"(?:minReplicas|maxReplicas|averageUtilization): (\d+)", text) == ["3", "20", "70", "80"]


@pytest.mark.parametrize("name", ["staging", "production"])
def test_to_kafka_it_is_somebody_else_than_the_workers(name: str) -> None:
    certificates = {one["spec"]["secretName"]: one["spec"].get("commonName") for one in overlay(name).of("Certificate")}
    mounted = {one["name"]: one["secret"]["secretName"] for one in overlay(name).api["volumes"] if "secret" in one}
    workers = {one["name"]: one["secret"]["secretName"] for one in overlay(name).worker["volumes"] if "secret" in one}
    assert certificates[mounted["kafka-tls"]] == "upi-fraud-stream-api"
    assert certificates[workers["kafka-tls"]] == "upi-fraud-stream"


def test_its_scrapes_are_a_job_of_their_own() -> None:
    """Or a living API would hide that no worker is up."""
    production = overlay("production")
    monitor = production.one("PodMonitor", "upi-fraud-stream")["spec"]
    labels = production.one("Deployment", "upi-fraud-stream-api")["spec"]["template"]["metadata"]["labels"]
    assert labels[monitor["jobLabel"]] == "upi-fraud-stream-api"
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert {one["port"] for one in monitor["podMetricsEndpoints"]} == {"metrics", "http"}
