"""The model against a run on a real control plane: the same load and settings give much the same replicas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.autoscaling.recording import Recording
from deploy.autoscaling.replay import pod_rate, replay

RUN = Path(__file__).parents[2] / "docs/autoscaling/run.json"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording.load(RUN)


@pytest.fixture(scope="module")
def both(recording: Recording):
    """Replicas as recorded and as the model has them, at the same seconds."""
    played = replay(recording)
    seconds = recording.column("second")
    after = seconds >= played.seconds[0]
    at = np.searchsorted(played.seconds, seconds[after], side="right") - 1
    return seconds[after], recording.column("replicas")[after], played.replicas[at], played


def first(seconds, replicas, wanted) -> float:
    return float(seconds[np.argmax(wanted(replicas))])


def test_the_run_was_what_it_should_be(recording: Recording):
    assert recording.result["exit_codes"] == [0]
    assert recording.moments[-1].produced == recording.moments[-1].committed == recording.result["payments"]
    assert recording.column("replicas").max() > recording.setting["scaled_object"]["spec"]["minReplicaCount"]
    assert recording.result["payments_a_second_a_pod"] == pod_rate(recording)


def test_a_recording_survives_its_file(recording: Recording, tmp_path: Path):
    recording.save(tmp_path / "run.json")
    assert (tmp_path / "run.json").read_text() == RUN.read_text()


def test_the_model_adds_pods_when_the_cluster_did(both):
    seconds, recorded, played, _course = both
    assert abs(played.max() - recorded.max()) <= 1
    began = [first(seconds, one, lambda replicas: replicas > replicas[0]) for one in (recorded, played)]
    assert abs(began[0] - began[1]) <= 20, began


def test_the_model_takes_pods_away_when_the_cluster_did(both):
    seconds, recorded, played, _course = both
    ended = [float(seconds[np.flatnonzero(one > one[0])[-1]]) for one in (recorded, played)]
    assert abs(ended[0] - ended[1]) <= 40, ended


def test_the_curves_are_half_a_pod_apart_on_average(both):
    _seconds, recorded, played, _course = both
    assert np.abs(recorded - played).mean() <= 0.5


def test_the_model_is_behind_by_as_much(recording: Recording, both):
    _seconds, _recorded, _played, course = both
    lag = (recording.column("produced") - recording.column("committed")).max()
    assert course.lag.max() == pytest.approx(lag, rel=0.5)
