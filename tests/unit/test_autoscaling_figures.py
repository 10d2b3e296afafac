"""docs/autoscaling.md tells of the settings that are shipped, and of the run that was recorded."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from deploy.k8s.scaled_object import FIGURES
from tests.cluster.recording import Recording

DOCS = Path(__file__).parents[2] / "docs"
RUN = DOCS / "autoscaling/run.json"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording.load(RUN)


@pytest.fixture(scope="module")
def recorded():
    return json.loads((DOCS / "autoscaling/days.json").read_text())


def test_the_recorded_figures_are_of_the_settings_that_are_shipped(recorded):
    """If this fails, a setting has changed: docs/autoscaling.md, "Do it again", says what to do about its figures."""
    assert recorded["settings"]["figures"] == tomllib.loads(FIGURES.read_text())


def test_the_page_has_the_recorded_figures(recorded):
    page = (DOCS / "autoscaling.md").read_text()
    for rows in recorded["days"].values():
        for name, of in rows.items():
            title = f"**{name}**" if name == "shipped" else name
            row = f"| {title} | {of['pod_hours']:.1f} | {of['most_pods']} | {of['changes']} "
            assert f"{row}| {of['most_seconds_behind']:.1f} | {of['late_share']:.3%} |" in page


def test_what_is_shipped_is_the_choice_that_the_figures_make(recorded):
    salary = recorded["days"]["salary"]
    shipped = salary["shipped"]
    assert shipped["late_share"] == 0
    for name in ("lag alone", "lag and seconds behind", "flow over 2 minutes", "pods 80 % busy"):
        assert salary[name]["late_share"] > shipped["late_share"], name
    assert shipped["pod_hours"] < salary["pods 60 % busy"]["pod_hours"]
    assert 3 * shipped["changes"] < salary["lag alone"]["changes"]


def test_the_run_was_what_it_should_be(recording: Recording):
    assert recording.result["exit_codes"] == [0]
    assert recording.moments[-1].produced == recording.moments[-1].committed == recording.result["payments"]
    assert recording.column("replicas").max() > recording.setting["scaled_object"]["spec"]["minReplicaCount"]
    assert recording.result["payments_a_second_a_pod"] == recording.pod_rate()


def test_a_recording_survives_its_file(recording: Recording, tmp_path: Path):
    recording.save(tmp_path / "run.json")
    assert (tmp_path / "run.json").read_text() == RUN.read_text()
