"""The shipped rules: valid, tested silent and firing, each with its runbook, on what the program declares."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.fixtures.promql import complaints, recorded
from tests.fixtures.tools import ROOT, tool

if TYPE_CHECKING:
    from pathlib import Path

PROMETHEUS = ROOT / "deploy" / "prometheus"
FILES = sorted((PROMETHEUS / "rules").glob("*.yaml"))
TESTS = sorted((PROMETHEUS / "tests").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES: list[dict[str, Any]] = [
    rule for path in FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})
RECORDED = recorded(RULES)


def name_of(rule: dict[str, Any]) -> str:
    return rule.get("record") or f"{rule['alert']}-{rule['labels']['severity']}"


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules() -> None:
    assert promtool("check", "rules", *FILES).count("SUCCESS") == len(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_do_as_their_unit_tests_say(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_every_metric_and_label_is_one_that_the_program_has(rule: dict[str, Any]) -> None:
    assert complaints(rule["expr"], RECORDED) == []


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    said = rule["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert all(said.values())
    assert said["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_labels_in_annotations_are_on_the_alert(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    made = recorded([*(one for one in RULES if "record" in one), {"record": "alert", "expr": rule["expr"]}])
    assert named <= made["alert"]


def checks() -> list[tuple[str, bool]]:
    """Every expectation of the unit tests about a firing alert: its expression, and whether it fires there."""
    return [
        (check["expr"], bool(check["exp_samples"]))
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for check in test["promql_expr_test"]
        if "ALERTS" in check["expr"]
    ]


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
@pytest.mark.parametrize("fires", [True, False], ids=["firing", "silent"])
def test_every_alert_has_a_unit_test(rule: dict[str, Any], fires: bool) -> None:
    """By its severity where there are two of a name; silent may be said of both at once."""
    severity = f'severity="{rule["labels"]["severity"]}"'
    named = [expression for expression, fired in checks() if fired == fires and f'"{rule["alert"]}"' in expression]
    both = [one for one in ALERTS if one["alert"] == rule["alert"]]
    if fires and len(both) > 1:
        named = [expression for expression in named if severity in expression]
    assert named


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "README") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_it_means_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def queries(name: str) -> list[str]:
    """The PromQL of a runbook: its fenced blocks of that language, a query a line."""
    text = (RUNBOOKS / f"{name}.md").read_text()
    return [
        line
        for block in re.findall(r"^```promql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_queries_of_a_runbook_name_what_the_program_has(name: str) -> None:
    asked = queries(name)
    assert asked
    assert [complaint for query in asked for complaint in complaints(query, RECORDED)] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_of_a_runbook_exist(name: str) -> None:
    from click.testing import CliRunner

    from upifraud.cli import main

    text = (RUNBOOKS / f"{name}.md").read_text()
    for words in {tuple(found.split()) for found in re.findall(r"upifraud ((?:[a-z][a-z-]+ ?){1,2})", text)}:
        known = CliRunner().invoke(main, [*words, "--help"]).exit_code == 0
        assert known or CliRunner().invoke(main, [words[0], "--help"]).exit_code == 0, f"upifraud {' '.join(words)}"


@pytest.mark.slow
def test_annotations_expand_without_an_error(tmp_path: Path) -> None:
    """Each unit test that fires is run again as one that expects no alert: promtool then shows what the alert says."""
    said = ""
    for path in TESTS:
        content = yaml.safe_load(path.read_text())
        content["rule_files"] = [str(path.parent / file) for file in content["rule_files"]]
        for test in content["tests"]:
            test["alert_rule_test"] = [
                {"eval_time": check["eval_time"], "alertname": re.findall(r'alertname="(\w+)"', check["expr"])[0]}
                for check in test.pop("promql_expr_test")
                if "ALERTS" in check["expr"] and check["exp_samples"]
            ]
        content["tests"] = [test for test in content["tests"] if test["alert_rule_test"]]
        silenced = tmp_path / path.name
        silenced.write_text(yaml.safe_dump(content))
        done = subprocess.run(
            [tool("promtool"), "test", "rules", silenced], capture_output=True, text=True, timeout=300, check=False
        )
        said += done.stdout + done.stderr
    assert set(re.findall(r'alertname="(\w+)"', said)) == set(NAMES)
    assert "error expanding" not in said
    assert "no value" not in said


def test_the_table_of_alerts_is_complete() -> None:
    text = (ROOT / "docs" / "slo.md").read_text()
    rows = dict(re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| (\w+) \|", text, re.MULTILINE))
    severities = {name: {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name} for name in NAMES}
    assert rows == {name: "both" if len(of) == 2 else of.pop() for name, of in severities.items()}
