"""deploy.sh: in which order it applies, what it refuses to begin with, and when it goes back.

The cluster is a stand-in that answers as a test says; tests/cluster has a real one.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from deploy.k8s.manifests import ROOT
from tests.fixtures.kubectl_stand_in import KINDS, Server, StandIn
from tests.fixtures.manifests import overlay, secret_templates
from tests.fixtures.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = ROOT / "deploy/deploy.sh"
IMAGE = f"registry.example/upi-fraud-stream@sha256:{'0' * 64}"
GOOD = {
    "identity-key": "00112233445566778899aabbccddeeff",
    "redis-url": "rediss://upifraud:s3cret@redis:6379/0",
    "postgres-url": "postgresql://upifraud:s3cret@postgres/upifraud?sslmode=verify-full",
}
STORES = {"redis": {"users.acl": "user x"}, "postgres": {"superuser-password": "a", "password": "b"}}
API = {"postgres-url": "postgresql://upifraud_api:s3cret@postgres/upifraud?sslmode=verify-full"}


@dataclass
class Cluster:
    """The stand-in, and deploy.sh run against it."""

    folder: Path
    state: StandIn

    def set(self, **changed: Any) -> None:
        for name, value in changed.items():
            assert hasattr(self.state, name)
            setattr(self.state, name, value)

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [SCRIPT, *arguments],
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not [call for call in self.state.calls if call.startswith("NOT KNOWN")]
        return done


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    tool("kustomize")
    state = StandIn(secrets={"upi-fraud-stream": dict(GOOD), "upi-fraud-stream-api": dict(API), **STORES})
    server = Server(tmp_path, state)
    yield Cluster(tmp_path, state)
    server.close()


# Applying ---------------------------------------------------------------------------------------------------------


def test_workers_roll_out_last_after_tables_and_topics(cluster: Cluster) -> None:
    done = cluster.deploy("apply", "production", "--image", IMAGE, "--yes")
    assert done.returncode == 0, done.stderr
    applied = cluster.state.applied
    setup, workers = applied.index("Job/upi-fraud-stream-setup"), applied.index("Deployment/upi-fraud-stream")
    assert workers < applied.index("Deployment/upi-fraud-stream-api")
    settings = next(n for n, one in enumerate(applied) if one.startswith("ConfigMap/upi-fraud-stream-"))
    assert settings < setup < workers
    assert setup < applied.index("ScaledObject/upi-fraud-stream")
    calls = cluster.state.calls
    assert calls.index("delete job upi-fraud-stream-setup --ignore-not-found --wait --timeout=15m") < next(
        n for n, call in enumerate(calls) if call.startswith("get job upi-fraud-stream-setup")
    )
    assert "3 of 3 workers are ready" in done.stderr


def test_every_object_is_applied_once(cluster: Cluster) -> None:
    assert cluster.deploy("apply", "staging", "--yes").returncode == 0
    wanted = [f"{one['kind']}/{one['metadata']['name']}" for one in overlay("staging").objects]
    assert sorted(cluster.state.applied) == sorted(wanted)


def test_without_somebody_to_ask_it_wants_yes(cluster: Cluster) -> None:
    done = cluster.deploy("apply", "production")
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert cluster.state.applied == []


def test_the_image_goes_into_every_pod_of_the_program(cluster: Cluster) -> None:
    text = cluster.deploy("render", "production", "--image", IMAGE).stdout
    assert text.count(f"image: {IMAGE}") == 5
    assert "image: upi-fraud-stream" not in text


# What it refuses to begin with ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"kinds": KINDS[1:]}, "does not know ScaledObject: install KEDA"),
        ({"kinds": KINDS[:1] + KINDS[2:]}, "does not know Certificate: install cert-manager"),
        ({"namespace": False}, "Namespace upi-fraud-stream is missing"),
        ({"secrets": {}}, "Secret upi-fraud-stream is missing"),
        ({"identity-key": ""}, "no value for identity-key"),
        ({"identity-key": "REPLACE_ME"}, "no value for identity-key"),
        ({"identity-key": "0123"}, "32 hexadecimal digits"),
        ({"identity-key": "000102030405060708090a0b0c0d0e0f"}, "public development key"),
        ({"redis-url": "redis://redis:6379/0"}, "begin with rediss://"),
        ({"postgres-url": "postgresql://postgres/upifraud?sslmode=require"}, "sslmode=verify-full"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_changed(
    cluster: Cluster, change: dict[str, Any], about: str
) -> None:
    if change.keys() <= GOOD.keys():
        change = {"secrets": {"upi-fraud-stream": {**GOOD, **change}, "upi-fraud-stream-api": API}}
    cluster.set(**change)
    done = cluster.deploy("apply", "production", "--yes")
    assert done.returncode == 1
    assert about in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert cluster.state.applied == []


@pytest.mark.parametrize(
    ("secret", "about"),
    [
        (None, "Secret upi-fraud-stream-api is missing"),
        ({"postgres-url": ""}, "no value for postgres-url"),
        ({"postgres-url": "postgresql://postgres/upifraud?sslmode=require"}, "upi-fraud-stream-api: postgres-url"),
    ],
)
def test_what_the_api_lacks_is_told_before_anything_is_changed(
    cluster: Cluster, secret: dict[str, str] | None, about: str
) -> None:
    del cluster.state.secrets["upi-fraud-stream-api"]
    if secret is not None:
        cluster.state.secrets["upi-fraud-stream-api"] = secret
    done = cluster.deploy("apply", "production", "--yes")
    assert done.returncode == 1
    assert about in done.stderr
    assert cluster.state.applied == []


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        ((), "Expected a command"),
        (("appply", "dev"), "Unknown command 'appply'"),
        (("apply",), "Expected an overlay"),
        (("apply", "prod"), "expected one of dev production staging"),
        (("apply", "dev", "--image", "upi-fraud-stream:latest"), "A tag can be another image tomorrow"),
        (("apply", "dev", "--timeout", "soon"), "as 10m or 90s"),
        (("apply", "dev", "--force"), "Unknown argument '--force'"),
        (("apply", "dev", "--context"), "--context needs a value"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_what_was_expected(
    cluster: Cluster, arguments: tuple[str, ...], about: str
) -> None:
    done = cluster.deploy(*arguments)
    assert done.returncode == 2
    assert about in done.stderr
    assert cluster.state.calls == []


# When it fails ----------------------------------------------------------------------------------------------------


def test_workers_stay_untouched_where_the_setup_fails(cluster: Cluster) -> None:
    cluster.set(job="Failed ")
    done = cluster.deploy("apply", "production", "--yes")
    assert done.returncode == 1
    assert "the workers were not touched" in done.stderr
    assert "Deployment/upi-fraud-stream" not in cluster.state.applied
    assert cluster.state.revision == 4


@pytest.mark.parametrize("failure", [{"stuck": ("deployment/upi-fraud-stream",)}, {"doctor": False}])
def test_workers_that_fail_go_back(cluster: Cluster, failure: dict[str, Any]) -> None:
    cluster.set(**failure)
    done = cluster.deploy("apply", "production", "--yes")
    assert done.returncode == 1
    assert "rollout undo deployment/upi-fraud-stream" in cluster.state.calls
    assert "rolled back" in done.stderr
    assert "CronJob/upi-fraud-stream-housekeeping" not in cluster.state.applied


def test_an_api_that_fails_goes_back_and_the_workers_stay(cluster: Cluster) -> None:
    cluster.set(stuck=("deployment/upi-fraud-stream-api",))
    done = cluster.deploy("apply", "production", "--yes")
    assert done.returncode == 1
    assert [call for call in cluster.state.calls if "undo" in call] == ["rollout undo deployment/upi-fraud-stream-api"]
    assert "The workers are the new ones" in done.stderr


def test_an_api_does_not_follow_workers_that_failed(cluster: Cluster) -> None:
    cluster.set(doctor=False)
    assert cluster.deploy("apply", "production", "--yes").returncode == 1
    assert "Deployment/upi-fraud-stream-api" not in cluster.state.applied


def test_a_restart_is_of_both(cluster: Cluster) -> None:
    assert cluster.deploy("restart", "production", "--yes").returncode == 0
    assert [call for call in cluster.state.calls if "restart" in call] == [
        "rollout restart deployment/upi-fraud-stream",
        "rollout restart deployment/upi-fraud-stream-api",
    ]


def test_workers_that_fail_stay_to_be_looked_at_when_asked_to(cluster: Cluster) -> None:
    cluster.set(doctor=False)
    assert cluster.deploy("apply", "production", "--yes", "--no-rollback").returncode == 1
    assert not [call for call in cluster.state.calls if "undo" in call]


def test_the_first_deployment_has_nothing_to_go_back_to(cluster: Cluster) -> None:
    cluster.set(revision=0, doctor=False)
    done = cluster.deploy("apply", "production", "--yes")
    assert done.returncode == 1
    assert "no other revision" in done.stderr
    assert not [call for call in cluster.state.calls if "undo" in call]


def test_another_image_than_the_one_asked_for_is_seen(cluster: Cluster) -> None:
    cluster.set(image="registry.example/upi-fraud-stream@sha256:" + "1" * 64)
    done = cluster.deploy("verify", "production", "--image", IMAGE)
    assert done.returncode == 1
    assert "expected registry.example" in done.stderr


# Secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "secured"), [("dev", False), ("staging", True)])
def test_secrets_for_stores_in_the_cluster_are_made_as_the_templates_say(
    cluster: Cluster, name: str, secured: bool
) -> None:
    cluster.set(namespace=False, secrets={}, revision=0)
    done = cluster.deploy("secrets", name, "--yes")
    assert done.returncode == 0, done.stderr
    made = cluster.state.secrets
    assert {secret: set(keys) for secret, keys in made.items()} == {
        secret: set(secret_templates()[secret]["stringData"])
        for secret in ("upi-fraud-stream", "upi-fraud-stream-api", "redis", "postgres")
    }
    api = made["upi-fraud-stream-api"]["postgres-url"]
    assert f"upifraud_api:{made['postgres']['api-password']}@postgres:5432" in api
    assert ("sslmode=verify-full" in api) is secured
    assert made["postgres"]["api-password"] != made["postgres"]["password"]
    urls = made["upi-fraud-stream"]
    assert len(bytes.fromhex(urls["identity-key"])) == 16
    assert f":{made['postgres']['password']}@postgres:5432" in urls["postgres-url"]
    assert ("sslmode=verify-full" in urls["postgres-url"]) is urls["redis-url"].startswith("rediss://") is secured
    password = urls["redis-url"].split(":")[2].split("@")[0]
    template = secret_templates()["redis"]["stringData"]["users.acl"]
    assert made["redis"]["users.acl"] == template.replace("REPLACE_ME", password)
    for secret in (urls["identity-key"], password, *made["postgres"].values()):
        assert secret not in done.stderr + done.stdout + " ".join(cluster.state.calls)
    assert cluster.deploy("check", name).returncode == 0

    before = {secret: dict(keys) for secret, keys in made.items()}
    assert cluster.deploy("secrets", name, "--yes").returncode == 0
    assert cluster.state.secrets == before


def test_half_of_the_secrets_is_not_completed_with_other_passwords(cluster: Cluster) -> None:
    cluster.set(secrets={"redis": STORES["redis"]})
    done = cluster.deploy("secrets", "dev", "--yes")
    assert done.returncode == 1
    assert "belong together" in done.stderr


def test_secrets_of_managed_stores_are_somebody_s_to_fill_in(cluster: Cluster) -> None:
    done = cluster.deploy("secrets", "production", "--yes")
    assert done.returncode == 1
    assert "deploy/k8s/secrets" in done.stderr


# The script itself ------------------------------------------------------------------------------------------------


def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run([tool("shellcheck"), SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_help_shows_every_command_and_option() -> None:
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)
    for word in ("render", "diff", "check", "secrets", "apply", "verify", "rollback", "restart"):
        assert f"\n  {word} " in done.stdout
    for option in ("--image", "--context", "--timeout", "--no-rollback", "--yes"):
        assert f"\n  {option}" in done.stdout
    assert "Examples:" in done.stdout
