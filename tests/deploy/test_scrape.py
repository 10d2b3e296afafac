"""A real Prometheus scrapes a real worker under load: the shipped rules evaluate on it, and alerts fire for real."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.fixtures.prometheus import API_JOB, HASTY, JOB, RULES, Scrape
from tests.fixtures.promql import selected

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

SHIPPED: list[dict[str, Any]] = [
    rule
    for path in sorted(RULES.glob("*.yaml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
RECORDED = [rule["record"] for rule in SHIPPED if "record" in rule]
NEEDS_HOURS = {"namespace_feature:model_drift_score:avg"}
"""Of workers that have seen most of a day."""


def test_the_worker_is_scraped_under_load_and_seen_to_go(scrape: Scrape) -> None:
    assert [sample.value for sample in scrape.query(f'up{{job="{JOB}"}}')] == [1.0]
    assert scrape.query("sum(rate(transactions_consumed_total[1m]))")[0].value > 10
    assert [sample.value for sample in scrape.query(f'up{{job="{JOB}"}}', at=scrape.after_stop)] == [0.0]


def test_the_api_is_a_job_of_its_own_that_outlives_the_worker(scrape: Scrape) -> None:
    assert [sample.value for sample in scrape.query(f'up{{job="{API_JOB}"}}', at=scrape.after_stop)] == [1.0]
    assert "UpiFraudDown" in scrape.fired
    assert "UpiFraudApiDown" not in scrape.fired
    assert "UpiFraudApiProvisional" in scrape.fired


def test_every_shipped_rule_is_loaded_and_evaluates_without_an_error(scrape: Scrape) -> None:
    evaluated = [rule for rule in scrape.rules if not rule["group"].endswith(HASTY)]
    assert sorted(rule["name"] for rule in evaluated) == sorted(rule.get("record") or rule["alert"] for rule in SHIPPED)
    assert [(rule["name"], rule.get("lastError")) for rule in evaluated if rule["health"] != "ok"] == []


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in NEEDS_HOURS])
def test_every_recording_rule_gives_data(scrape: Scrape, name: str) -> None:
    assert scrape.query(name)


@pytest.mark.parametrize("metric", sorted({name for rule in SHIPPED for name in selected(rule["expr"])} - {*RECORDED}))
def test_every_metric_of_the_rules_is_in_the_scrape(scrape: Scrape, metric: str) -> None:
    assert scrape.query(metric)


def test_shares_are_shares(scrape: Scrape) -> None:
    for name in RECORDED:
        if ":ratio" in name or "_ratio_" in name:
            assert all(0 <= sample.value <= 1 for sample in scrape.query(name)), name


def test_the_drift_of_every_feature_and_of_the_score_is_shown(scrape: Scrape) -> None:
    from features.schema import FEATURE_NAMES

    shown = {sample.labels["feature"]: sample.value for sample in scrape.query("model_drift_score")}
    assert set(shown) == {*FEATURE_NAMES, "score"}
    assert all(value >= 0 for value in shown.values())


def test_dead_letters_fire_their_alert(scrape: Scrape) -> None:
    assert scrape.query("sum(dead_letters_total)")[0].value >= 24
    assert "Records become dead letters (" in scrape.fired["UpiFraudDeadLetters"]["summary"]


def test_a_worker_that_is_gone_fires_its_alerts(scrape: Scrape) -> None:
    assert scrape.fired["UpiFraudDown"]["runbook_url"] == "docs/runbooks/UpiFraudDown.md"
    assert scrape.fired["UpiFraudWorkerDown"]["summary"] == f"The worker {scrape.instance} does not answer."


def test_what_did_not_happen_fires_nothing(scrape: Scrape) -> None:
    """Alerts that would fire at once if it had: they have no `for` here."""
    not_provoked = {
        "UpiFraudModelsDiffer", "UpiFraudPartitionsAbandoned", "UpiFraudRedisEvicts", "UpiFraudRedisMemory",
        "UpiFraudScoreDrift", "UpiFraudServerUnreachable", "UpiFraudVerdictDaysMissing",
    }  # fmt: skip
    assert not not_provoked & set(scrape.fired)
