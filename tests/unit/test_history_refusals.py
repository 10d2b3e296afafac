"""`features`, `train`, `evaluate` say how many rows they refused and why, and write nothing beyond a limit."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from features.schema import FEATURE_NAMES
from files.column_map import ColumnMap
from files.source import Source
from history.message_fields import PAYMENT
from history.reading import refusals_of
from upifraud.cli import main

FILES = Path(__file__).parents[1] / "fixtures/files"
START = 1_767_200_000_000
MINUTE = 60_000
NAIVE = [datetime(2026, 1, 1, 5, 30), datetime(2026, 1, 1, 5, 31)]  # noqa: DTZ001  # local times are what is tested


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if result.exit_code:
        assert len(result.stderr.strip().splitlines()) == 1 or result.exit_code == 2, "one line"
    return result


def payments(path: Path, count: int = 2, **columns: Any) -> Path:
    table = {
        "transaction_id": [f"p-{row}" for row in range(count)],
        "event_time": [START + row * MINUTE for row in range(count)],
        "payer_vpa": [f"payer{row % 50}@bank" for row in range(count)],
        "payee_vpa": [f"shop{row % 7}@bank" for row in range(count)],
        "amount_paise": [100 + row for row in range(count)],
    }
    pq.write_table(pa.table(table | columns), path)
    return path


def outcomes(path: Path, count: int = 2, **columns: Any) -> Path:
    table = {
        "transaction_id": [f"p-{row}" for row in range(count)],
        "outcome": ["FRAUD" if row % 2 else "GENUINE" for row in range(count)],
        "reported_at": [START + row * MINUTE + 1 for row in range(count)],
    }
    pq.write_table(pa.table(table | columns), path)
    return path


def verdicts(path: Path, count: int = 100) -> Path:
    table = {
        "transaction_id": [f"p-{row}" for row in range(count)],
        "event_time": pa.array([START + row * MINUTE for row in range(count)], pa.timestamp("ms", "UTC")),
        "score": [row / count for row in range(count)],
        "verdict": ["ALLOW"] * count,
        "vector": pa.array([[1.0] * len(FEATURE_NAMES)] * count, pa.list_(pa.float32())),
    }
    metadata = {"features": json.dumps(FEATURE_NAMES)}
    pq.write_table(pa.table(table).replace_schema_metadata(metadata), path)
    return path


# features: the stream's own reasons ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"amount_paise": [100.0, 200.0]}, "wrong-type (first row 1: amount_paise: "),
        ({"amount_paise": ["100", "200"]}, "wrong-type (first row 1: amount_paise: "),
        ({"amount_paise": [Decimal("1.5"), Decimal("2.5")]}, "wrong-type (first row 1: amount_paise: "),
        ({"amount_paise": pa.array([None, None], pa.int64())}, "missing-field (first row 1: amount_paise: "),
        ({"event_time": ["2026-01-01 10:00:00"] * 2}, "bad-time (first row 1: event_time: "),
        ({"event_time": [date(2026, 1, 1)] * 2}, "bad-time (first row 1: event_time: "),
        ({"event_time": [True, False]}, "wrong-type (first row 1: event_time: "),
        ({"event_time": [START * 1000] * 2}, "time-in-future (first row 1: event_time: "),
        ({"payer_vpa": ["payer1", "payer2"]}, "bad-vpa (first row 1: payer_vpa: "),
        ({"transaction_id": [1.5, 2.5]}, "wrong-type (first row 1: transaction_id: "),
    ],
)
def test_a_file_of_which_every_row_is_refused_gives_no_vectors(
    tmp_path: Path, columns: dict[str, Any], reason: str
) -> None:
    out = tmp_path / "out.parquet"
    result = run(
        *("features", "--payments", payments(tmp_path / "a.parquet", **columns), "--out", out),
        *("--max-rejected-payments", "100%"),
    )
    assert result.exit_code == 1
    assert f"all 2 rows were refused: 2 {reason}" in result.stderr
    assert not out.exists()


def test_numbers_that_are_whole_are_the_same_in_every_type(tmp_path: Path) -> None:
    """Decimals and integer ids are what `replay` makes of them."""
    out = tmp_path / "out.parquet"
    path = payments(tmp_path / "a.parquet", transaction_id=[1, 2], amount_paise=[Decimal("100.00"), Decimal("200.00")])
    assert run("features", "--payments", path, "--out", out).exit_code == 0
    vectors = pq.read_table(out)
    assert vectors["transaction_id"].to_pylist() == ["1", "2"]
    assert vectors["amount_paise"].to_pylist() == [100.0, 200.0]
    ids = FILES / "payments-integer-ids.parquet"
    assert "3 rows, 0 refused" in run("features", "--payments", ids, "--out", out).stdout
    assert pq.read_table(out)["transaction_id"].to_pylist() == ["1", "2", "3"]


def test_more_refused_rows_than_allowed_write_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    files = ("features", "--payments", FILES / "payments-one-null-amount.parquet", "--out", out)
    result = run(*files)
    assert result.exit_code == 1
    assert "--max-rejected-payments of 1 %" in result.stderr
    assert "1 rows of 3 were refused: 1 missing-field (row 2: amount_paise: expected" in result.stderr
    assert not out.exists()
    for share in ("34%", "0.34"):
        result = run(*files, "--max-rejected-payments", share)
        assert result.exit_code == 0
        assert "3 rows, 1 refused: 1 missing-field (row 2: " in result.stdout
        assert pq.read_table(out).num_rows == 2


def test_a_share_that_is_just_reached_is_allowed(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    amounts = [None, *range(1, 100)]
    path = payments(tmp_path / "a.parquet", 100, amount_paise=pa.array(amounts, pa.int64()))
    assert run("features", "--payments", path, "--out", out).exit_code == 0
    path = payments(tmp_path / "a.parquet", 100, amount_paise=pa.array([None, *amounts[:-1]], pa.int64()))
    assert run("features", "--payments", path, "--out", out).exit_code == 1


@pytest.mark.parametrize("share", ["1.5", "101%", "-1%", "many"])
def test_a_share_is_one(tmp_path: Path, share: str) -> None:
    files = ("--payments", FILES / "payments-one-null-amount.parquet", "--out", tmp_path / "out")
    assert run("features", *files, "--max-rejected-payments", share).exit_code == 2


def test_duplicates_are_counted_apart_and_conflicts_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    path = payments(
        tmp_path / "a.parquet", 4, transaction_id=["d"] * 4, event_time=[START] * 4,
        payer_vpa=["a@b", "A@B", "a@b", "c@b"], payee_vpa=["s@b"] * 4, amount_paise=[100, 100, 101, 100],
    )  # fmt: skip
    result = run("features", "--payments", path, "--out", out, "--max-rejected-payments", "50%")
    assert result.exit_code == 0
    assert "4 rows, 2 refused: 2 conflicting-duplicate (first row 3: " in result.stdout
    assert "1 duplicates" in result.stdout
    assert pq.read_table(out).num_rows == 1


def test_duplicates_alone_are_no_refusal(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.concat_tables([pq.read_table(payments(path))] * 2), path)
    result = run("features", "--payments", path, "--out", tmp_path / "out.parquet", "--max-rejected-payments", "0")
    assert result.exit_code == 0
    assert "4 rows, 0 refused; 2 duplicates" in result.stdout


def test_outcomes_of_other_payments_are_counted_apart(tmp_path: Path) -> None:
    result = run(
        *("features", "--payments", payments(tmp_path / "a.parquet"), "--out", tmp_path / "out.parquet"),
        *("--outcomes", outcomes(tmp_path / "b.parquet", transaction_id=["p-0", "other"])),
    )
    assert result.exit_code == 0
    assert "2 rows, 0 refused; 1 of payments that are not there" in result.stdout


def test_outcomes_that_are_none_write_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    files = ("--payments", payments(tmp_path / "a.parquet"), "--out", out)
    result = run("features", *files, "--outcomes", outcomes(tmp_path / "b.parquet", outcome=["FRAUD", "Fraud"]))
    assert result.exit_code == 1
    assert "--max-rejected-outcomes of 0 %" in result.stderr
    assert "1 out-of-range (row 2: outcome: expected one of FRAUD, GENUINE, got " in result.stderr
    assert not out.exists()


def test_times_without_a_zone_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    path = payments(tmp_path / "a.parquet", event_time=pa.array(NAIVE, pa.timestamp("us")))
    result = run("features", "--payments", path, "--out", out)
    assert result.exit_code == 1
    assert "without a zone; say which it is with --zone" in result.stderr
    assert not out.exists()
    for zone, hour in (("Asia/Kolkata", 5.5), ("+05:30", 5.5), ("UTC", 11.0)):
        assert run("features", "--payments", path, "--out", out, "--zone", zone).exit_code == 0
        # The hour of the day is told in Indian time, so that it tells which zone the file's times were read in.
        assert pq.read_table(out)["hour_of_day"][0].as_py() == int(hour)
    assert run("features", "--payments", path, "--out", out, "--zone", "Mars").exit_code == 2


def test_seconds_for_milliseconds_are_refused_with_a_hint_unless_the_settings_go_back_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    files = ("features", "--payments", FILES / "payments-seconds.parquet", "--out", out)
    result = run(*files)
    assert result.exit_code == 1
    assert (
        "all 3 rows were refused: 3 out-of-range (first row 1: event_time: expected a time from 2015" in result.stderr
    )
    assert "in seconds, and milliseconds are expected" in result.stderr
    assert not out.exists()
    labels = outcomes(tmp_path / "b.parquet", reported_at=[START // 1000] * 2)
    result = run("evaluate", "--verdicts", verdicts(tmp_path / "a.parquet"), "--outcomes", labels)
    assert result.exit_code == 1
    assert "2 out-of-range (first row 1: reported_at: expected a time from 2015" in result.stderr
    monkeypatch.setenv("UPIFRAUD_EARLIEST_TIME", "1970-01-01T00:00:00Z")
    assert run(*files).exit_code == 0


def test_the_earliest_time_of_a_map_counts_for_its_file() -> None:
    columns = ColumnMap(earliest=0)
    refusals = refusals_of(Source(FILES / "payments-seconds.parquet", PAYMENT, columns))
    assert (refusals.rows, refusals.refused) == (3, 0)
    assert refusals_of(Source(FILES / "payments-seconds.parquet", PAYMENT)).refused == 3


def test_a_file_without_rows_and_one_that_is_none_are_one_line(tmp_path: Path) -> None:
    empty = payments(tmp_path / "a.parquet", 0, amount_paise=pa.array([], pa.int64()))
    assert "it holds none" in run("features", "--payments", empty, "--out", tmp_path / "out").stderr
    broken = tmp_path / "b.parquet"
    broken.write_bytes(b"PAR1")
    assert "expected a Parquet file" in run("features", "--payments", broken, "--out", tmp_path / "out").stderr


# train and evaluate: labels that are none -------------------------------------------------------------------------

UNUSABLE = {
    "0 and 1": (
        {"outcome": [0, 1] * 50},
        "100 out-of-range (first row 1: outcome: expected one of FRAUD, GENUINE, got ",
    ),
    "other capitals": ({"outcome": ["Fraud", "Genuine"] * 50}, "expected one of FRAUD, GENUINE"),
    "booleans": ({"outcome": [True, False] * 50}, "100 wrong-type (first row 1: outcome: expected a string, got "),
    "no time": ({"reported_at": pa.array([None] * 100, pa.int64())}, "100 missing-field (first row 1: reported_at: "),
    "other ids": (
        {"transaction_id": [f"other-{row}" for row in range(100)]},
        "none of its 100 outcomes is of one of them",
    ),
}


@pytest.mark.parametrize("labels", UNUSABLE)
def test_nothing_is_trained_on_labels_that_are_none(tmp_path: Path, labels: str) -> None:
    columns, complaint = UNUSABLE[labels]
    result = run(
        *("train", "--payments", payments(tmp_path / "a.parquet", 100), "--out", tmp_path / "model"),
        *("--outcomes", outcomes(tmp_path / "b.parquet", 100, **columns)),
    )
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("labels", UNUSABLE)
def test_nothing_is_evaluated_by_labels_that_are_none(tmp_path: Path, labels: str) -> None:
    columns, complaint = UNUSABLE[labels]
    result = run(
        *("evaluate", "--verdicts", verdicts(tmp_path / "a.parquet"), "--out", tmp_path / "report"),
        *("--outcomes", outcomes(tmp_path / "b.parquet", 100, **columns)),
    )
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "report").exists()


def test_the_example_of_the_report_is_refused_with_what_is_expected(tmp_path: Path) -> None:
    result = run(
        *("train", "--payments", payments(tmp_path / "a.parquet"), "--out", tmp_path / "model"),
        *("--outcomes", FILES / "outcomes-0-1-labels.parquet"),
    )
    assert result.exit_code == 1
    assert "all 2 rows were refused: 2 out-of-range" in result.stderr


def test_training_on_payments_that_are_none_is_one_line(tmp_path: Path) -> None:
    result = run(
        *("train", "--payments", FILES / "payments-float-amounts.parquet", "--out", tmp_path / "model"),
        *("--outcomes", outcomes(tmp_path / "b.parquet")),
    )
    assert result.exit_code == 1
    assert "all 3 rows were refused: 3 wrong-type" in result.stderr


def test_too_little_fraud_says_what_became_of_the_outcomes(tmp_path: Path) -> None:
    some = outcomes(tmp_path / "b.parquet", 100, transaction_id=[f"p-{row}" for row in range(70, 170)])
    result = run(
        "train", "--payments", payments(tmp_path / "a.parquet", 100), "--outcomes", some, "--out", tmp_path / "m"
    )
    assert result.exit_code == 1
    assert "got 15 frauds in 100 payments" in result.stderr
    assert "100 rows, 0 refused; 70 of payments that are not there" in result.stderr


def test_an_evaluation_says_on_stderr_what_became_of_the_outcomes(tmp_path: Path) -> None:
    some = outcomes(tmp_path / "b.parquet", 100, transaction_id=[f"p-{row}" for row in range(50, 150)])
    result = run("evaluate", "--verdicts", verdicts(tmp_path / "a.parquet"), "--outcomes", some)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["frauds"] == 25
    assert "100 rows, 0 refused; 50 of payments that are not there" in result.stderr
    beyond = ("--since", START + 10 * MINUTE, "--until", START + 20 * MINUTE)
    result = run("evaluate", "--verdicts", verdicts(tmp_path / "a.parquet"), "--outcomes", some, *beyond)
    assert result.exit_code == 0, "outcomes of other days' payments are of payments that are there"
    assert json.loads(result.stdout)["frauds"] == 0


@pytest.mark.parametrize(
    "columns",
    [{"verdict": ["MAYBE"] * 100}, {"event_time": ["yesterday"] * 100}, {"score": pa.array([None] * 100, pa.null())}],
)
def test_verdicts_that_are_none_are_one_line(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = verdicts(tmp_path / "a.parquet")
    table = pq.read_table(path)
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(column))
    pq.write_table(table, path)
    result = run("evaluate", "--verdicts", path, "--outcomes", outcomes(tmp_path / "b.parquet"))
    assert result.exit_code == 1
    assert "expected a file that `upifraud export verdicts` wrote" in result.stderr


@pytest.mark.slow
def test_a_verdict_that_is_never_given_says_what_to_do(tmp_path: Path) -> None:
    """15 % fraud within an alert budget of 0.5 %."""
    count = 3_000
    fraud = [row % 20 in {3, 9, 15} for row in range(count)]
    history = payments(
        tmp_path / "a.parquet",
        count,
        amount_paise=[900_000 + row if is_fraud else 100 for row, is_fraud in enumerate(fraud)],
    )
    rows = [row for row, is_fraud in enumerate(fraud) if is_fraud]
    labels = outcomes(
        tmp_path / "b.parquet", len(rows), transaction_id=[f"p-{row}" for row in rows], outcome=["FRAUD"] * len(rows),
        reported_at=[START + row * MINUTE + 1 for row in rows],
    )  # fmt: skip
    files = ("--payments", history, "--outcomes", labels, "--trees", 5, "--out", tmp_path / "model")
    result = run("train", *files)
    assert result.exit_code == 0, result.output
    assert "HOLD never, BLOCK never" in result.stdout
    assert "A larger budget is the cure: --alert-budget 0.1" in result.stdout
    result = run("train", *files, "--alert-budget", "0.2")
    assert "BLOCK from" in result.stdout
    assert "the cure" not in result.stdout
    assert "3,000 rows, 0 refused" in result.stdout
