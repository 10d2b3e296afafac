"""Files as strangers write them: read rightly, or refused in one line with the row, the line and what to do."""

from __future__ import annotations

import codecs
import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from files.column_map import ColumnMap, read_map
from files.errors import SourceError
from files.source import LARGEST, Refused, Source
from history.message_fields import OUTCOME, PAYMENT

FILES = Path(__file__).parents[1] / "fixtures/files"
TIME = 1_767_205_800_123
HEAD = "transaction_id,event_time,payer_vpa,payee_vpa,amount_paise"
ROW = f"x,{TIME},a@ybl,b@axl,5"
LINE = json.dumps(
    {"transaction_id": "x", "event_time": TIME, "payer_vpa": "a@ybl", "payee_vpa": "b@axl", "amount_paise": 5}
)


def read(
    path: Path, columns: ColumnMap | None = None, zone: str | None = None
) -> tuple[list[dict[str, Any]], list[Refused]]:
    refused: list[Refused] = []
    made = Source(path, PAYMENT, columns, zone).messages(refused.append)
    return [json.loads(message.value) for message in made], refused


def written(tmp_path: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


def table(tmp_path: Path, **columns: Any) -> Path:
    one = {
        "transaction_id": ["x"],
        "event_time": [TIME],
        "payer_vpa": ["a@y"],
        "payee_vpa": ["b@y"],
        "amount_paise": [5],
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(one | columns), path)
    return path


# Rows of CSV ------------------------------------------------------------------------------------------------------


def test_a_row_with_more_cells_than_the_header_is_refused_with_its_place() -> None:
    columns = read_map(FILES / "csv-thousands.map.toml", PAYMENT)
    rows, (refused,) = read(FILES / "csv-unquoted-thousands.csv", columns)
    assert rows == []
    assert (refused.row, refused.reason) == (1, "too-many-cells")
    assert "line 2: expected at most 5 cells" in refused.detail
    assert "got 6" in refused.detail


def test_rows_beside_one_with_too_many_cells_go_on_and_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"{HEAD}\n{ROW}\n\n{ROW},extra\n{ROW}\n")
    refused: list[Refused] = []
    made = list(Source(path, PAYMENT).messages(refused.append))
    assert [message.row for message in made] == [1, 3]
    assert [one.row for one in refused] == [2]


def test_an_unclosed_quote_is_refused_where_its_row_begins() -> None:
    with pytest.raises(SourceError, match=r"quotes in pairs.* in row 2, which begins in line 3"):
        read(FILES / "csv-unclosed-quote.csv")


def test_a_quote_closed_in_a_later_row_is_refused_too(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f'{HEAD}\n"{ROW}\n"y",{TIME},a@ybl,b@axl,5\n')
    with pytest.raises(SourceError, match="row 1, which begins in line 2"):
        read(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path: Path, end: str) -> None:
    rows, refused = read(written(tmp_path, "a.csv", end.join((HEAD, ROW, ROW, ""))))
    assert (len(rows), refused) == (2, [])


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(SourceError, match="the file is empty"):
        read(written(tmp_path, name, content))


def test_a_header_alone_is_a_file_of_no_rows(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.csv", HEAD)) == ([], [])


def test_two_columns_of_one_name_are_refused_where_it_matters(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected one column amount_paise .*but 2 columns have that name"):
        read(written(tmp_path, "a.csv", f"{HEAD},amount_paise\n{ROW},7\n"))
    rows, _ = read(written(tmp_path, "a.csv", f"{HEAD},,\n{ROW},1,2\n"))
    assert len(rows) == 1, "columns without a name, which nobody asks for"


def test_numbers_of_any_length_and_null_bytes_are_for_the_stream_to_judge(tmp_path: Path) -> None:
    lines = [
        HEAD,
        f"x,{TIME},a@ybl,b@axl,{'9' * 5000}",
        f"y,{TIME},a@ybl,b@axl,{'9' * 30}",
        f"z\0,{TIME},a@ybl,b@axl,1e999",
    ]
    rows, refused = read(written(tmp_path, "a.csv", "\n".join(lines)))
    assert refused == []
    assert isinstance(rows[0]["amount_paise"], str)
    assert rows[1]["amount_paise"] == int("9" * 30)
    assert rows[2]["transaction_id"] == "z\0"


# Encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", f"{HEAD}\n{ROW}\n"), ("a.jsonl", LINE + "\n"), ("a.json", LINE)],
    ids=["CSV", "lines", "one object"],
)
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, name: str, content: str, encoding: str) -> None:
    (row,), _ = read(written(tmp_path, name, content, encoding))
    assert row["transaction_id"] == "x"
    assert row["amount_paise"] == 5


def test_both_byte_orders_of_utf_16_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", codecs.BOM_UTF16_BE + f"{HEAD}\n{ROW}\n".encode("utf-16-be"))
    assert len(read(path)[0]) == 1
    assert read(FILES / "csv-utf16.csv")[0][0]["transaction_id"] == "u-1"


def test_a_byte_order_mark_before_json_lines_costs_no_payment() -> None:
    assert [row["transaction_id"] for row in read(FILES / "jsonl-bom.jsonl")[0]] == ["b-1", "b-2"]


def test_a_map_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    assert read_map(FILES / "map-bom.toml", PAYMENT).columns == {"amount_paise": "amount_paise"}
    assert read_map(written(tmp_path, "m.toml", 'event_time = "t"', "utf-16"), PAYMENT).columns == {"event_time": "t"}


def test_text_that_is_not_utf_8_is_refused_with_its_line_and_read_where_the_map_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'in UTF-8, got bytes that are not \(line 2\).*encoding = "cp1252"'):
        read(FILES / "csv-latin1.csv")
    named = read_map(written(tmp_path, "m.toml", 'encoding = "cp1252"\n[const]\nremarks_hash = "r"\n'), PAYMENT)
    path = written(tmp_path, "a.csv", f"{HEAD},payer_app\n{ROW},café\n", "cp1252")
    assert read(path, named)[0][0]["payer_app"] == "café"


def test_the_line_is_that_of_the_bad_byte_and_not_of_the_buffer(tmp_path: Path) -> None:
    lines = [HEAD, *[ROW] * 5_000, "caf\xe9" + ROW, *[ROW] * 5_000]
    with pytest.raises(SourceError, match=r"\(line 5002\)"):
        read(written(tmp_path, "a.csv", "\n".join(lines), "latin-1"))


def test_utf_16_without_a_mark_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"{HEAD}\n{ROW}\n", "utf-16-le")
    with pytest.raises(SourceError, match='encoding = "utf-16-le"'):
        read(path)
    assert len(read(path, ColumnMap(encoding="utf-16-le"))[0]) == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [(gzip.compress(gzip.compress(b"x")), "packed by gzip twice"), (b"PK\x03\x04rest", "Excel"), (b"BZh9", "bzip2")],
    ids=["gzip twice", "Excel", "bzip2"],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    with pytest.raises(SourceError, match=f"expected text, but it is .*{what}"):
        read(written(tmp_path, name, content))


# Keys of a map that are true of the whole file --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('zone = "Mars/Base"', "expected a zone as Asia/Kolkata"),
        ("zone = 5", 'expected zone = "Asia/Kolkata"'),
        ('zone = "+25:00"', "an offset from UTC as"),
        ('encoding = "klingon"', "another that Python knows"),
        ('encoding = "base64"', "another that Python knows"),
        ("encoding = 8", "another that Python knows"),
        ('earliest = "2012-01-01"', "a time with an offset"),
        ("earliest = 2012-01-01T00:00:00", "a time with an offset"),
        ("earliest = -1", "from 1970 on"),
    ],
)
def test_what_a_map_says_of_the_file_must_make_sense(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        read_map(written(tmp_path, "m.toml", text), PAYMENT)


@pytest.mark.parametrize("text", ["2012-01-01T00:00:00Z", '"2012-01-01T05:30:00+05:30"', "1325376000000"])
def test_earliest_is_a_time_in_any_form(tmp_path: Path, text: str) -> None:
    assert read_map(written(tmp_path, "m.toml", f"earliest = {text}"), PAYMENT).earliest == 1_325_376_000_000


# Lines ------------------------------------------------------------------------------------------------------------


def test_a_line_that_no_broker_takes_is_refused_alone(tmp_path: Path) -> None:
    huge = '{"a":"' + "x" * (3 * LARGEST) + '"}'
    rows, (refused,) = read(written(tmp_path, "a.jsonl", f"{LINE}\n{huge}\n{LINE}\n"))
    assert len(rows) == 2
    assert (refused.row, refused.reason) == (2, "too-large")


def test_a_value_that_no_broker_takes_is_refused_alone(tmp_path: Path) -> None:
    rows, (refused,) = read(table(tmp_path, remarks_hash=["x" * 2 * LARGEST]))
    assert (rows, refused.reason) == ([], "too-large")


# Parquet ----------------------------------------------------------------------------------------------------------

NAIVE = datetime(2026, 1, 1, 5, 30)  # noqa: DTZ001  # what the test is about


@pytest.mark.parametrize("name", ["event_time", "device_bound_at"])
def test_timestamps_without_a_zone_are_refused_unless_one_is_named(tmp_path: Path, name: str) -> None:
    path = table(tmp_path, **{name: pa.array([NAIVE], pa.timestamp("us"))})
    with pytest.raises(SourceError, match=f"expected {name} as timestamps with a zone.*--zone Asia/Kolkata"):
        read(path)
    new_year = 1_767_225_600_000
    for named in ({"zone": "Asia/Kolkata"}, {"zone": "+05:30"}, {"columns": ColumnMap(zone="Asia/Kolkata")}):
        assert read(path, **named)[0][0][name] == new_year
    assert read(path, ColumnMap(zone="UTC"), "Asia/Kolkata")[0][0][name] == new_year, "the option comes first"


def test_a_zone_changes_no_time_that_has_one(tmp_path: Path) -> None:
    path = table(tmp_path, event_time=pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("ns", "Europe/Paris")))
    assert read(path, zone="Asia/Kolkata")[0][0]["event_time"] == 1_767_225_600_000


def test_of_a_clock_that_is_put_back_the_first_hour_counts(tmp_path: Path) -> None:
    twice, never = datetime(2025, 10, 26, 2, 30), datetime(2025, 3, 30, 2, 30)  # noqa: DTZ001  # local times of Paris
    rows, _ = read(table(tmp_path, event_time=pa.array([twice], pa.timestamp("ms"))), zone="Europe/Paris")
    assert rows[0]["event_time"] == int(datetime(2025, 10, 26, 0, 30, tzinfo=UTC).timestamp() * 1000)
    rows, _ = read(table(tmp_path, event_time=pa.array([never], pa.timestamp("ms"))), zone="Europe/Paris")
    assert rows[0]["event_time"] == int(datetime(2025, 3, 30, 1, 0, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([date(2026, 1, 1)]),
        pa.array(["2026-01-01 10:00:00"]),
        pa.array([[1, 2]]),
        pa.array([{"a": Decimal("1.5"), "b": date(2026, 1, 1), "c": b"\xff", "d": datetime(2026, 1, 1, tzinfo=UTC)}]),
        pa.array([float("nan")]),
        pa.array([Decimal(10) ** 37], pa.decimal128(38, 0)),
        pa.array([None], pa.null()),
        pa.array([True]),
    ],
)
def test_values_of_any_type_are_messages_for_the_stream_to_judge(tmp_path: Path, column: pa.Array) -> None:
    assert len(read(table(tmp_path, event_time=column, amount_paise=column))[0]) == 1


def test_two_parquet_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    names = ["transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise", "amount_paise"]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([["x"], [TIME], ["a@y"], ["b@y"], [5], [6]], names=names), path)
    with pytest.raises(SourceError, match="2 columns have that name"):
        read(path)


def test_a_parquet_file_cut_short_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = (FILES / "payments-float-amounts.parquet").read_bytes()
    for kept in (8, len(whole) // 2, len(whole) - 1):
        with pytest.raises(SourceError, match="expected a Parquet file") as caught:
            read(written(tmp_path, "a.parquet", whole[:kept]))
        assert "\n" not in str(caught.value)


def test_a_damaged_page_is_refused_in_one_line(tmp_path: Path) -> None:
    path = table(tmp_path)
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"expected (a whole Parquet file|readable values)"):
        read(path)


def test_text_that_is_no_utf_8_inside_parquet_is_refused_in_one_line(tmp_path: Path) -> None:
    bad = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    with pytest.raises(SourceError, match="expected readable values in payer_app"):
        read(table(tmp_path, payer_app=bad))


def test_a_parquet_file_may_have_any_other_name(tmp_path: Path) -> None:
    content = (FILES / "payments-integer-ids.parquet").read_bytes()
    rows, _ = read(written(tmp_path, "part-0000", content))
    assert [row["transaction_id"] for row in rows] == ["1", "2", "3"]


# Files that are not there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet", "gone.jsonl"])
def test_a_file_that_is_gone_or_a_folder_is_an_error_in_one_line(tmp_path: Path, name: str) -> None:
    source = Source(tmp_path / name, OUTCOME)
    with pytest.raises(SourceError, match="can be read"):
        source.check()
    (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match="can be read"):
        source.check()
