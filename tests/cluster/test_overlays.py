"""Every overlay is taken by a real API server, word for word, and its pods pass the restricted pod standard.

Each goes into a scratch namespace of its own, which is deleted afterwards: the overlay's own may be somebody's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes import client

from deploy.k8s import schemas
from deploy.k8s.combinations import kustomization
from deploy.k8s.manifests import OVERLAYS
from tests.cluster.kubectl import SCRATCH, apply, copied, delete_namespace, kubectl, render
from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHOUT_KEDA = ("redis", "postgres", "hpa")
"""A combination of components that no overlay has."""
POD_SECURITY = "pod-security.kubernetes.io/enforce"
LABEL = "app.kubernetes.io/part-of=upi-fraud-stream"


@pytest.fixture(scope="module", autouse=True)
def _definitions(api: client.ApiClient) -> Iterator[None]:
    """The definitions of all kinds that overlays have; those that the cluster lacks are taken away again."""
    listed = client.ApiextensionsV1Api(api).list_custom_resource_definition().items
    known = {one.metadata.name for one in listed}
    missing = {name: path for name, path in _custom_kinds().items() if name not in known}
    for path in missing.values():
        kubectl("apply", "--server-side", "--filename", str(path))
    for name in missing:
        kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{name}")
    yield
    for name in missing:
        kubectl("delete", "crd", name, "--timeout=120s")


@pytest.fixture(params=[*OVERLAYS, "without-keda"])
def overlay(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """The objects of an overlay, moved to a scratch namespace."""
    namespace = f"{SCRATCH}{request.param}"
    shipped = copied(tmp_path)
    moved = shipped / "overlays/scratch"
    moved.mkdir()
    if request.param not in OVERLAYS:
        chosen = shipped / "overlays" / request.param
        chosen.mkdir()
        (chosen / "kustomization.yaml").write_text(kustomization(WITHOUT_KEDA, chosen, shipped))
    over = {"namespace": namespace, "resources": [f"../{request.param}"]}
    (moved / "kustomization.yaml").write_text(yaml.safe_dump(over))
    delete_namespace(namespace)
    yield render(moved)
    delete_namespace(namespace)


def test_an_overlay_is_taken_and_its_pods_are_admitted(api: client.ApiClient, overlay: list[dict[str, Any]]):
    namespace = next(one["metadata"]["name"] for one in overlay if one["kind"] == "Namespace")
    said = apply(overlay)

    assert "arning" not in said, said
    labels = client.CoreV1Api(api).read_namespace(namespace).metadata.labels
    assert labels[POD_SECURITY] == "restricted"
    assert {one["metadata"].get("namespace", namespace) for one in overlay} == {namespace}, "something went elsewhere"

    for cron_job in (one["metadata"]["name"] for one in overlay if one["kind"] == "CronJob"):
        kubectl("create", "job", "--namespace", namespace, "--from", f"cronjob/{cron_job}", f"{cron_job}-now")
    expected = _workloads(overlay)
    until(lambda: expected <= _with_pods(api, namespace) or bool(_refusals(api, namespace)), f"pods of {expected}", 60)
    assert _refusals(api, namespace) == []

    # What the server fills in is not fought over: applying again would change nothing.
    without_jobs = [one for one in overlay if one["kind"] not in ("Job", "ScaledObject")]
    kubectl("diff", "--server-side", "--force-conflicts", "--filename=-", given=yaml.safe_dump_all(without_jobs))


def test_a_pod_that_does_not_restrict_itself_is_refused(api: client.ApiClient, overlay: list[dict[str, Any]]):
    apply([one for one in overlay if one["kind"] in ("Namespace", "ServiceAccount")])
    namespace = next(one["metadata"]["name"] for one in overlay if one["kind"] == "Namespace")
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "intruder", "namespace": namespace},
        "spec": {"containers": [{"name": "intruder", "image": "intruder"}], "serviceAccountName": "upi-fraud-stream"},
    }
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        apply([manifest])


def _workloads(overlay: list[dict[str, Any]]) -> set[str]:
    """Return the names that pods' owners have, as far as they say whose they are."""
    kinds = ("Deployment", "StatefulSet", "Job")
    names = {one["metadata"]["name"] for one in overlay if one["kind"] in kinds and one["spec"].get("replicas") != 0}
    return names | {f"{one['metadata']['name']}-now" for one in overlay if one["kind"] == "CronJob"}


def _with_pods(api: client.ApiClient, namespace: str) -> set[str]:
    owners = set()
    for pod in client.CoreV1Api(api).list_namespaced_pod(namespace).items:
        for owner in pod.metadata.owner_references or ():
            # A ReplicaSet has its Deployment's name and a hash.
            owners.add(owner.name.rpartition("-")[0] if owner.kind == "ReplicaSet" else owner.name)
    return owners


def _refusals(api: client.ApiClient, namespace: str) -> list[str]:
    events = client.CoreV1Api(api).list_namespaced_event(namespace).items
    return sorted({event.message for event in events if event.reason == "FailedCreate"})


def _custom_kinds() -> dict[str, Path]:
    """Return where the definitions lie that the manifests' schemas come from: KEDA's, Prometheus's, cert-manager's."""
    paths = [path for module, pattern in schemas.CRDS.items() for path in schemas._module(module).glob(pattern)]
    names = (re.search(r"^  name: (\S+)$", path.read_text(), re.MULTILINE) for path in paths)
    return {name[1]: path for name, path in zip(names, paths, strict=True) if name is not None}
