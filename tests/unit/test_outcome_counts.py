"""Outcomes on the meters: each report once, against the verdict that its payment got, under a bounded label."""

from __future__ import annotations

import pytest

from model.verdict import Verdict
from simulator import codes
from stream import metrics
from stream.stages.outcome_counts import count_reported
from stream.typologies import KNOWN, metric_label
from stream.verdict_store import OutcomeRow, PaymentRef


def row(name: str, offset: int, *, fraud: bool = True, typology: str | None = "mule_fan_in") -> OutcomeRow:
    return OutcomeRow(name.encode(), fraud, 1_000 + offset, typology, None, 0, offset)


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_each_report_stands_is_superseded_or_waits():
    watched = {
        "stand": ("outcomes_stored_total", {"outcome": "FRAUD", "verdict": "HOLD"}),
        "typology": ("frauds_reported_total", {"typology": "mule_fan_in", "verdict": "HOLD"}),
        "genuine": ("outcomes_stored_total", {"outcome": "GENUINE", "verdict": "REVIEW"}),
        "superseded": ("outcomes_superseded_total", {}),
        "waiting": ("outcomes_unmatched_total", {}),
    }
    before = {what: value(name, **labels) for what, (name, labels) in watched.items()}
    reported = [row("a", 1), row("a", 2), row("b", 3, fraud=False), row("c", 4), row("nobody", 5)]
    newer = row("c", 9)  # was there before
    known = [
        PaymentRef(reported[1], 7, b"", Verdict.HOLD),
        PaymentRef(reported[2], 7, b"", Verdict.REVIEW),
        PaymentRef(newer, 7, b"", Verdict.HOLD),
    ]
    count_reported(reported, known)
    grown = {what: value(name, **labels) - before[what] for what, (name, labels) in watched.items()}
    assert grown == {"stand": 1, "typology": 1, "genuine": 1, "superseded": 2, "waiting": 1}


@pytest.mark.parametrize(
    ("typology", "label"),
    [
        ("mule_fan_in", "mule_fan_in"),
        (" Mule-Fan-In", "mule_fan_in"),
        ("asha.rao@okaxis", "other"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_what_outsiders_write_makes_no_series(typology: str | None, label: str):
    assert metric_label(typology) == label


def test_the_switch_reports_known_typologies():
    assert set(codes.TYPOLOGIES) - {""} == KNOWN
