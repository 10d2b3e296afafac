"""Somebody else's files become messages: values as they are, columns by name or by map, missing ones an error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from files.column_map import read_map
from files.errors import SourceError
from files.source import Message, Source
from history.message_fields import OUTCOME, PAYMENT

if TYPE_CHECKING:
    from pathlib import Path

    from files.fields import Fields

TIME = 1_767_205_800_123
HEAD = "transaction_id,event_time,payer_vpa,payee_vpa,amount_paise"


def messages(
    path: Path, map_text: str | None = None, fields: Fields = PAYMENT, zone: str | None = None
) -> list[Message]:
    columns = None
    if map_text is not None:
        map_path = path.with_suffix(".toml")
        map_path.write_text(map_text)
        columns = read_map(map_path, fields)
    return list(Source(path, fields, columns, zone).messages())


def rows(
    path: Path, map_text: str | None = None, fields: Fields = PAYMENT, zone: str | None = None
) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in messages(path, map_text, fields, zone)]


def text_file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


# CSV --------------------------------------------------------------------------------------------------------------


def test_csv_integers_stay_integers_and_texts_texts(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a.csv", f"{HEAD},mcc,latitude,extra\n0012,{TIME},a@ybl,b@axl,124300,0000,12.5,x\n")
    assert rows(path) == [
        {
            "transaction_id": "0012",
            "event_time": TIME,
            "payer_vpa": "a@ybl",
            "payee_vpa": "b@axl",
            "amount_paise": 124_300,
            "mcc": "0000",
            "latitude": 12.5,
        }
    ]
    (message,) = messages(path)
    assert message.key == b"a@ybl"
    assert message.moment == TIME


def test_csv_values_that_do_not_fit_go_out_as_they_are(tmp_path: Path) -> None:
    path = text_file(
        tmp_path,
        "a.csv",
        f"{HEAD}\nx,yesterday,ab,b@axl,100.0\ny,2026-01-01T00:00:00Z,a@ybl,b@axl,abc\nz,{TIME},a@ybl,b@axl\n",
    )
    first, second, third = rows(path)
    assert (first["event_time"], first["payer_vpa"], first["amount_paise"]) == ("yesterday", "ab", 100.0)
    assert isinstance(first["amount_paise"], float)
    assert second["amount_paise"] == "abc"
    assert "amount_paise" not in third
    assert [message.moment for message in messages(path)] == [None, 1_767_225_600_000, TIME]


def test_csv_optional_times_written_as_floats_are_integers_again(tmp_path: Path) -> None:
    """What a data frame writes for a column of integers with gaps."""
    path = text_file(
        tmp_path, "a.csv", f"{HEAD},device_bound_at\nx,{TIME},a@ybl,b@axl,100,{TIME}.0\ny,{TIME},a@ybl,b@axl,100,\n"
    )
    first, second = rows(path)
    assert first["device_bound_at"] == TIME
    assert isinstance(first["device_bound_at"], int)
    assert "device_bound_at" not in second


def test_csv_may_have_quotes_a_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a.csv", f'\ufeff{HEAD}\n"x,1",{TIME},a@ybl,b@axl,7\n\ny,{TIME},a@ybl,b@axl,8\n')
    assert [row["transaction_id"] for row in rows(path)] == ["x,1", "y"]


# Maps -------------------------------------------------------------------------------------------------------------

FOREIGN = (
    "ref,made,from,to,rupees,type\nR1,1767205800,a@ybl,b@axl,19.99,debit\nR2,1767205801.5,a@ybl,b@axl,1243,debit\n"
)
MAP = """
transaction_id = "ref"
event_time = "made"
payer_vpa = "from"
payee_vpa = "to"
amount_paise = "rupees"
[scale]
event_time = 1000
amount_paise = 100
[const]
flow = "P2P"
type = "PAY"
"""


def test_a_map_names_columns_scales_exactly_and_adds_constants(tmp_path: Path) -> None:
    first, second = rows(text_file(tmp_path, "a.csv", FOREIGN), MAP)
    assert first == {
        "transaction_id": "R1",
        "event_time": 1_767_205_800_000,
        "payer_vpa": "a@ybl",
        "payee_vpa": "b@axl",
        "amount_paise": 1_999,
        "flow": "P2P",
        "type": "PAY",
    }
    assert isinstance(first["amount_paise"], int)
    assert second["amount_paise"] == 124_300
    assert second["event_time"] == 1_767_205_801_500


def test_a_scaled_amount_that_is_no_whole_number_goes_out_as_it_is(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a.csv", FOREIGN.replace("19.99", "19.999"))
    assert rows(path, MAP)[0]["amount_paise"] == 1999.9


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('amount = "rupees"', r"got 'amount' \(did you mean amount_paise\?\)"),
        ("amount_paise = 7", 'expected amount_paise = "source column"'),
        ("[scale]\namount_paise = 'x'", r"\[scale\] amount_paise to be a number"),
        ("[scale]\npayer_vpa = 2", "payer_vpa is text"),
        ("[const]\nnothing = 1", "got 'nothing'"),
        ('flow = "a"\n[const]\nflow = "P2P"', "both a column and a constant"),
        ("scale = 3", r"expected \[scale\] to be a table"),
        ("= broken", "a TOML file that can be read"),
    ],
)
def test_a_map_that_says_something_else_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        read_map(text_file(tmp_path, "map.toml", text), PAYMENT)


def test_a_missing_column_is_named_with_what_there_is(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a.csv", "transaction_id,event_time,payer_vpa,payee_vpa,amount\nx,1,a@b,c@d,5\n")
    with pytest.raises(SourceError, match=r'expected a column amount_paise .* amount; .* amount_paise = "COLUMN"'):
        messages(path)
    with pytest.raises(SourceError, match=r"expected a column 'amont' for amount_paise, .* \(did you mean amount\?\)"):
        messages(path, 'amount_paise = "amont"')
    with pytest.raises(SourceError, match="expected a column amount_paise"):
        Source(path, PAYMENT).check()


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv.gz", "a.json"])
def test_what_a_file_is_its_bytes_say_and_not_its_name(tmp_path: Path, name: str) -> None:
    content = f'{{"transaction_id":"x","event_time":{TIME},"payer_vpa":"a@y","payee_vpa":"b@y","amount_paise":5}}'
    assert rows(text_file(tmp_path, name, content))[0]["amount_paise"] == 5
    if name != "a.json":
        assert rows(text_file(tmp_path, name, f"{HEAD}\nx,{TIME},a@y,b@y,6\n"))[0]["amount_paise"] == 6


# Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_types_become_what_a_message_has(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "transaction_id": pa.array([71, 72]),
            "event_time": pa.array([moment, moment], pa.timestamp("us", "UTC")),
            "payer_vpa": ["a@ybl", "a@ybl"],
            "payee_vpa": ["b@axl", "b@axl"],
            "amount_paise": pa.array([Decimal("500.00"), Decimal("12.34")], pa.decimal128(10, 2)),
            "device_bound_at": pa.array([float(TIME), float("nan")]),
            "sim_changed_at": pa.array([datetime(2026, 1, 1), None], pa.timestamp("ns")),  # noqa: DTZ001
            "mcc": pa.array([5411, None], pa.int16()),
            "latitude": pa.array([12.5, None]),
            "flow": pa.array([b"P2P", b"P2M"]),
        }
    )
    pq.write_table(table, path)
    first, second = rows(path, zone="UTC")
    assert first == {
        "transaction_id": "71",
        "event_time": 1_767_225_600_000,
        "payer_vpa": "a@ybl",
        "payee_vpa": "b@axl",
        "amount_paise": 500,
        "device_bound_at": TIME,
        "sim_changed_at": 1_767_225_600_000,
        "mcc": 5411,
        "latitude": 12.5,
        "flow": "P2P",
    }
    assert second["amount_paise"] == 12.34
    assert second.keys() == {"transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise", "flow"}
    assert len(Source(path, PAYMENT)) == 2


def test_a_float_column_of_optional_times_without_gaps_is_integers_again(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    times = pa.array([float(TIME), float(TIME + 1)])
    required = {"transaction_id": ["x", "y"], "payer_vpa": ["a@y"] * 2, "payee_vpa": ["b@y"] * 2}
    numbers = {"event_time": [TIME] * 2, "amount_paise": [100] * 2, "device_bound_at": times}
    pq.write_table(pa.table({**required, **numbers}), path)
    assert [repr(row["device_bound_at"]) for row in rows(path)] == [str(TIME), str(TIME + 1)]


def test_a_float_column_of_required_integers_is_left_as_it_is_unless_the_map_scales_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table(
            {
                "transaction_id": ["x"],
                "event_time": [TIME],
                "payer_vpa": ["a@y"],
                "payee_vpa": ["b@y"],
                "amount_paise": [100.0],
            }
        ),
        path,
    )
    assert isinstance(rows(path)[0]["amount_paise"], float)
    assert isinstance(rows(path, "[scale]\namount_paise = 1")[0]["amount_paise"], int)


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected a Parquet file"):
        messages(text_file(tmp_path, "a.parquet", "no"))


# JSON Lines -------------------------------------------------------------------------------------------------------


def line(**changes: Any) -> str:
    fields = {"transaction_id": "x", "event_time": TIME, "payer_vpa": "a@ybl", "payee_vpa": "b@axl", "amount_paise": 1}
    return json.dumps(fields | changes)


def test_lines_go_out_byte_for_byte_without_a_map(tmp_path: Path) -> None:
    lines = [line(amount_paise=100.0, note={"kept": [1]}), "no json", "[1]", line(payer_vpa=7), line(event_time="soon")]
    made = messages(text_file(tmp_path, "a.jsonl", "\n".join(lines) + "\n\n"))
    assert [message.value.decode() for message in made] == lines
    assert [message.key for message in made] == [b"a@ybl", None, None, None, b"a@ybl"]
    assert [message.moment for message in made] == [TIME, None, None, TIME, None]


def test_lines_can_be_mapped(tmp_path: Path) -> None:
    foreign = json.dumps({"ref": "R", "made": TIME, "from": "a@ybl", "to": "b@axl", "rupees": 12.34})
    path = text_file(tmp_path, "a.jsonl", foreign + "\n" + "broken\n")
    mapped = MAP.replace("event_time = 1000\n", "")
    made = messages(path, mapped)
    assert json.loads(made[0].value)["amount_paise"] == 1_234
    assert made[1].value == b"broken"


def test_lines_without_a_needed_name_anywhere_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected a column amount_paise"):
        messages(text_file(tmp_path, "a.jsonl", line().replace("amount_paise", "amount")))


# Outcomes ---------------------------------------------------------------------------------------------------------


def test_outcomes_are_keyed_by_transaction(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a.csv", f"transaction_id,outcome,reported_at,typology\nx,FRAUD,{TIME},\n")
    (message,) = messages(path, fields=OUTCOME)
    assert message.key == b"x"
    assert message.moment == TIME
    assert json.loads(message.value) == {"transaction_id": "x", "outcome": "FRAUD", "reported_at": TIME}
