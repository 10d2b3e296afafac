"""GitHub's workflows: valid, every action pinned by its commit, and no more rights than they need."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.k8s.manifests import OVERLAYS, ROOT
from tests.fixtures.tools import tool

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def workflow(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def test_they_are_what_github_understands() -> None:
    """Expressions, types, the workflows called, and by shellcheck what the steps run."""
    tool("shellcheck")
    done = subprocess.run(
        [tool("actionlint"), "-no-color", *map(str, WORKFLOWS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_by_its_commit_and_says_its_version(path: Path) -> None:
    for line in re.findall(r"^.*\buses:.*$", path.read_text(), re.MULTILINE):
        own = re.search(r"uses: \./\.github/workflows/(\S+)$", line)
        if own:
            assert (path.parent / own[1]).is_file(), line
        else:
            assert re.search(r"uses: [\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_the_same_action_has_the_same_commit_everywhere() -> None:
    pins = re.findall(r"uses: ([\w/-]+)@(\w{40})", "".join(path.read_text() for path in WORKFLOWS))
    assert len(set(pins)) == len({action for action, _ in pins})


def test_rights_are_given_one_by_one(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}).get("contents", "read") == "read", name
        assert "timeout-minutes" in job or "uses" in job, f"{name} may run for six hours"


def test_the_token_is_not_left_in_the_checkout(workflow: dict[Any, Any]) -> None:
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
    for step in steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_inputs_do_not_get_into_scripts_as_code(workflow: dict[Any, Any]) -> None:
    for job in workflow["jobs"].values():
        for step in job.get("steps", []):
            assert not re.search(r"\$\{\{\s*(inputs|github\.(event|head_ref|ref_name))", step.get("run", "")), step


def test_deploy_offers_overlays_and_commands_that_there_are() -> None:
    inputs = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())[True]["workflow_dispatch"]["inputs"]
    assert set(inputs["overlay"]["options"]) == set(OVERLAYS) - {"dev"}
    script = (ROOT / "deploy/deploy.sh").read_text()
    for command in inputs["command"]["options"]:
        assert re.search(rf"^  {command} ", script, re.MULTILINE), command


def test_every_make_target_is_in_the_makefile(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^\s*(?:run: )?make ([a-z-]+)", path.read_text(), re.MULTILINE)) <= targets
