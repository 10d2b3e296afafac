"""Every overlay and combinations of components: rendered, strictly valid, restricted, whole and closed.

All combinations are rendered and validated by `make manifests`; here, those of the components that change others.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.k8s import manifests
from deploy.k8s.combinations import ORDER, combinations, name_of, problem, representative
from deploy.k8s.manifests import OVERLAYS, render_all, validate
from tests.fixtures.manifests import (
    KUBE_DNS,
    Manifests,
    containers,
    documents,
    overlay,
    read,
    secret_templates,
    selects,
    without_hash,
)
from tests.fixtures.tools import tool

GOLDEN = Path(__file__).parent / "golden"
RENDERED = manifests.RENDERED.with_name("manifests-of-tests")

pytestmark = pytest.mark.slow  # all combinations are rendered first


@pytest.fixture(scope="module")
def files() -> list[Path]:
    tool("kustomize")
    tool("kubeconform")
    tool("go")
    return render_all(RENDERED, representative())


@pytest.fixture(scope="module")
def all_of_them(files: list[Path]) -> list[Manifests]:
    return [read(path) for path in files if path.is_relative_to(RENDERED)]


def test_all_is_strictly_what_the_apis_know(files: list[Path]) -> None:
    assert "Invalid: 0, Errors: 0, Skipped: 0" in validate(files)


def test_every_pair_of_components_that_go_together_is_among_them(all_of_them: list[Manifests]) -> None:
    assert {one.name for one in all_of_them} == {*OVERLAYS, *map(name_of, representative())}
    assert set(representative()) <= set(combinations())
    assert {pair for chosen in combinations() for pair in itertools.combinations(chosen, 2)} == {
        pair for chosen in representative() for pair in itertools.combinations(chosen, 2)
    }
    assert {path.name for path in manifests.K8S.glob("components/*")} == set(ORDER)


def test_every_overlay_is_a_combination_that_goes_together() -> None:
    for name in OVERLAYS:
        text = (manifests.K8S / "overlays" / name / "kustomization.yaml").read_text()
        assert problem(tuple(re.findall(r"- \.\./\.\./components/(\S+)", text))) is None, name


def test_what_does_not_go_together_is_told() -> None:
    assert problem(("managed-stores", "keda", "hpa")) is not None
    assert problem(("managed-stores", "kafka-mtls", "keda")) is not None
    assert problem(("keda", "managed-stores")) is not None
    assert problem(("redis",)) is not None


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        ("maxSurg: 1", "'maxSurg' not allowed"),
        ("maxSurge: [1]", "got array"),
    ],
)
def test_validation_sees_what_is_wrong(tmp_path: Path, wrong: str, about: str) -> None:
    tool("kubeconform")
    tool("go")
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {}\n  template: {}\n"
        f"  strategy: {{rollingUpdate: {{{wrong}}}}}\n"
    )
    with pytest.raises(SystemExit, match=re.escape(about)):
        validate([path])


# Restricted -------------------------------------------------------------------------------------------------------


def violations(pod: dict[str, Any]) -> list[str]:
    """Return what the restricted pod standard has against a pod, and what we have besides."""
    found = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if pod.get(key)]
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) == 0:
        found.append("may run as root")
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("has no seccomp profile")
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected", "name"}
    found += [f"volume {one['name']} is of another kind" for one in pod["volumes"] if not one.keys() <= allowed]
    if pod.get("automountServiceAccountToken") is not False:
        found.append("gets a token of the Kubernetes API")
    for container in containers(pod):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            found.append("may get more privileges")
        if context.get("capabilities") != {"drop": ["ALL"]}:
            found.append("has capabilities")
        if context.get("readOnlyRootFilesystem") is not True:
            found.append("can write to its root file system")
        if context.keys() & {"privileged", "runAsUser", "seccompProfile", "procMount"}:
            found.append("overrides what the pod says")
        if any("hostPort" in port for port in container.get("ports", [])):
            found.append("takes a port of its node")
    return found


def test_every_pod_meets_the_restricted_standard(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        for workload, template in rendered.pods():
            assert violations(template["spec"]) == [], f"{rendered.name}: {workload['metadata']['name']}"


def test_every_namespace_enforces_it(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        (namespace,) = rendered.of("Namespace")
        labels = namespace["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        others = {one["metadata"].get("namespace") for one in rendered.objects if one is not namespace}
        assert others == {namespace["metadata"]["name"]}, rendered.name


def test_images_have_whole_versions_or_digests(all_of_them: list[Manifests]) -> None:
    whole = re.compile(r"(:\d+\.\d+(\.\d+)?(-\w+)?|@sha256:[0-9a-f]{64})$")
    for rendered in all_of_them:
        for _, template in rendered.pods():
            for container in containers(template["spec"]):
                assert whole.search(container["image"]), container["image"]


def test_every_container_says_what_it_needs_and_what_it_may_have(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        for _, template in rendered.pods():
            for container in containers(template["spec"]):
                for kind in ("requests", "limits"):
                    assert container["resources"][kind].keys() == {"cpu", "memory", "ephemeral-storage"}


def test_no_secret_is_in_the_tree(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        assert rendered.of("Secret") == []
    for template in secret_templates().values():
        for value in template["stringData"].values():
            assert "REPLACE_ME" in value


# Whole ------------------------------------------------------------------------------------------------------------


def test_whatever_is_referred_to_is_there(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        made = {one["spec"]["secretName"] for one in rendered.of("Certificate")}
        there = {
            "configMap": {one["metadata"]["name"] for one in rendered.of("ConfigMap")},
            "secret": made | secret_templates().keys(),
            "persistentVolumeClaim": {one["metadata"]["name"] for one in rendered.of("PersistentVolumeClaim")},
        }
        accounts = {one["metadata"]["name"] for one in rendered.of("ServiceAccount")}
        for workload, template in rendered.pods():
            pod = template["spec"]
            claims = {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])}
            volumes = {one["name"] for one in pod["volumes"]}
            for volume in pod["volumes"]:
                for source in volume.get("projected", {}).get("sources", []):
                    wanted = secret_templates()[source["secret"]["name"]]["stringData"]
                    assert {one["key"] for one in source["secret"]["items"]} <= wanted.keys()
                for kind, names in there.items():
                    if kind in volume:
                        source = volume[kind]
                        assert (source.get("secretName") or source.get("claimName") or source.get("name")) in names
            for container in containers(pod):
                assert {one["name"] for one in container["volumeMounts"]} <= volumes | claims
                sources = {one["configMapRef"]["name"] for one in container.get("envFrom", [])}
                assert sources <= there["configMap"], rendered.name
            assert pod.get("serviceAccountName", "default") in accounts | {"default"}
        for reference in rendered.of("TriggerAuthentication"):
            for one in reference["spec"]["secretTargetRef"]:
                assert one["name"] in there["secret"]


def test_whatever_selects_finds_something(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        pods = [template["metadata"]["labels"] for _, template in rendered.pods()]
        for one in rendered.of("Service"):
            assert any(one["spec"]["selector"].items() <= labels.items() for labels in pods), rendered.name
        for ingress in rendered.of("Ingress"):
            for path in ingress["spec"]["rules"][0]["http"]["paths"]:
                there = rendered.one("Service", path["backend"]["service"]["name"])["spec"]["ports"]
                assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in there}
        selectors = [(one["spec"]["selector"], one) for one in rendered.of("PodDisruptionBudget", "PodMonitor")]
        # The way to Kafka and to stores is by label, so that there may be nobody who goes it.
        selectors += [(one["spec"]["podSelector"], one) for one in rendered.of("NetworkPolicy")]
        for selector, one in selectors:
            assert any(selects(selector, labels) for labels in pods), one["metadata"]["name"]
        for one in rendered.of("ScaledObject", "HorizontalPodAutoscaler"):
            target = one["spec"]["scaleTargetRef"]
            assert "replicas" not in rendered.one(target["kind"], target["name"])["spec"]


# Closed -----------------------------------------------------------------------------------------------------------


def test_nothing_comes_in_and_nothing_goes_out_by_default(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        policy = rendered.one("NetworkPolicy", "default-deny")["spec"]
        assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for rule in itertools.chain(rendered.egress({"is": "a stranger"}), rendered.ingress({"is": "a stranger"})):
            (peer,) = rule.get("to", rule.get("from"))
            assert peer["podSelector"]["matchLabels"] == KUBE_DNS
            assert {one["port"] for one in rule["ports"]} == {53}


def test_every_rule_names_peers_and_ports(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        for policy in rendered.of("NetworkPolicy"):
            for direction, peers in (("egress", "to"), ("ingress", "from")):
                for rule in policy["spec"].get(direction, []):
                    assert all(rule[peers]), policy["metadata"]["name"]
                    assert all("port" in one for one in rule["ports"])


def test_pods_reach_what_they_use_and_no_more(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        kafka = int(rendered.settings()["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")[2])
        stores = {6379, 5432}
        uses = {"housekeeping": stores, "backup": stores}
        uses |= dict.fromkeys(("worker", "setup", "api"), {kafka} | stores)
        for _, template in rendered.pods():
            labels = template["metadata"]["labels"]
            ports = {one["port"] for rule in rendered.egress(labels) for one in rule["ports"]} - {53}
            assert ports == uses.get(labels["app.kubernetes.io/component"], set()), f"{rendered.name}: {labels}"
        for store, port in (("redis", 6379), ("postgres", 5432)):
            labels = {"app.kubernetes.io/name": store}
            allowed = {one["port"] for rule in rendered.ingress(labels) for one in rule["ports"]}
            is_there = any(one["metadata"]["name"] == store for one in rendered.of("StatefulSet"))
            assert allowed == ({port} if is_there else set())


def test_the_api_is_open_to_the_ingress_and_to_scrapes_and_to_nobody_else(all_of_them: list[Manifests]) -> None:
    for rendered in all_of_them:
        allowed = rendered.ingress({"app.kubernetes.io/name": "upi-fraud-stream-api"})
        if not any(one["metadata"]["name"] == "upi-fraud-stream-api" for one in rendered.of("Deployment")):
            assert allowed == []
            continue
        assert [port["port"] for rule in allowed for port in rule["ports"]] == [8000, 8000]
        peers = [peer for rule in allowed for peer in rule["from"]]
        namespaces = [one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in peers]
        assert namespaces == ["ingress-nginx", "monitoring"]


def test_with_tls_no_store_listens_without() -> None:
    redis = containers(overlay("staging").one("StatefulSet", "redis")["spec"]["template"]["spec"])[0]["args"]
    assert redis[redis.index("--port") + 1] == "0"
    assert redis[redis.index("--tls-port") + 1] == "6379"
    rules = overlay("staging").one("ConfigMap", "postgres")["data"]["pg_hba.conf"]
    remote = [line.split() for line in rules.splitlines() if line.startswith("host")]
    assert [line[0] for line in remote] == ["hostssl"]


# Golden -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_is_deployed_is_what_was_reviewed(name: str) -> None:
    """A change of the base or a component shows what it does to every overlay; UPDATE_GOLDEN=1 writes them anew."""
    tool("kustomize")
    text = "---\n".join(_reviewed(part) for part in _parts(manifests.render(manifests.K8S / "overlays" / name)))
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.name}: if it is meant so, run the test with UPDATE_GOLDEN=1"


def _parts(text: str) -> list[str]:
    """Split a rendering, without what is written from files that have tests of their own."""
    return [part for part in text.split("---\n") if not _is_copied(part)]


def _is_copied(part: str) -> bool:
    (one,) = documents(part)
    copied = "grafana_dashboard" in one["metadata"].get("labels", {}) or without_hash(one) == "backup"
    return one["kind"] == "PrometheusRule" or (one["kind"] == "ConfigMap" and copied)


def _reviewed(part: str) -> str:
    return re.sub(
        r"(name: (?:upi-fraud-stream|postgres|backup|api-role))-[0-9a-z]{10}$", r"\1-HASH", part, flags=re.MULTILINE
    )
