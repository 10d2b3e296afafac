"""`upifraud train` and `upifraud evaluate` on a small history of somebody's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from features.schema import FEATURE_NAMES, SCHEMA_HASH
from history.measured import measure
from model.artifact import REPORT, load
from model.verdict import Verdict
from upifraud.commands.evaluate import command as evaluate_command
from upifraud.commands.train import command as train_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

N = 1500
START = 1_764_000_000_000
MINUTE, DAY = 60_000, 86_400_000
UNTIL = START + 1_200 * MINUTE
PLOTS = {
    "by_typology.png", "calibration.png", "gains.png", "importance.png", "precision_by_alerts_a_day.png",
    "precision_recall.png", "recall_by_alerts.png",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    with threadpool_limits(limits=1):
        yield


@dataclass(frozen=True)
class History:
    payments: Path
    outcomes: Path
    fraud: NDArray[np.bool_]
    time: NDArray[np.int64]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A payment a minute, one in 25 of them fraud: a large sum to a mule, reported after 2 days or after 9."""
    directory = tmp_path_factory.mktemp("history")
    random = np.random.default_rng(0)
    fraud = random.random(N) < 0.04
    time = START + np.arange(N) * MINUTE
    payments = {
        "transaction_id": [f"T{row}" for row in range(N)],
        "event_time": time,
        "payer_vpa": [f"payer{number}@bank" for number in random.integers(0, 200, N)],
        "payee_vpa": [
            f"mule{number % 3}@bank" if is_fraud else f"shop{number}@bank"
            for number, is_fraud in zip(random.integers(0, 60, N), fraud, strict=True)
        ],
        "amount_paise": np.round(np.exp(random.normal(11, 1, N)) * np.where(fraud, 8, 1)).astype(np.int64),
    }
    pq.write_table(pa.table(payments), directory / "payments.parquet")
    rows = np.flatnonzero(fraud)
    delay = np.where(np.arange(len(rows)) % 10 == 9, 9, 2) * DAY
    outcomes = {
        "transaction_id": [f"T{row}" for row in rows],
        "outcome": ["FRAUD"] * len(rows),
        "reported_at": pa.array(time[rows] + delay, pa.timestamp("ms", tz="UTC")),
        "typology": ["MULE"] * len(rows),
    }
    pq.write_table(pa.table(outcomes), directory / "outcomes.parquet")
    return History(directory / "payments.parquet", directory / "outcomes.parquet", fraud, time)


def run(command: Any, *arguments: object) -> Any:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def train(history: History, out: Path, *more: object) -> Any:
    files = ("--payments", history.payments, "--outcomes", history.outcomes, "--out", out)
    return run(train_command, *files, "--trees", 10, *more)


@pytest.fixture(scope="module")
def trained(history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "model"
    result = train(history, out, "--until", UNTIL)
    assert result.exit_code == 0, result.output
    return out


def write_verdicts(path: Path, artifact_dir: Path, history: History) -> dict[str, Any]:
    """Write what the export would: every payment's verdict by the artifact; return the columns."""
    artifact = load(artifact_dir, schema_hash=SCHEMA_HASH)
    measured = measure(history.payments, history.outcomes)
    scored = artifact.scorer.score(measured.vectors)
    columns = {
        "transaction_id": [one.decode() for one in measured.transaction_id],
        "event_time": pa.array(measured.event_time, pa.timestamp("ms", tz="UTC")),
        "score": scored.probability,
        "verdict": [Verdict(code).name for code in artifact.thresholds.verdicts(scored.probability)],
        "vector": pa.array(list(measured.vectors), pa.list_(pa.float32())),
        "contributions": pa.array(list(scored.contributions), pa.list_(pa.float64())),
    }
    metadata = {"features": json.dumps(FEATURE_NAMES)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return columns


@pytest.mark.slow
def test_it_trains_on_payments_before_until_and_reports_before_the_label_delay(history: History, trained: Path) -> None:
    facts = json.loads((trained / REPORT).read_bytes())["training"]["history"]
    known = history.fraud & (history.time < UNTIL)
    reported = known.copy()
    reported[np.flatnonzero(history.fraud)[9::10]] = False  # reported 9 days later, two too late
    assert facts["payments"] == 1200
    assert facts["frauds"] == reported.sum() < known.sum()
    assert facts["label_delay_ms"] == 7 * DAY


@pytest.mark.slow
def test_a_longer_label_delay_knows_more_frauds(history: History, trained: Path, tmp_path: Path) -> None:
    train(history, tmp_path / "model", "--until", UNTIL, "--label-delay", "10d")
    more = json.loads((tmp_path / "model" / REPORT).read_bytes())["training"]["history"]["frauds"]
    assert more == (history.fraud & (history.time < UNTIL)).sum()


@pytest.mark.slow
def test_payments_before_since_warm_the_windows_only(history: History, tmp_path: Path) -> None:
    since = START + 300 * MINUTE
    train(history, tmp_path / "model", "--since", since, "--until", UNTIL)
    slices = json.loads((tmp_path / "model" / REPORT).read_bytes())["training"]["slices"]
    assert slices["fit"]["first_event_time"] == since
    assert sum(part["payments"] for part in slices.values()) == 900


@pytest.mark.slow
def test_the_artifact_is_for_the_features_of_this_program(trained: Path) -> None:
    artifact = load(trained, schema_hash=SCHEMA_HASH)
    assert artifact.feature_names == tuple(FEATURE_NAMES)
    assert {path.name for path in trained.iterdir()} >= {
        "artifact.json", "tables.npz", "model.skops", "report.json", "contributions.png", *PLOTS
    }  # fmt: skip


@pytest.mark.slow
def test_the_report_has_baselines_findings_and_drift(trained: Path) -> None:
    report = json.loads((trained / REPORT).read_bytes())
    figures = report["metrics"]["baselines"]
    assert set(figures) == {"logistic_regression", "random_forest"}
    own = report["metrics"]["model"]
    for name in ("average_precision", "recall_at_budget", "roc_auc", "payments"):
        assert own[name] == report["held_out"][name]
        assert all(name in one for one in figures.values())
    said = {finding["code"]: finding for finding in report["findings"]}
    assert {"short-history", "few-frauds-to-train-on", "few-frauds-to-judge-by", "features-missing"} <= set(said)
    assert all(set(finding) == {"code", "text", "option"} for finding in said.values())
    assert list(report["drift"]) == sorted(FEATURE_NAMES)


@pytest.mark.slow
def test_without_baselines_the_model_is_the_same_and_findings_are_told(
    history: History, trained: Path, tmp_path: Path
) -> None:
    result = train(history, tmp_path / "model", "--until", UNTIL, "--no-baselines")
    assert (tmp_path / "model" / "tables.npz").read_bytes() == (trained / "tables.npz").read_bytes()
    report = json.loads((tmp_path / "model" / REPORT).read_bytes())
    assert report["metrics"]["baselines"] == {}
    for finding in report["findings"]:
        assert f"{finding['code']}: {finding['text']}" in result.output
    assert "logistic" not in result.output


@pytest.mark.slow
def test_the_same_files_give_the_same_model(history: History, trained: Path, tmp_path: Path) -> None:
    train(history, tmp_path / "again", "--until", UNTIL)
    for path in trained.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_evaluation_of_verdicts_is_one_json_object(history: History, trained: Path, tmp_path: Path) -> None:
    columns = write_verdicts(tmp_path / "verdicts.parquet", trained, history)
    files = ("--verdicts", tmp_path / "verdicts.parquet", "--outcomes", history.outcomes)
    result = run(evaluate_command, *files, "--base-rate", "7e-6", "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["payments"] == N
    assert figures["frauds"] == history.fraud.sum()
    assert figures["roc_auc"] == roc_auc_score(history.fraud, columns["score"])
    assert figures["average_precision"] == pytest.approx(average_precision_score(history.fraud, columns["score"]))
    assert 0 < figures["recall_at_budget"] <= 1
    assert figures["by_typology"]["MULE"]["frauds"] == history.fraud.sum()
    assert figures["value_recall_at_budget"] > 0
    assert figures["at_base_rate"]["base_rate"] == 7e-6
    assert json.loads((tmp_path / "report" / "report.json").read_bytes()) == figures
    assert (
        figures["by_payee"]["REPORTED_BEFORE"]["frauds"] + figures["by_payee"]["NOT_REPORTED"]["frauds"]
        == (figures["frauds"])
    )
    assert figures["days"] == pytest.approx((N - 1) * MINUTE / DAY)
    plots = {path.name: path.read_bytes() for path in (tmp_path / "report").glob("*.png")}
    assert set(plots) == PLOTS
    assert all(png.startswith(b"\x89PNG") for png in plots.values())


def test_evaluation_of_the_held_out_slice_is_the_reports(history: History, trained: Path, tmp_path: Path) -> None:
    """The same payments by the same model, through a file of verdicts or not: the same figures."""
    write_verdicts(tmp_path / "verdicts.parquet", trained, history)
    report = json.loads((trained / REPORT).read_bytes())
    known = pq.read_table(history.outcomes)
    cut = pa.scalar(UNTIL + 7 * DAY, pa.timestamp("ms", tz="UTC"))
    pq.write_table(known.filter(pa.compute.less(known["reported_at"], cut)), tmp_path / "known.parquet")
    files = ("--verdicts", tmp_path / "verdicts.parquet", "--outcomes", tmp_path / "known.parquet")
    held_out = report["training"]["slices"]["hold_out"]["first_event_time"]
    figures = json.loads(run(evaluate_command, *files, "--since", held_out, "--until", UNTIL).stdout)
    assert figures == report["held_out"]


def test_a_file_that_is_no_export_is_refused(history: History) -> None:
    result = run(evaluate_command, "--verdicts", history.payments, "--outcomes", history.outcomes)
    assert result.exit_code == 1
    assert "lacks score, verdict, vector" in result.stderr


def test_a_range_without_payments_is_refused(history: History, tmp_path: Path) -> None:
    result = train(history, tmp_path / "model", "--since", START - 2 * DAY, "--until", START)
    assert result.exit_code == 1
    assert "wider range" in result.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("delay", ["7", "a week", "7w", "-1d"])
def test_a_duration_without_its_unit_is_a_usage_error(history: History, tmp_path: Path, delay: str) -> None:
    result = train(history, tmp_path / "model", "--label-delay", delay)
    assert result.exit_code == 2
    assert "7d, 12h, 30m or 45s" in result.stderr
