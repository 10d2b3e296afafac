"""What alerts say beside the score: what decided, how rare the score is, and when a HOLD ends."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from features.online import FeatureBatch
from features.store.provenance import WRITTEN
from model.artifact import DEFAULT_DIR, Artifact, load
from model.risk_score import RiskMap
from model.verdict import NEVER, Thresholds
from stream.stages.judge import AlertRules, Judge
from tests.unit.test_judge_counts import payments_of

DECIDED_AT = 1_764_000_000_000
VERDICTS = ("ALLOW", "REVIEW", "HOLD", "BLOCK")


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """The shipped artifact, with thresholds that give its probes every verdict."""
    shipped = load(DEFAULT_DIR)
    low, middle, high = np.quantile(probabilities(shipped), (0.25, 0.5, 0.75)).tolist()
    return dataclasses.replace(shipped, thresholds=Thresholds(low, middle, high))


def vectors_of(artifact: Artifact) -> np.ndarray:
    return artifact.probes["probe_vectors"].clip(-1e9, 1e9)


def probabilities(artifact: Artifact) -> np.ndarray:
    return artifact.scorer.score(vectors_of(artifact)).probability


def alerts(artifact: Artifact, **rules: Any) -> list[dict[str, Any]]:
    """Judge the probes and return the alerts, all of them, with the row's end of hold under `stored`."""
    vectors = vectors_of(artifact)
    n = len(vectors)
    measured = FeatureBatch(vectors, np.zeros(n, dtype=np.uint8), np.zeros(n, dtype=WRITTEN))
    judge = Judge(artifact, model_key=1, rules=AlertRules(include_allow=True, **rules))
    rows = judge.judge(payments_of(n), measured, decided_at=DECIDED_AT).rows
    found = [
        json.loads(alert or b"") | {"stored": end}
        for alert, end in zip(rows.alerts, rows.hold_until.tolist(), strict=True)
    ]
    assert {alert["verdict"] for alert in found} == set(VERDICTS)
    return found


@pytest.mark.parametrize(("hold_for", "shown"), [(3_600_000, "2025-11-24T17:00:00.000Z"), (0, None)])
def test_a_hold_and_nothing_else_has_an_end(artifact: Artifact, hold_for: int, shown: str | None) -> None:
    for alert in alerts(artifact, hold_for=hold_for):
        ends = alert["verdict"] == "HOLD" and hold_for > 0
        assert alert["stored"] == (DECIDED_AT + hold_for if ends else -1)
        assert alert["hold_until"] == (shown if ends else None)


def test_a_decision_names_the_threshold_that_the_score_reached(artifact: Artifact) -> None:
    thresholds = artifact.thresholds
    least = dict(zip(VERDICTS, (None, thresholds.review, thresholds.hold, thresholds.block), strict=True))
    for alert in alerts(artifact):
        verdict = alert["verdict"]
        assert alert["policy_id"] is None
        assert alert["decision"] == {
            "verdict": verdict,
            "model": {"verdict": verdict, "threshold": least[verdict]},
            "rules": [],
            "lists": [],
            "external": [],
        }
        assert least[verdict] is None or alert["score"] >= least[verdict]


def test_a_verdict_that_is_never_given_has_no_threshold(artifact: Artifact) -> None:
    """An artifact without HOLD and BLOCK can be loaded and judges."""
    seldom = dataclasses.replace(artifact, thresholds=Thresholds(artifact.thresholds.review, NEVER, NEVER))
    vectors = vectors_of(seldom)
    measured = FeatureBatch(vectors, np.zeros(len(vectors), np.uint8), np.zeros(len(vectors), dtype=WRITTEN))
    judged = Judge(seldom, model_key=1).judge(payments_of(len(vectors)), measured, decided_at=0)
    assert set(judged.rows.verdict.tolist()) == {0, 1}


def test_the_risk_score_is_the_artifacts_map_of_the_score(artifact: Artifact) -> None:
    without = dataclasses.replace(artifact, risk_map=None)
    assert {alert["risk_score"] for alert in alerts(without)} == {None}
    mapped = dataclasses.replace(artifact, risk_map=RiskMap((0.0, artifact.thresholds.hold, 1.0), (0.0, 50.0, 100.0)))
    for alert in alerts(mapped):
        assert alert["risk_score"] == mapped.risk_map.of(alert["score"])
        assert (alert["risk_score"] >= 50) == (alert["verdict"] in ("HOLD", "BLOCK"))


@pytest.mark.parametrize("allow_reasons", ["codes", "none", "full"])
def test_what_the_reasons_of_an_allow_say_is_set(artifact: Artifact, allow_reasons: str) -> None:
    full = alerts(artifact, allow_reasons="full")
    for alert, whole in zip(alerts(artifact, allow_reasons=allow_reasons), full, strict=True):
        if alert["verdict"] != "ALLOW" or allow_reasons == "full":
            assert alert["reasons"] == whole["reasons"]
        elif allow_reasons == "none":
            assert alert["reasons"] == []
        else:
            names = ("feature", "code", "contribution")
            assert alert["reasons"] == [{name: reason[name] for name in names} for reason in whole["reasons"]]
    assert any(alert["verdict"] == "ALLOW" and alert["reasons"] for alert in full)
