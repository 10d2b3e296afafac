"""Anybody's file comes from the drawer to an evaluation in two commands, without a server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from features.schema import SCHEMA_HASH
from model.artifact import load
from tests.fixtures.shapes import SHAPES, write_shape
from upifraud.cli import main

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]
ROWS = 20_000
FRAUDS = 300

# What only a person knows of a shape, as the proposal asks for it.
CHOICES = {
    "handbook": ["zone = '+00:00'"],
    "tabformer": ["zone = 'America/Los_Angeles'"],
    "ieee": ["payee_vpa = {column = 'R_emaildomain', handle = 'domain'}"],
}
IN_CASES = ("student-upi", "paysim", "sparkov")


# A shell that starts tests in the background has SIGINT ignored, and what is ignored is inherited.
INTERRUPTIBLE = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from upifraud.cli import main; main()",
]


def upifraud(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=[] if shape in IN_CASES else pytest.mark.long) for shape in SHAPES]
)
def test_a_file_becomes_an_evaluation_in_two_commands(tmp_path: Path, shape: str) -> None:
    file, map_, out = write_shape(shape, tmp_path, ROWS), tmp_path / "map.toml", tmp_path / "trial"
    choices = [word for choice in CHOICES.get(shape, []) for word in ("--choose", choice)]

    first = upifraud("try", file, "--write-map", map_, *choices)
    assert first.exit_code == 0, first.output
    assert "20,000 rows, 0 refused" in first.output
    second = upifraud("try", file, "--map", map_, "--out", out)
    assert second.exit_code == 0, second.output

    report = json.loads((out / "report.json").read_bytes())
    assert (report["rows"], report["accepted"], report["rejected"]) == (ROWS, ROWS, {})
    train, test = report["train"], report["test"]
    assert train["payments"] + test["payments"] == ROWS
    assert train["frauds"] + test["frauds"] == FRAUDS
    assert abs(train["payments"] / ROWS - 0.7) < 0.01
    assert train["since"] < train["until"] == test["since"] < test["until"]
    metrics = report["metrics"]
    assert (metrics["payments"], metrics["frauds"]) == (test["payments"], test["frauds"])
    assert metrics["average_precision"] > 10 * test["frauds"] / test["payments"]
    assert report["not_attainable"]["label_delay_ms"] == 0 < report["label_delay_ms"]
    assert load(out / "model", schema_hash=SCHEMA_HASH).model_id == report["model"]["model_id"]
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list(out.glob("*.png"))) >= 3
    assert "not attainable" in second.output
    assert "not attainable" in page


@pytest.mark.slow
def test_outcomes_of_a_file_of_their_own_are_taken_at_their_time(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_shape("own", tmp_path, 6_000).read_text().splitlines()]
    payments, outcomes, map_ = tmp_path / "payments.jsonl", tmp_path / "outcomes.jsonl", tmp_path / "map.toml"
    payments.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "is_fraud"}) + "\n" for row in rows))
    outcomes.write_text(
        "".join(
            json.dumps(
                {
                    "transaction_id": row["transaction_id"],
                    "outcome": "FRAUD" if row["is_fraud"] else "GENUINE",
                    "reported_at": row["event_time"] + 2 * 86_400_000,
                }
            )
            + "\n"
            for row in rows
        )
    )
    assert "Give a file of outcomes" in upifraud("try", payments, "--write-map", map_).output
    refused = upifraud("try", payments, "--map", map_)
    assert refused.exit_code == 2
    assert "expected a file of outcomes, or a map that says where they are" in refused.stderr
    result = upifraud("try", payments, "--outcomes", outcomes, "--map", map_, "--json", "--no-baselines")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["outcomes"] == {"rows": 6_000, "accepted": 6_000, "rejected": {}, "duplicates": 0, "unmatched": 0}
    assert not report["label_delay_assumed"]


@pytest.mark.slow
def test_outcomes_with_names_of_their_own_get_a_map_beside(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_shape("own", tmp_path, 6_000).read_text().splitlines()]
    payments, outcomes, map_ = tmp_path / "payments.jsonl", tmp_path / "cases.csv", tmp_path / "map.toml"
    payments.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "is_fraud"}) + "\n" for row in rows))
    found = [row for row in rows if row["is_fraud"]]
    lines = [f"{row['transaction_id']};fraudulent;{row['event_time'] // 1000 + 90_000}" for row in found]
    outcomes.write_text("\n".join(["Txn Ref;Finding;Reported On", *lines]))
    first = upifraud("try", payments, "--outcomes", outcomes, "--write-map", map_)
    assert first.exit_code == 0, first.output
    beside = tmp_path / "map.outcomes.toml"
    assert f"--outcomes-map {beside} --map {map_}" in first.output
    more = ("--outcomes", outcomes, "--outcomes-map", beside, "--map", map_, "--json", "--no-baselines")
    second = upifraud("try", payments, *more)
    assert second.exit_code == 0, second.output
    report = json.loads(second.stdout)
    assert report["outcomes"]["accepted"] == report["train"]["frauds"] + report["test"]["frauds"] == len(found)
    assert report["label_delay_assumed"] is False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_trial_leaves_nothing(
    tmp_path: Path, bare_environment: dict[str, str], number: signal.Signals
) -> None:
    file, map_, out = write_shape("student-upi", tmp_path, 4_000), tmp_path / "map.toml", tmp_path / "made" / "trial"
    assert upifraud("try", file, "--write-map", map_).exit_code == 0
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "try", str(file), "--map", str(map_), "--out", str(out)],
        cwd=tmp_path,
        env={**bare_environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 300
    while not (out.parent.exists() and list(out.parent.iterdir())):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=300)
    assert process.returncode not in {0, None}
    assert list(out.parent.iterdir()) == []


@pytest.mark.slow
def test_a_trial_takes_the_place_of_an_earlier_one_and_of_nothing_else(tmp_path: Path) -> None:
    file, map_, out = write_shape("student-upi", tmp_path, 4_000), tmp_path / "map.toml", tmp_path / "trial"
    assert upifraud("try", file, "--write-map", map_).exit_code == 0
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    refused = upifraud("try", file, "--map", map_, "--out", out)
    assert refused.exit_code == 1
    assert "holds other files" in refused.stderr
    assert (out / "thesis.txt").read_text() == "years of work"
    (out / "thesis.txt").unlink()
    reports: list[Any] = []
    for share in ("0.7", "0.5"):
        result = upifraud("try", file, "--map", map_, "--out", out, "--train-share", share, "--no-baselines")
        assert result.exit_code == 0, result.output
        reports.append(json.loads((out / "report.json").read_bytes()))
    assert [report["train_share"] for report in reports] == [0.7, 0.5]
    assert reports[0]["train"]["payments"] > reports[1]["train"]["payments"]
