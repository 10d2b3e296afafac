"""Files of every format, packed or not, one or many: their bytes say what they are, and rows keep their numbers."""

from __future__ import annotations

import gzip
import json
import pickle
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from files.column_map import ColumnMap, map_of
from files.errors import SourceError
from files.look import look
from files.source import LARGEST, Refused, Source
from history.message_fields import PAYMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TIME = 1_767_205_800_123
HEAD = ["transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise"]


def rows_of(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [
        {"transaction_id": f"t{row}", "event_time": TIME, "payer_vpa": "a@y", "payee_vpa": "b@y", "amount_paise": row}
        for row in range(first, first + count)
    ]


def as_csv(rows: list[dict[str, Any]], separator: str = ",") -> bytes:
    lines = [separator.join(HEAD), *(separator.join(str(row[name]) for name in HEAD) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def as_array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, indent=2).encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue().to_pybytes())


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


def read(paths: Path | Sequence[Path], columns: ColumnMap | None = None) -> tuple[list[dict[str, Any]], list[Refused]]:
    refused: list[Refused] = []
    made = list(Source(paths, PAYMENT, columns).messages(refused.append))
    return [json.loads(message.value) for message in made], refused


# Formats and packings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("write", [as_csv, as_lines, as_array, as_parquet])
@pytest.mark.parametrize("name", ["file", "file.dat", "file.csv.gz"])
def test_a_file_of_any_format_may_be_packed_and_have_any_name(
    tmp_path: Path,
    write: Callable[[list[dict[str, Any]]], bytes],
    pack: Callable[[bytes], bytes],
    name: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(write(rows_of(300))))
    assert read(path) == (rows_of(300), [])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv(rows_of(3), separator))
    assert read(path)[0] == rows_of(3)
    assert look(path).separator == separator


def test_commas_in_cells_do_not_hide_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name, first;amount\nRao, Asha;1,5\nRao, Ravi;2,5\nX;3\n")
    assert look(path).columns == ["name, first", "amount"]


def test_a_separator_that_nobody_would_look_for_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv(rows_of(2), "^"))
    assert read(path, ColumnMap(separator="^"))[0] == rows_of(2)
    with pytest.raises(SourceError, match=r"expected a column transaction_id .* transaction_id\^event_time"):
        read(path)


def test_a_first_line_that_names_the_separator_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"sep=;\r\n" + as_csv(rows_of(2), ";") + b"t3;1;a@y;b@y;3;4\n")
    made, (refused,) = read(path)
    assert made == rows_of(2)
    assert (refused.row, "line 5" in refused.detail) == (3, True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("write", [as_csv, as_array])
def test_encodings_of_packed_files(tmp_path: Path, write: Callable[[Any], bytes], encoding: str) -> None:
    rows = [row | {"payer_vpa": "café@y"} for row in rows_of(2)]
    path = tmp_path / "a"
    text = write(rows).decode() if write is as_csv else json.dumps(rows, ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(encoding)))
    assert read(path, ColumnMap(encoding="cp1252"))[0] == rows


def test_quoted_cells_may_have_line_ends_and_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'{",".join(HEAD)}\n"t\n1",{TIME},a@y,b@y,1\n"t,""2""",{TIME},a@y,b@y,2\nt3,{TIME},a@y,b@y,3,4\n')
    made, (refused,) = read(path)
    assert [row["transaction_id"] for row in made] == ["t\n1", 't,"2"']
    assert (refused.row, "line 5" in refused.detail) == (3, True)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (gzip.compress(as_csv(rows_of(9_000)))[:-9], "a whole file packed by gzip"),
        (zstd(as_csv(rows_of(9_000)))[:-9], "a whole file packed by zstd"),
        (gzip.compress(as_csv(rows_of(2))) + b"more", "a whole file packed by gzip"),
        (gzip.compress(as_csv(rows_of(2)))[:12] + b"\0" * 40, "a whole file packed by gzip"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 40, "a whole file packed by zstd"),
        (gzip.compress(b""), "the file is empty"),
        (gzip.compress(as_parquet(rows_of(2))[:-20]), "expected a Parquet file"),
    ],
    ids=["gzip-cut", "zstd-cut", "more-behind", "gzip-spoilt", "zstd-spoilt", "empty", "no-parquet"],
)
def test_a_damaged_packing_is_refused_in_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=complaint) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("pack", "packer"), [(gzip.compress, "gzip"), (zstd, "zstd")])
def test_a_packed_file_that_ends_among_the_rows_looked_at_is_refused(
    tmp_path: Path, pack: Callable[[bytes], bytes], packer: str
) -> None:
    """Its encoding is guessed from the first bytes, so the end is not reached before the rows are read."""
    noise = random.Random(1)
    rows = [f"{noise.randbytes(4_000).hex()},\x81" for _ in range(900)]
    whole = pack(b"name,other\n" + "\n".join(rows).encode("latin-1"))
    path = tmp_path / "cut.csv"
    path.write_bytes(whole)
    assert len(look(path).samples) == 900
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=f"cut.csv: expected a whole file packed by {packer}.*pack it again"):
        look(path)


# Arrays -----------------------------------------------------------------------------------------------------------


def test_elements_go_out_as_they_stand(tmp_path: Path) -> None:
    elements = ['{"transaction_id":"x", "amount_paise": 1.0, "note": "[,]}"}', "7", "null", '"text"', "[1, 2]"]
    path = tmp_path / "a.json"
    path.write_text(" [ {} , " + " ,\n".join(elements) + " ] \n")
    with pytest.raises(SourceError, match="expected a column event_time"):
        read(path)
    whole = json.dumps(rows_of(1)[0])
    path.write_text(f"[{whole}, {', '.join(elements)}]")
    made = [message.value.decode() for message in Source(path, PAYMENT).messages()]
    assert made == [whole, *elements]


def test_an_array_larger_than_what_is_held_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    rows = [row | {"remarks_hash": "x" * 5_000} for row in rows_of(200)]
    path.write_bytes(as_array(rows))
    assert read(path)[0] == rows


def test_an_element_that_no_broker_takes_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    first, huge, last = rows_of(3)
    path.write_text(json.dumps([first, huge | {"remarks_hash": "x" * LARGEST}, last]))
    made, (refused,) = read(path)
    assert made == [first, last]
    assert (refused.row, refused.reason) == (2, "too-large")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('[{"a":1}', "in row 1: expected the array's end"),
        ('[{"a":1},', "in row 2: expected one whole value"),
        ('[{"a":1},]', "in row 2: expected one whole value"),
        ('[{"a":1} {"a":2}]', "in row 1: expected a comma behind it"),
        ('[{"a":1}, {"a":2]', "in row 2: expected one whole value"),
        ('[{"a":1}] x', "in row 1: expected nothing behind"),
        ("[]", "the file is empty"),
        ("[ {} ]", "expected rows with names of columns"),
        ('{\n "a": 1\n}\n', "an object in every line, or one array of objects"),
        ("[" * 100_000, "expected"),
        ('[{"a":' + "[" * 100_000, "in row 1: expected one whole value"),
    ],
    ids=map(str, range(11)),
)
def test_a_broken_array_is_refused_with_its_row(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=complaint):
        read(path)


def test_rows_before_the_damage_are_given(tmp_path: Path) -> None:
    """What was published before a damaged row is counted and said."""
    whole = as_array(rows_of(5_000))
    path = tmp_path / "a.json"
    path.write_bytes(whole[:-200])
    seen: list[object] = []
    with pytest.raises(SourceError, match="in row 499"):
        seen.extend(Source(path, PAYMENT).messages())
    assert len(seen) > 4_990


# Several files ----------------------------------------------------------------------------------------------------


def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "days"
    (inside / "more").mkdir(parents=True)
    (inside / "2.csv").write_bytes(as_csv(rows_of(2, 3), ";"))
    (inside / "1.csv.gz").write_bytes(gzip.compress(as_csv(rows_of(2, 1))))
    (inside / "more" / "3.parquet").write_bytes(as_parquet(rows_of(2, 5)))
    (inside / "4.json").write_bytes(as_array(rows_of(2, 7)))
    for name in ("_SUCCESS", ".hidden", "more/.part.crc"):
        (inside / name).write_text("no file of ours")
    return inside


def test_files_of_a_folder_are_one_in_the_order_of_their_names(tmp_path: Path) -> None:
    inside = folder(tmp_path)
    first, second, third, fourth = rows_of(2, 1), rows_of(2, 3), rows_of(2, 5), rows_of(2, 7)
    source = Source(inside, PAYMENT)
    assert [json.loads(message.value) for message in source.messages()] == [*first, *second, *fourth, *third]
    assert [message.row for message in source.messages()] == list(range(1, 9))
    assert source.path == inside


def test_a_pattern_and_several_files_are_read_by_name_each_once(tmp_path: Path) -> None:
    inside = folder(tmp_path)
    assert read(inside / "*.csv*")[0] == rows_of(4)
    assert read([inside / "2.csv", inside / "1.csv.gz", inside / "2.csv"])[0] == rows_of(4)
    assert Source([inside / "2.csv", inside / "4.json"], PAYMENT).path.name.endswith("2.csv and 1 more")


def test_rows_that_are_refused_say_which_file_they_are_of(tmp_path: Path) -> None:
    inside = folder(tmp_path)
    (inside / "2.csv").write_bytes(as_csv(rows_of(1, 3), ";") + b"t4;1;a@y;b@y;4;5\n")
    _, (refused,) = read(inside)
    assert refused.row == 4
    assert refused.detail.endswith("(row 2 of 2.csv)")


def test_an_error_names_the_file(tmp_path: Path) -> None:
    inside = folder(tmp_path)
    (inside / "2.csv").write_text("transaction_id,amount\nx,1\n")
    with pytest.raises(SourceError, match=r"days/2\.csv: expected a column event_time"):
        read(inside)
    with pytest.raises(SourceError, match=r"days/2\.csv: expected a column event_time"):
        Source(inside, PAYMENT).check()


@pytest.mark.parametrize("name", ["empty", "none-*.csv"])
def test_no_files_are_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"expected (a folder with files|files of this pattern)"):
        Source(tmp_path / name, PAYMENT)


# Batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [as_csv, as_lines, as_array, as_parquet])
def test_another_process_makes_the_same_messages_of_a_batch(tmp_path: Path, write: Callable[[Any], bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(write(rows_of(3_000)))
    columns = map_of({"payer_vpa": {"column": "payer_vpa", "handle": "x"}}, "m", PAYMENT)
    source = Source(path, PAYMENT, columns)
    batches = list(source.batches(512))
    assert len(batches) > 4
    assert sum(len(batch) for batch in batches) == 3_000
    elsewhere = pickle.loads(pickle.dumps(source))
    made = [message for batch in batches for message in elsewhere.messages_of(pickle.loads(pickle.dumps(batch)))]
    assert made == list(source.messages())


def test_progress_counts_the_bytes_of_all_files(tmp_path: Path) -> None:
    for name, rows in (("1.csv", rows_of(20_000)), ("2.csv", rows_of(20_000, 20_001))):
        (tmp_path / name).write_bytes(as_csv(rows))
    source = Source(tmp_path, PAYMENT)
    seen = [source.position() for _ in source.batches(1_000)]
    assert seen == sorted(seen)
    assert len(set(seen)) > 4
    assert 0 < seen[0] < source.size() / 2
    assert source.position() == source.size()


def test_parquet_files_know_how_many_rows_they_have(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(as_parquet(rows_of(5)))
    (tmp_path / "b.parquet").write_bytes(gzip.compress(as_parquet(rows_of(6, 6))))
    assert len(Source(tmp_path, PAYMENT)) == 11
    (tmp_path / "c.csv").write_bytes(as_csv(rows_of(2)))
    assert len(Source(tmp_path, PAYMENT)) == 0


# A first look -----------------------------------------------------------------------------------------------------


def test_a_look_shows_rows_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Händler;Betrag\nCafé;1,5\n".encode("cp1252"))
    found = look(path)
    assert (found.format, found.encoding, found.separator) == ("csv", "cp1252", ";")
    assert found.samples == [{"Händler": "Café", "Betrag": "1,5"}]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    table = pa.table({"at": pa.array([moment], pa.timestamp("ms", "UTC")), "who": [{"addr": "a@y", "n": 1}]})
    pq.write_table(table, tmp_path / "b.parquet")
    found = look(tmp_path / "b.parquet")
    assert found.columns == ["at", "who", "who.addr", "who.n"]
    assert (found.samples[0]["at"], found.samples[0]["who.addr"], found.row_count) == (moment, "a@y", 1)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a,b\nx,1\n".encode("utf-16-le"), "utf-16-le"),
        ("a,b\nx,1\n".encode("utf-32-be"), "utf-32-be"),
        ("a,b\nx,1\n".encode("utf-16"), "utf-16"),
        ("a,b\né,1\n".encode(), None),
        ("a,b\né,1\n".encode("cp1252"), "cp1252"),
        ("a,b\n\x81é,1\n".encode("latin-1"), "latin-1"),
        (b"a,b\n" + b"x,1\n" * 300_000 + b"\xe9,1\n", "cp1252"),
    ],
)
def test_an_encoding_that_the_file_does_not_say_is_guessed(
    tmp_path: Path, content: bytes, encoding: str | None
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    found = look(path, 5)
    assert found.encoding == (None if encoding == "utf-16" else encoding)
    assert found.columns == ["a", "b"]


# Names inside -----------------------------------------------------------------------------------------------------


def test_a_column_whose_own_name_has_the_dot_wins(tmp_path: Path) -> None:
    row = rows_of(1)[0]
    del row["payer_vpa"]
    columns = map_of({"payer_vpa": "payer.addr"}, "m", PAYMENT)
    for write in (as_lines, as_parquet):
        path = tmp_path / "a"
        path.write_bytes(write([row | {"payer": {"addr": "inside@y"}}]))
        assert read(path, columns)[0][0]["payer_vpa"] == "inside@y"
        path.write_bytes(write([row | {"payer": {"addr": "inside@y"}, "payer.addr": "own@y"}]))
        assert read(path, columns)[0][0]["payer_vpa"] == "own@y"


def test_an_outer_value_that_is_not_there_has_nothing_inside(tmp_path: Path) -> None:
    columns = map_of({"payer_vpa": "p.q.addr"}, "m", PAYMENT)
    whole, empty = (
        {**row, "p": inside} for row, inside in zip(rows_of(2), ({"q": {"addr": "x@y"}}, None), strict=True)
    )
    for write in (as_lines, as_array, as_parquet):
        path = tmp_path / "a"
        path.write_bytes(write([whole, empty]))
        first, second = read(path, columns)[0]
        assert first["payer_vpa"] == "x@y"
        assert "payer_vpa" not in second


# Lines ------------------------------------------------------------------------------------------------------------


def test_a_header_may_be_longer_than_what_is_searched_for_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    names = [*HEAD, *(f"another column {number:05d}" for number in range(5_000))]
    path.write_text(f"{','.join(names)}\nx,{TIME},a@y,b@y,1\n")
    made, refused = read(path)
    assert (made[0]["transaction_id"], refused) == ("x", [])
    assert look(path).columns == names


@pytest.mark.slow
def test_a_line_without_an_end_is_refused_and_never_held(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv(rows_of(2)) + b"x" * (1 << 23))
    with pytest.raises(SourceError, match="a line of more than 4,194,304 characters, in row 3, which begins in line 4"):
        read(path)


def test_local_times_of_json_lines_are_read_in_the_zone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_lines([row | {"event_time": "2026-01-01T05:30:00"} for row in rows_of(1)]))
    assert read(path)[0][0]["event_time"] == "2026-01-01T05:30:00"
    assert read(path, ColumnMap(zone="Asia/Kolkata"))[0][0]["event_time"] == 1_767_225_600_000
