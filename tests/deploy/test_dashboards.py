"""Dashboards are what the code says, watch metrics that exist, and can be read by who is paged at night."""

from __future__ import annotations

import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.__main__ import documents, main
from tests.fixtures.dashboards import FOLDER, OUTSIDE, ROOT, Target, dashboards, filled, panels, targets
from tests.fixtures.promql import complaints, recorded

NAMES = {"api", "flow", "fraud", "stores"}
RULES = [
    rule
    for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yaml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in RULES if "alert" in rule}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "dashboards"))


def test_the_files_are_what_the_code_says():
    assert set(dashboards()) == NAMES
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == documents()


def test_a_file_that_differs_or_that_nobody_writes_is_drift(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--check"], folder) == 0
    (folder / "flow.json").write_text("{}")
    (folder / "old.json").write_text("{}")
    assert main(["--check"], folder) == 1
    said = capsys.readouterr().err
    assert "flow.json" in said
    assert "old.json" in said
    assert "run python -m deploy.grafana" in said
    assert main([], folder) == 0
    assert {path.name for path in folder.glob("*.json")} == {f"{name}.json" for name in NAMES}
    assert main(["--check"], folder) == 0


@pytest.mark.parametrize("target", targets(), ids=str)
def test_a_query_names_what_is_declared(target: Target):
    found = complaints(target.expression, recorded(RULES))
    assert [one for one in found if not any(one.startswith(f"{metric} is not declared") for metric in OUTSIDE)] == []
    assert "\n" not in target.legend
    assert target.legend


def test_what_comes_from_elsewhere_is_still_shown():
    """A name left on the list would excuse a query that is misspelled later."""
    shown = " ".join(target.expression for target in targets())
    assert [metric for metric in OUTSIDE if metric not in shown] == []


@pytest.mark.parametrize(
    ("name", "panel"), panels(), ids=lambda value: value if isinstance(value, str) else value["title"]
)
def test_a_panel_says_what_it_shows_and_in_which_unit(name: str, panel: dict[str, Any]):
    assert len(panel["description"]) > 25
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    if panel["type"] in {"timeseries", "state-timeline"}:
        assert panel["options"]["legend"]["showLegend"]
    if panel["type"] == "heatmap":
        assert panel["options"]["legend"]["show"]
        assert panel["targets"][0]["format"] == "heatmap"
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters) >= 1


@pytest.mark.parametrize("name", sorted(NAMES))
def test_panels_have_a_place_a_number_and_a_title_of_their_own(name: str):
    board = dashboards()[name]
    placed = [(one["gridPos"], one) for one in board["panels"]]
    for (a, one), (b, other) in combinations(placed, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one["title"], other["title"])
        assert one["id"] != other["id"]
        assert one["title"] != other["title"]
    assert max(place["x"] + place["w"] for place, _ in placed) <= 24


@pytest.mark.parametrize("name", sorted(NAMES))
def test_variables_are_defined_and_lead_to_the_same_workers_everywhere(name: str):
    board = dashboards()[name]
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)\}?", json.dumps(board["panels"])))
    assert used <= set(variables)
    assert variables["job"]["query"] == "label_values(process_start_time_seconds, job)"
    assert variables["namespace"]["allValue"] == variables["instance"]["allValue"] == ".*"
    assert (board["uid"], board["tags"], board["editable"]) == (f"upifraud-{name}", ["upi-fraud-stream"], False)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_firing_alerts_are_drawn_over_the_panels(name: str):
    [annotation] = dashboards()[name]["annotations"]["list"]
    assert complaints(filled(annotation["expr"])) == []


def test_every_alert_has_a_panel_that_links_its_runbook():
    """Who is paged finds the alert's figure, and from it what to do."""
    linked = {
        link["title"].removeprefix("Runbook: "): link["url"] for _, panel in panels() for link in panel.get("links", [])
    }
    assert linked == {alert: address.replace("docs/runbooks", "${runbooks}") for alert, address in ALERTS.items()}


def test_links_lead_to_the_runbooks_of_this_tree_unless_told_otherwise():
    for board in dashboards().values():
        [where] = [one for one in board["templating"]["list"] if one["name"] == "runbooks"]
        assert where["query"] == "docs/runbooks"


def test_compose_gives_grafana_every_dashboard_and_the_source_it_asks_for():
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounted = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    inside = {place: source for source, place in mounted.items()}
    provider = yaml.safe_load((ROOT / "deploy/compose/grafana/dashboards.yml").read_text())["providers"][0]
    assert inside["/etc/grafana/provisioning/dashboards/upifraud.yml"] == "./deploy/compose/grafana/dashboards.yml"
    for name in NAMES:
        assert inside[f"{provider['options']['path']}/{name}.json"] == f"./deploy/grafana/dashboards/{name}.json"
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in inside
    [source] = yaml.safe_load((ROOT / "deploy/compose/grafana/datasources.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)


def test_each_dashboard_is_a_config_map_that_a_sidecar_finds():
    component = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert component["generatorOptions"]["labels"]["grafana_dashboard"] == "1"
    files = [file for made in component["configMapGenerator"] for file in made["files"]]
    assert sorted(files) == [f"{name}.json" for name in sorted(NAMES)]
