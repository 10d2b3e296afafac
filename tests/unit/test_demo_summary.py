"""The summary that a demo ends with."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from upifraud.demo.plan import Plan
from upifraud.demo.quality import Part, Quality
from upifraud.demo.reading import Buckets, Reading
from upifraud.demo.summary import Account, Played, summary

INFINITE = float("inf")
ACCOUNT = Account(
    reading=Reading(
        9.0,
        consumed=130_160,
        verdicts={"ALLOW": 129_700, "REVIEW": 200, "HOLD": 70, "BLOCK": 30},
        duplicates=150,
        dead_letters={"not-json": 10},
    ),
    warm_up_rate=10_000.0,
    played=Played(999.6, 0.012),
    payments=(100_000, 30_000),
    duplicates=150,
    rejected={"not-json": 10},
    alerts=300,
    end_to_end=Buckets((0.01, 0.1, INFINITE), (15_000, 30_160, 30_160), 600.0),
    stages=(("claim", Buckets((0.01, INFINITE), (10, 10), 0.04)),),
    live_verdicts={"ALLOW": 29_800, "REVIEW": 120, "HOLD": 60, "BLOCK": 20},
    most_behind=9_900,
    quality=Quality(
        precision={"REVIEW": Part(150, 200), "HOLD": Part(75, 80), "BLOCK": Part(20, 20)},
        recall={"REVIEW": Part(150, 300), "HOLD": Part(75, 300), "BLOCK": Part(20, 300)},
        typologies={"impersonation": Part(100, 200), "mule_fan_in": Part(50, 100)},
    ),
    completed=True,
    first_verdict=8.7,
    exit_code=0,
)


def written(account: Account) -> str:
    """Return the summary as it is written where there is no terminal."""
    console = Console(file=io.StringIO(), width=400)
    console.print(summary(account, Plan(), "Apache Kafka (JVM)"))
    return console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


@pytest.mark.parametrize(
    "line",
    [
        "servers        Apache Kafka (JVM)",
        "payments       100,000 in the warm-up and 30,000 live, seed 1, 2,000 payers",
        "verdicts       130,000: one for each payment",
        "150 duplicates sent, 150 recognised; 10 malformed or conflicting records sent, 10 dead letters",
        "first verdict  seen 8.7 s after the start",
        "warm-up        10,000 payments/s",
        "live           1,000 records/s of 1,000 asked for; the switch was late by 12 ms (p99)",
        "p50 10 ms, p99 98 ms",
        "at most 9,900 records behind",
        "claim 4.0 ms (means)",
        "verdict mix    ALLOW 29,800, REVIEW 120, HOLD 60, BLOCK 20 of 30,000 live",
        "worker         drained, exit code 0",
        "300 frauds among 30,000 live payments. Their rate was set to 1 %",
    ],
)
def test_it_tells_what_happened(line: str) -> None:
    assert line in written(ACCOUNT)


def test_it_has_precision_and_recall_by_verdict_and_recall_by_typology() -> None:
    words = [line.split() for line in written(ACCOUNT).splitlines()]
    assert ["REVIEW", "or", "stricter", "200", "75", "%", "50", "%"] in words
    assert ["HOLD", "or", "stricter", "80", "94", "%", "25", "%"] in words
    assert ["BLOCK", "20", "100", "%", "7", "%"] in words
    assert ["mule_fan_in", "100", "50", "50", "%"] in words


def test_it_says_what_precision_real_fraud_rates_would_give() -> None:
    """150 of 300 frauds and 50 of 29,700 honest payments: 7e-6 x 0.5 / (7e-6 x 0.5 + 50 / 29,700) = 0.21 %."""
    text = written(ACCOUNT)
    assert "With 7 in a million, as reported for UPI, REVIEW or stricter would have a precision of 0.21 %" in text


def test_without_a_false_alert_it_says_nothing_of_other_rates() -> None:
    assert ACCOUNT.quality is not None
    spotless = replace(ACCOUNT.quality, precision={name: Part(20, 20) for name in ("REVIEW", "HOLD", "BLOCK")})
    assert "in a million" not in written(replace(ACCOUNT, quality=spotless))


def test_a_warm_up_too_short_to_measure_has_no_rate() -> None:
    assert "warm-up  " not in written(replace(ACCOUNT, warm_up_rate=None))


def test_differences_are_told_in_place_of_agreement() -> None:
    text = written(replace(ACCOUNT, payments=(100_000, 30_001)))
    assert "verdicts: expected 130,001, got 130,000" in text
    assert "one for each payment" not in text


def test_an_interrupted_demo_claims_nothing() -> None:
    text = written(replace(ACCOUNT, completed=False, played=None, quality=None, end_to_end=None, stages=()))
    assert "130,000 until it was ended early" in text
    assert "one for each payment" not in text
    assert "truth" not in text


def test_a_worker_that_failed_is_not_said_to_have_drained() -> None:
    assert "worker         did not end cleanly" in written(replace(ACCOUNT, exit_code=1))
