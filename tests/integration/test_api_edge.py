"""Around a real API: its load test, its meters as rules and dashboard ask for them, and UPI's messages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from deploy.k8s.manifests import ROOT
from tests.fixtures.api import payment
from tests.fixtures.dashboards import targets
from tests.fixtures.promql import selected
from upifraud.cli import main

if TYPE_CHECKING:
    from tests.fixtures.api import Stack

pytestmark = pytest.mark.servers

SAMPLES = ROOT / "tests/fixtures/files/upi"
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules/api.yaml").read_text())["groups"][0]["rules"]


@pytest.mark.parametrize("how", [("--rate", "20"), ("--vus", "3")])
def test_a_load_test_of_a_real_api_is_answered_with_verdicts(api_stack: Stack, how: tuple[str, ...]) -> None:
    before = api_stack.verdicts()
    where = ("--http", f"http://127.0.0.1:{api_stack.apis[0].port}", "--key-env", "KEY", "--deadline-ms", "10000")
    size = ("--seconds", "2", "--warm-up", "0", "--payers", "100", "--json")
    done = CliRunner().invoke(main, ["load", *where, *how, *size], env={"KEY": api_stack.key})
    measured = json.JSONDecoder().raw_decode(done.output)[0]["measured"]
    assert measured["statuses"] == {"200": measured["posted"]}, done.output
    assert api_stack.verdicts() - before == measured["posted"] > 0


def test_the_api_has_every_meter_that_rules_and_dashboard_ask_for(api_stack: Stack) -> None:
    api = api_stack.apis[0]
    assert api.call("POST", "/v1/payments?deadline_ms=10000", payment(), key=api_stack.key).status == 200
    page = api.call("GET", "/metrics").body.decode()
    there = {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}
    asked = [target.expression for target in targets() if target.dashboard == "api"]
    asked += [rule["expr"] for rule in RULES]
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    names = set().union(*map(selected, asked)) - {"up"} - recorded
    assert names - there == set()
    assert len(names) > 8
    routes = {sample.labels["route"] for family in text_string_to_metric_families(page) for sample in family.samples
              if sample.name == "http_request_duration_seconds_count"}  # fmt: skip
    assert set(re.findall(r'route="([^"]+)"', " ".join(asked))) <= routes


def test_payments_of_upi_s_messages_get_verdicts(api_stack: Stack) -> None:
    payments = [json.loads(line) for line in (SAMPLES / "expected.jsonl").read_text().splitlines()]
    answer = api_stack.apis[0].call("POST", "/v1/payments?deadline_ms=10000", payments, key=api_stack.key)
    assert [item["status"] for item in answer.json] == [200] * 4
    assert [item["body"]["amount_paise"] for item in answer.json] == [one["amount_paise"] for one in payments]
