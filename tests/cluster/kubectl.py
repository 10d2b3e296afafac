"""kubectl, on whatever KUBECONFIG points at, and kustomize."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from deploy.k8s import manifests

ROOT = Path(__file__).parents[2]
SCRATCH = "upi-fraud-stream-test-"
"""What the names of the tests' namespaces begin with: no others are ever deleted."""


def kubectl(*arguments: str, given: str | None = None, seconds: float = 120) -> str:
    """Run kubectl and return what it said; an AssertionError says what went wrong."""
    program = shutil.which("kubectl")
    assert program, "kubectl is needed, in the cluster's version or one beside it"
    done = subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
    return done.stdout + done.stderr


def render(directory: Path) -> list[dict[str, Any]]:
    """Return the objects of a kustomization."""
    try:
        return [one for one in yaml.safe_load_all(manifests.render(directory)) if one]
    except SystemExit as error:
        raise AssertionError(error) from error


def copied(directory: Path) -> Path:
    """Copy all that is deployed and return where deploy/k8s is then: an overlay may not lie outside of its tree."""
    target = directory / "deploy"
    shutil.copytree(ROOT / "deploy", target, ignore=shutil.ignore_patterns("__pycache__"))
    return target / "k8s"


def apply(objects: list[dict[str, Any]]) -> str:
    """Apply objects as the API server takes them: unknown and doubled fields are errors, not warnings."""
    return kubectl(
        *("apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"),
        given=yaml.safe_dump_all(objects),
    )


def delete_namespace(name: str) -> None:
    """Delete a namespace of the tests and all in it, and return when it is gone."""
    assert name.startswith(SCRATCH), name
    kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=180s", seconds=200)
