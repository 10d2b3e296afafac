"""What is deployed agrees with the program: settings, topics, commands, ports, probes and the drain."""

from __future__ import annotations

import re
import tomllib
import urllib.request
from pathlib import Path

import pytest

from deploy.k8s.manifests import K8S, OVERLAYS, ROOT
from deploy.k8s.scaled_object import MANIFEST, read_figures
from deploy.k8s.scaled_object import render as render_scaled_object
from stream.faust_app import consumer
from stream.kafka.config import client_config
from stream.running.health import Health
from stream.running.probes import ProbeServer
from stream.settings import PREFIX, Settings, describe, read_settings
from tests.fixtures.manifests import Manifests, containers, overlay, secret_templates
from tests.fixtures.promql import complaints
from upifraud.cli import main
from upifraud.local_stack import PARTITIONS, topics_of

FILES = {
    "identity-key": "00112233445566778899aabbccddeeff",
    "redis-url": "rediss://upifraud:x@redis:6379/0?ssl_ca_certs=/run/tls/stores/ca.crt",
    "postgres-url": "postgresql://upifraud:x@postgres/upifraud?sslmode=verify-full&sslrootcert=/run/tls/stores/ca.crt",
}
TOPIC_PARTITIONS = {"production": 60, "staging": 60, "dev": 12}


@pytest.fixture(params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> Manifests:
    return overlay(request.param)


@pytest.fixture
def settings(rendered: Manifests, tmp_path: Path) -> Settings:
    """The settings as a worker of the overlay reads them, its secrets filled in."""
    environ = rendered.settings()
    for name, value in FILES.items():
        (tmp_path / name).write_text(value)
    mounted = "/run/secrets/upifraud/"
    return read_settings({name: value.replace(mounted, f"{tmp_path}/") for name, value in environ.items()})


# Settings ---------------------------------------------------------------------------------------------------------


def test_every_variable_is_a_setting_and_has_a_value_that_it_takes(settings: Settings) -> None:
    assert settings.warnings == ()  # an unknown variable, or the public identity key


def test_secrets_are_in_files_that_the_secret_template_has(rendered: Manifests) -> None:
    named = {name: value for name, value in rendered.settings().items() if name.endswith("_FILE")}
    (volume,) = [one for one in rendered.worker["volumes"] if one["name"] == "secrets"]
    (mount,) = [one for one in rendered.worker["containers"][0]["volumeMounts"] if one["name"] == "secrets"]
    template = secret_templates()[volume["secret"]["secretName"]]
    assert {Path(value).name for value in named.values()} == set(template["stringData"]) == set(FILES)
    (volume,) = [one for one in rendered.api["volumes"] if one["name"] == "secrets"]
    items = [item for one in volume["projected"]["sources"] for item in one["secret"]["items"]]
    assert sorted(item["path"] for item in items) == sorted(FILES)
    (mount,) = [one for one in rendered.api["containers"][0]["volumeMounts"] if one["name"] == "secrets"]
    assert {str(Path(value).parent) for value in named.values()} == {mount["mountPath"]}
    assert {str(Path(value).parent) for value in named.values()} == {mount["mountPath"]}
    secrets = {one.variable for one in describe(Settings()) if "_FILE" in one.about and "KAFKA" not in one.variable}
    secrets.remove("UPIFRAUD_API_REDIS_URL")  # of a replica for what-ifs: who has one adds it
    assert secrets == {name.removesuffix("_FILE") for name in named}


def test_nothing_else_is_in_the_environment(rendered: Manifests) -> None:
    for workload, template in rendered.pods():
        for container in containers(template["spec"]):
            more = [one["name"] for one in container.get("env", []) if one["name"].startswith(PREFIX)]
            assert more in ([], ["UPIFRAUD_POSTGRES_URL_FILE"]), workload["metadata"]["name"]
            for one in container.get("env", []):
                assert "value" in one, f"{one['name']}: a secret in the environment is in every child's, and in dumps"


@pytest.mark.parametrize("name", ["staging", "production"])
def test_kafka_is_spoken_to_by_mutual_tls(name: str, tmp_path: Path) -> None:
    config = client_config(read_settings({k: v for k, v in overlay(name).settings().items() if "_FILE" not in k}))
    assert config["security.protocol"] == "SSL"
    mount = {one["name"]: one["mountPath"] for one in overlay(name).worker["containers"][0]["volumeMounts"]}
    keys = secret_templates()["upi-fraud-stream-kafka-tls"]["stringData"]
    for option in ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"):
        path = Path(config[option])
        assert str(path.parent) == mount["kafka-tls"]
        assert path.name in keys


# Topics and group -------------------------------------------------------------------------------------------------


def test_keda_watches_the_program_s_group_and_topic(rendered: Manifests, settings: Settings) -> None:
    triggers = {one["name"]: one for one in rendered.one("ScaledObject", "upi-fraud-stream")["spec"]["triggers"]}
    lag = triggers["lag"]["metadata"]
    assert triggers["lag"]["type"] == "kafka"
    assert lag["consumerGroup"] == settings.consumer_group == Settings().consumer_group == "upi-fraud-stream"
    assert lag["topic"] == settings.topic_transactions == Settings().topic_transactions == "transactions"
    assert lag["bootstrapServers"] == settings.kafka_bootstrap_servers
    assert lag.get("tls") == ("enable" if settings.kafka_security_protocol == "SSL" else None)


def test_topics_have_the_partitions_that_replicas_need(rendered: Manifests, settings: Settings) -> None:
    wanted = TOPIC_PARTITIONS[rendered.name]
    job = rendered.one("Job", "upi-fraud-stream-setup")["spec"]["template"]["spec"]
    assert job["containers"][0]["args"] == [f"--partitions={wanted}"]
    assert topics_of(settings, wanted)[settings.topic_transactions] == wanted
    scaled = rendered.one("ScaledObject", "upi-fraud-stream")["spec"]
    assert 1 <= scaled["minReplicaCount"] <= scaled["maxReplicaCount"] <= wanted
    assert scaled["minReplicaCount"] <= scaled["fallback"]["replicas"] <= scaled["maxReplicaCount"]
    # None: KEDA does not go below minReplicaCount, which is not 0.
    assert scaled.get("idleReplicaCount") is None


def test_dev_has_the_partitions_of_the_local_stack() -> None:
    assert TOPIC_PARTITIONS["dev"] == PARTITIONS


def test_production_has_3_to_20_replicas() -> None:
    scaled = overlay("production").one("ScaledObject", "upi-fraud-stream")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (3, 20)
    assert "replicas" not in overlay("production").one("Deployment", "upi-fraud-stream")["spec"]


# Scaling ----------------------------------------------------------------------------------------------------------


def test_thresholds_follow_from_the_measured_rate() -> None:
    figures = read_figures()
    assert MANIFEST.read_text() == render_scaled_object(figures), "run python -m deploy.k8s.scaled_object"
    triggers = {
        one["name"]: one for one in overlay("production").one("ScaledObject", "upi-fraud-stream")["spec"]["triggers"]
    }
    lag = int(triggers["lag"]["metadata"]["lagThreshold"])
    shown = figures.pod_rate * figures.commit_seconds
    assert lag == shown + figures.pod_rate * figures.drain_seconds
    # What is not committed yet must not ask for a pod: the HPA tolerates a tenth.
    assert shown < lag / 1.1
    assert int(triggers["flow"]["metadata"]["threshold"]) < figures.pod_rate


def test_the_commit_interval_of_the_derivation_is_the_workers(settings: Settings) -> None:
    assert read_figures().commit_seconds == settings.commit_interval_seconds


def test_prometheus_triggers_ask_for_declared_metrics_of_this_namespace(rendered: Manifests) -> None:
    (namespace,) = rendered.of("Namespace")
    triggers = rendered.one("ScaledObject", "upi-fraud-stream")["spec"]["triggers"]
    queries = [one["metadata"]["query"] for one in triggers if one["type"] == "prometheus"]
    assert len(queries) == 2
    for query in queries:
        assert complaints(query) == []
        assert f'namespace="{namespace["metadata"]["name"]}"' in query


def test_scale_in_is_slower_than_scale_out(rendered: Manifests) -> None:
    config = rendered.one("ScaledObject", "upi-fraud-stream")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    out, inwards = config["behavior"]["scaleUp"], config["behavior"]["scaleDown"]
    assert out["stabilizationWindowSeconds"] == 0
    assert inwards["stabilizationWindowSeconds"] >= 300
    assert [(one["type"], one["value"]) for one in inwards["policies"]] == [("Pods", 1)]


def test_without_keda_cpu_and_memory_decide() -> None:
    text = (K8S / "components/hpa/autoscaler.yaml").read_text()
    assert re.findall(r"averageUtilization: (\d+)", text) == ["70", "80"]


# Probes and the drain ---------------------------------------------------------------------------------------------


def test_a_pod_has_time_to_drain_and_to_leave_the_group(rendered: Manifests, settings: Settings) -> None:
    worker = rendered.worker["containers"][0]
    pre_stop = worker.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needed = pre_stop + settings.drain_seconds + consumer._FAREWELL_SECONDS
    assert needed + 10 <= rendered.worker["terminationGracePeriodSeconds"] <= 120


def test_probes_are_what_the_worker_answers(rendered: Manifests, settings: Settings) -> None:
    worker = rendered.worker["containers"][0]
    health = Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=120)
    health.rebalance_ended()
    with ProbeServer(health, host="127.0.0.1", port=0) as server:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = worker[probe]["httpGet"]
            assert get["port"] == "metrics"
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{get['path']}") as answer:
                assert answer.status == 200
    assert worker["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert worker["readinessProbe"]["httpGet"]["path"] == "/readyz"
    # A pod must never be restarted for a drain or a rebalance that the program itself allows.
    patience = worker["livenessProbe"]["periodSeconds"] * worker["livenessProbe"]["failureThreshold"]
    assert settings.stall_seconds + patience > settings.drain_seconds
    assert settings.rebalance_limit_seconds > settings.drain_seconds


def test_the_metrics_port_is_one_everywhere(rendered: Manifests, settings: Settings) -> None:
    (port,) = rendered.worker["containers"][0]["ports"]
    assert port == {"name": "metrics", "containerPort": settings.metrics_port}
    (service,) = rendered.one("Service", "upi-fraud-stream-metrics")["spec"]["ports"]
    assert (service["port"], service["targetPort"]) == (settings.metrics_port, "metrics")
    allowed = rendered.ingress({"app.kubernetes.io/component": "worker"})
    assert [one["port"] for rule in allowed for one in rule["ports"]] == [settings.metrics_port]


def test_the_scraped_job_is_the_one_that_rules_ask_for() -> None:
    monitor = overlay("production").one("PodMonitor", "upi-fraud-stream")["spec"]
    labels = overlay("production").one("Deployment", "upi-fraud-stream")["spec"]["template"]["metadata"]["labels"]
    assert labels[monitor["jobLabel"]] == "upi-fraud-stream"
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert any('job="upi-fraud-stream"' in path.read_text() for path in (ROOT / "deploy/prometheus/rules").iterdir())


# Commands, images, resources --------------------------------------------------------------------------------------


def test_every_command_is_one_of_the_program_s(rendered: Manifests) -> None:
    seen = set()
    for _, template in rendered.pods():
        for container in containers(template["spec"]):
            if not container["image"].startswith("upi-fraud-stream:"):
                continue
            words = [*container["command"], *container.get("args", [])]
            if words[0] == "sh":
                words = [*words[2].replace("exec ", "").replace(' "$@" >/dev/null', "").split(), *words[4:]]
            assert words[0] == "upifraud"
            name, command, arguments = main.resolve_command(main.make_context("upifraud", words[1:]), words[1:])
            assert command is not None
            command.make_context(name, list(arguments))  # parses them, and raises where it cannot
            seen.add(name)
    assert seen == {"worker", "api", "migrate", "up", "housekeeping"}


def test_the_image_is_of_this_version(rendered: Manifests) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for pod in (rendered.worker, rendered.api):
        assert pod["containers"][0]["image"] == f"upi-fraud-stream:{version}"


def test_the_user_is_the_image_s(rendered: Manifests) -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    context = rendered.worker["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user[1]), int(user[2]))


def test_a_worker_has_the_resources_that_the_rate_was_measured_with(rendered: Manifests) -> None:
    resources = rendered.worker["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["requests"]["memory"]) == ("500m", "1Gi")
    assert (resources["limits"]["cpu"], resources["limits"]["memory"]) == ("2", "4Gi")


def test_the_backup_runs_the_script_with_options_that_it_has() -> None:
    job = overlay("production").one("CronJob", "backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = job["containers"]
    script = (ROOT / "deploy/backup/backup.sh").read_text()
    for option in container["args"]:
        assert not option.startswith("--") or f"  {option} " in script
    (volume,) = [one for one in job["volumes"] if one["name"] == "scripts"]
    (shipped,) = [
        one for one in overlay("production").of("ConfigMap") if one["metadata"]["name"] == volume["configMap"]["name"]
    ]
    assert shipped["data"]["backup.sh"] == script


def test_the_database_is_no_newer_than_the_backup_s_programs() -> None:
    images = {
        containers(template["spec"])[0]["image"]
        for workload, template in overlay("staging").pods()
        if workload["metadata"]["name"] in ("postgres", "backup")
    }
    assert len(images) == 1
