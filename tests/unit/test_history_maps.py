"""`features`, `train`, `evaluate` read any files by a map, take outcomes from the same rows, and note refusals."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from features.schema import FEATURE_NAMES
from history.large import measure_on_disk
from history.measured import Outcomes, measure
from history.reading import source_of_payments
from history.spill.place import Buckets, Place
from history.spill.run import Run
from history.spill.work import Inline
from tests.fixtures.histories import ANY, assert_same
from upifraud.cli import main
from upifraud.history_files import columns_of

if TYPE_CHECKING:
    from files.source import Refused

FILES = Path(__file__).parents[1] / "fixtures/files"
START = 1_767_205_800_000
HOUR = 3_600_000
DAY = 24 * HOUR
MAP = """
transaction_id = { row_number = "R" }
event_time = { column = "step", epoch = 2026-01-01T00:00:00+05:30, step = "1h" }
payer_vpa = { column = "who", handle = "people" }
payee_vpa = { column = "whom", handle = "shops" }
amount_paise = { column = "how much", unit = "rupees" }
outcome = { column = "fraud?", fraud = ["yes"], genuine = ["no"] }
reported_at = { after = "event_time", delay = "2d" }
"""
LABELS = ("no", "yes", "")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if result.exit_code == 1:
        assert len(result.stderr.strip().splitlines()) == 1, "one line"
    return result


def foreign(path: Path, rows: range, *spoilt: str) -> Path:
    """Write rows as a stranger would; an hour between two of them."""
    lines = [f'{row};Asha {row % 5};Shop No. {row % 3};"Rs {row},50";{LABELS[row % 3]}' for row in rows]
    text = "\n".join(["step;who;whom;how much;fraud?", *lines, *spoilt, ""]).replace(",50", ".50")
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def same(tmp_path: Path, count: int) -> tuple[Path, Path]:
    """Write what those rows are as payments and outcomes in the message's own fields."""
    rows = range(1, count + 1)
    payments = {
        "transaction_id": [f"R{row}" for row in rows],
        "event_time": [START + row * HOUR for row in rows],
        "payer_vpa": [f"asha%20{row % 5}@people" for row in rows],
        "payee_vpa": [f"shop%20no.%20{row % 3}@shops" for row in rows],
        "amount_paise": [row * 100 + 50 for row in rows],
    }
    labelled = [row for row in rows if row % 3 < 2]
    outcomes = {
        "transaction_id": [f"R{row}" for row in labelled],
        "outcome": ["FRAUD" if row % 3 else "GENUINE" for row in labelled],
        "reported_at": [START + row * HOUR + 2 * DAY for row in labelled],
    }
    paths = tmp_path / "payments.parquet", tmp_path / "outcomes.parquet"
    for path, table in zip(paths, (payments, outcomes), strict=True):
        pq.write_table(pa.table(table), path)
    return paths


def map_file(tmp_path: Path, text: str = MAP) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return path


def refused(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# The same vectors -------------------------------------------------------------------------------------------------


def test_a_map_gives_the_vectors_that_the_messages_own_fields_give(tmp_path: Path) -> None:
    payments, outcomes = same(tmp_path, 200)
    expected, got = tmp_path / "expected.parquet", tmp_path / "got.parquet"
    assert run("features", "--payments", payments, "--outcomes", outcomes, "--out", expected).exit_code == 0
    file = foreign(tmp_path / "a.csv", range(1, 201))
    result = run("features", "--payments", file, "--map", map_file(tmp_path), "--out", got)
    assert result.exit_code == 0
    assert got.read_bytes() == expected.read_bytes()
    assert max(pq.read_table(got)["payee_fraud_rate_30d"].to_pylist()) > 0
    assert "a.csv: 200 rows, 0 refused" in result.stdout
    assert "a.csv (outcomes): 133 rows, 0 refused" in result.stdout


@pytest.mark.parametrize("way", ["folder", "pattern", "option twice"])
def test_several_files_are_one_history(tmp_path: Path, way: str) -> None:
    days = tmp_path / "days"
    days.mkdir()
    first, second = foreign(days / "1.csv.gz", range(1, 101)), foreign(days / "2.csv", range(101, 201))
    one, out = tmp_path / "one.parquet", tmp_path / "out.parquet"
    columns = ("--map", map_file(tmp_path))
    run("features", "--payments", foreign(tmp_path / "a.csv", range(1, 201)), *columns, "--out", one)
    given = {"folder": [days], "pattern": [days / "*.csv*"], "option twice": [second, first]}[way]
    options = [part for path in given for part in ("--payments", path)]
    result = run("features", *options, *columns, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes() == one.read_bytes()


def test_files_of_outcomes_have_a_map_of_their_own(tmp_path: Path) -> None:
    payments, outcomes = same(tmp_path, 60)
    table = pq.read_table(outcomes).rename_columns(["id", "what", "when"])
    pq.write_table(table, tmp_path / "renamed.parquet")
    own = tmp_path / "own.toml"
    own.write_text('transaction_id = "id"\noutcome = "what"\nreported_at = "when"\n')
    expected, got = tmp_path / "expected.parquet", tmp_path / "got.parquet"
    run("features", "--payments", payments, "--outcomes", outcomes, "--out", expected)
    renamed = ("--outcomes", tmp_path / "renamed.parquet", "--outcomes-map", own)
    assert run("features", "--payments", payments, *renamed, "--out", got).exit_code == 0
    assert got.read_bytes() == expected.read_bytes()


def test_verdicts_are_evaluated_by_labels_in_the_payments_file(tmp_path: Path) -> None:
    count = 60
    table = {
        "transaction_id": [f"R{row}" for row in range(1, count + 1)],
        "event_time": pa.array([START + row * HOUR for row in range(1, count + 1)], pa.timestamp("ms", "UTC")),
        "score": [row / 100 for row in range(1, count + 1)],
        "verdict": ["ALLOW"] * count,
        "vector": pa.array([[1.0] * len(FEATURE_NAMES)] * count, pa.list_(pa.float32())),
    }
    verdicts = tmp_path / "verdicts.parquet"
    metadata = {"features": json.dumps(FEATURE_NAMES)}
    pq.write_table(pa.table(table).replace_schema_metadata(metadata), verdicts)
    file = foreign(tmp_path / "a.csv", range(1, count + 1))
    result = run("evaluate", "--verdicts", verdicts, "--outcomes", file, "--map", map_file(tmp_path))
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert (figures["payments"], figures["frauds"]) == (60, 20)


# What is refused --------------------------------------------------------------------------------------------------

SPOILT = (
    "300;Asha;Shop;Rs 1.234,50;no",
    "soon;Asha;Shop;Rs 5.00;no",
    "301;Ravi Rao;Shop;Rs 5.00;perhaps",
    "302;Asha;Shop;-5;no",
    "303;;Shop;5;no",
)


def test_refused_rows_are_written_with_row_reason_column_and_what_to_do(tmp_path: Path) -> None:
    file, out = foreign(tmp_path / "a.csv", range(1, 101), *SPOILT), tmp_path / "refused.csv"
    result = run(
        *("features", "--payments", file, "--map", map_file(tmp_path), "--out", tmp_path / "v.parquet"),
        *("--refused", out, "--max-rejected-payments", "10%"),
    )
    assert result.exit_code == 0, result.stderr
    rows = refused(out)
    assert [(row["of"], row["row"], row["reason"], row["column"]) for row in rows] == [
        ("outcomes", "102", "bad-time", "step"),
        ("outcomes", "103", "out-of-range", "fraud?"),
        ("payments", "101", "wrong-type", "how much"),
        ("payments", "102", "bad-time", "step"),
        ("payments", "104", "out-of-range", "how much"),
        ("payments", "105", "missing-field", "who"),
    ]
    assert "expected yes (fraud) or no (genuine), or nothing, got 'pe…' (7 characters)" in rows[1]["detail"]
    assert 'decimal = ","' in rows[2]["detail"]
    assert 'sign = "absolute"' in rows[4]["detail"]
    text = out.read_text()
    assert "Ravi" not in text
    assert "Asha" not in text


def test_what_refused_rows_hold_is_written_only_if_asked_for(tmp_path: Path) -> None:
    file, out = foreign(tmp_path / "a.csv", range(1, 101), *SPOILT[2:3]), tmp_path / "refused.csv"
    run(
        *("features", "--payments", file, "--map", map_file(tmp_path), "--out", tmp_path / "v.parquet"),
        *("--refused", out, "--refused-rows"),
    )
    (row,) = refused(out)
    assert json.loads(row["content"]) == {"step": "301", "fraud?": "perhaps"}


def test_they_are_written_also_where_they_are_too_many(tmp_path: Path) -> None:
    file, out = foreign(tmp_path / "a.csv", range(1, 11), *SPOILT), tmp_path / "refused.csv"
    result = run(
        *("features", "--payments", file, "--map", map_file(tmp_path), "--out", tmp_path / "v.parquet"),
        *("--refused", out),
    )
    assert result.exit_code == 1
    assert not (tmp_path / "v.parquet").exists()
    assert len(refused(out)) == 2, "outcomes come first, and end it"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    file = foreign(tmp_path / "a.csv", range(1, 11))
    result = run(
        *("features", "--payments", file, "--map", map_file(tmp_path), "--out", tmp_path / "v.parquet"),
        *("--refused", tmp_path / "nowhere" / "refused.csv"),
    )
    assert result.exit_code == 1
    assert "expected a place where refused rows can be written" in result.stderr


# Mistakes on the command line -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["features", "train", "evaluate"])
def test_a_map_that_cannot_be_is_said_before_anything_is_read(tmp_path: Path, command: str) -> None:
    file = foreign(tmp_path / "a.csv", range(1, 11))
    columns = map_file(tmp_path, MAP.replace("column", "colum"))
    files: dict[str, Any] = {
        "features": ("--payments", file, "--out", tmp_path / "o"),
        "train": ("--payments", file, "--out", tmp_path / "o"),
        "evaluate": ("--verdicts", file, "--outcomes", file),
    }
    result = run(command, *files[command], "--map", columns)
    assert result.exit_code == 1
    assert "map.toml: event_time: expected" in result.stderr
    assert "got 'colum' (did you mean column" in result.stderr


def test_training_needs_outcomes_from_somewhere(tmp_path: Path) -> None:
    payments, _ = same(tmp_path, 10)
    result = run("train", "--payments", payments, "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "--outcomes: expected a file of outcomes, or a map" in result.stderr


def test_a_map_of_outcomes_needs_outcomes(tmp_path: Path) -> None:
    payments, _ = same(tmp_path, 10)
    result = run("features", "--payments", payments, "--outcomes-map", map_file(tmp_path), "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "--outcomes-map: expected --outcomes beside it" in result.stderr


@pytest.mark.parametrize("name", ["gone.csv", "gone-*.csv", "empty"])
def test_files_that_are_not_there_are_a_usage_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    result = run("features", "--payments", tmp_path / name, "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "expected" in result.stderr


# On disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_mapped_history_of_several_files_is_the_same_on_disk(tmp_path: Path) -> None:
    days = tmp_path / "days"
    days.mkdir()
    foreign(days / "1.csv.gz", range(1, 700), *SPOILT)
    foreign(days / "2.csv", range(700, 1_200), *SPOILT)
    columns = columns_of(map_file(tmp_path))
    assert columns is not None
    notes: dict[str, list[Refused]] = {"memory": [], "disk": []}
    expected = measure(
        *(days, None), columns=columns, limits=ANY, note=lambda _what, refused: notes["memory"].append(refused)
    )
    place = Place(tmp_path / "spill", Buckets(2, 3, 1), 256)
    place.directory.mkdir()
    found = measure_on_disk(
        Run(Inline(), place, lambda _what, _total: lambda _done: None),
        source_of_payments(days, None, columns),
        Outcomes(days, columns, own=True),
        None,
        ANY,
        lambda _what, refused: notes["disk"].append(refused),
    )
    assert_same(found, expected)
    assert sorted(notes["disk"]) == sorted(notes["memory"])
    assert len(expected) == 1_201, "those with a label that is none are payments"
    assert expected.refusals.refused == 8
    assert expected.reported is not None
    assert expected.reported.refusals.refused == 4
