"""Every mistake that was seen in somebody's file is refused by `try` with its row and reason, or read rightly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from upifraud.cli import main

FILES = Path(__file__).parents[1] / "fixtures/files"
AT = 1_767_200_000_000


def proposal_of(file: str, *more: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["try", str(FILES / file), "--json", *more])
    assert result.exit_code == 0, result.output
    proposal: dict[str, Any] = json.loads(result.stdout)
    return proposal


@pytest.mark.parametrize(
    ("file", "amounts"),
    [
        ("csv-latin1.csv", [100]),
        ("csv-utf16.csv", [100]),
        ("csv-quoted-thousands.csv", [123_450]),
        ("jsonl-bom.jsonl", [100, 100]),
        ("payments-float-amounts.parquet", [100, 200, 300]),
        ("payments-integer-ids.parquet", [100, 200, 300]),
        ("payments-seconds.parquet", [100, 200, 300]),
    ],
)
def test_what_can_be_read_is_read_rightly(file: str, amounts: list[int]) -> None:
    proposal = proposal_of(file)
    assert (proposal["rows"], proposal["rejected"], proposal["questions"]) == (len(amounts), {}, [])
    assert [row["amount_paise"] for row in proposal["first"]] == amounts
    assert proposal["first"][0]["event_time"] == AT
    assert proposal["first"][0]["payer_vpa"] == "payer1@bank"


def test_encodings_and_units_are_found() -> None:
    assert proposal_of("csv-latin1.csv")["map"]["encoding"] == "cp1252"
    assert proposal_of("payments-seconds.parquet")["map"]["scale"] == {"event_time": 1000}
    assert proposal_of("payments-integer-ids.parquet")["first"][0]["transaction_id"] == "1"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("csv-local-times.csv", ["2 refused: 2 bad-time (first row 3: event_time: ", "got '31/12/2025 23:59:59'"]),
        ("payments-one-null-amount.parquet", ["3 rows, 1 refused: 1 missing-field (row 2: amount_paise: expected"]),
        ("csv-unquoted-thousands.csv", ["Not one row could be looked at", "row 1: line 2: expected at most 5 cells"]),
        ("outcomes-0-1-labels.parquet", ["This looks like a file of outcomes", "--outcomes"]),
    ],
)
def test_what_cannot_be_read_is_told_with_its_row_and_reason(file: str, said: list[str]) -> None:
    result = CliRunner().invoke(main, ["try", str(FILES / file)])
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert [text for text in said if text not in told] == []


def test_a_file_whose_rows_cannot_be_told_apart_is_an_error() -> None:
    result = CliRunner().invoke(main, ["try", str(FILES / "csv-unclosed-quote.csv")])
    assert result.exit_code == 1
    assert "in row 2, which begins in line 3" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--choose", "zone ="], "expected a line of a map"),
        (["--map", "MAP", "--choose", 'zone = "UTC"'], "expected neither --write-map nor --choose beside it"),
        (["--map", "MAP", "--train-share", "1"], "train-share"),
    ],
)
def test_wrong_calls_are_usage_errors(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "MAP").write_text('amount_paise = "amount_paise"\n')
    given = [str(tmp_path / "MAP") if one == "MAP" else one for one in arguments]
    result = CliRunner().invoke(main, ["try", str(FILES / "jsonl-bom.jsonl"), *given])
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_map_that_still_asks_is_refused_with_what_it_asks(tmp_path: Path) -> None:
    map_ = tmp_path / "map.toml"
    map_.write_text('zone = "?"\namount_paise = { column = "a", unit = "?" }\n')
    result = CliRunner().invoke(main, ["try", str(FILES / "jsonl-bom.jsonl"), "--map", str(map_)])
    assert result.exit_code == 1
    assert 'zone, amount_paise.unit are still "?"' in result.stderr


def test_a_map_that_is_written_anew_keeps_the_one_before(tmp_path: Path) -> None:
    map_ = tmp_path / "map.toml"
    map_.write_text("# by hand\n")
    arguments = ["try", str(FILES / "jsonl-bom.jsonl"), "--write-map", str(map_)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (tmp_path / "map.toml.old").read_text() == "# by hand\n"
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (tmp_path / "map.toml.old").read_text() == "# by hand\n"


def test_choices_stand_in_the_place_of_what_is_proposed() -> None:
    choices = ['zone = "Asia/Kolkata"', 'event_time.format = "%d/%m/%Y %H:%M:%S"', 'payer_vpa.handle = "x"']
    arguments = [word for choice in choices for word in ("--choose", choice)]
    made = proposal_of("csv-local-times.csv", *arguments)
    assert made["map"]["zone"] == "Asia/Kolkata"
    assert made["map"]["event_time"] == {"column": "event_time", "format": "%d/%m/%Y %H:%M:%S"}
    assert made["map"]["payer_vpa"] == {"column": "payer_vpa", "handle": "x"}
    assert made["rejected"] == {"bad-time": 3}
