"""Files as strangers wrote them: for each, what comes out of it, or which row is refused and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from files.column_map import ColumnMap, map_of
from files.errors import SourceError
from files.source import Refused, Source
from history.message_fields import OUTCOME, PAYMENT
from stream.decode import decode_outcomes

FILES = Path(__file__).parents[1] / "fixtures/files"
YEAR = "2026-01-01T00:00:00+05:30"
PARTIES = {"payer_vpa": "payer1@bank", "payee_vpa": "shop1@bank"}


def plain(transaction_id: str, event_time: object, amount_paise: object, **more: object) -> dict[str, Any]:
    return {"transaction_id": transaction_id, "event_time": event_time, **PARTIES, "amount_paise": amount_paise, **more}


class Case(NamedTuple):
    file: str
    columns: dict[str, Any]
    made: list[dict[str, Any]]
    refused: list[tuple[int, str, str]] = []  # noqa: RUF012  # a default of a NamedTuple is never changed
    """Row, reason, and a part of what is said."""


RENAMED = {"transaction_id": "id", "event_time": "when", "payer_vpa": "from", "payee_vpa": "to"}
RUPEES = {"column": "rupees", "unit": "rupees"}
PAYSIM = {
    "transaction_id": {"hash_of": ["step", "type", "amount", "nameOrig", "nameDest"]},
    "event_time": {"column": "step", "epoch": 1_767_205_800_000, "step": "1h"},
    "payer_vpa": {"column": "nameOrig", "handle": "paysim"},
    "payee_vpa": {"column": "nameDest", "handle": "paysim"},
    "amount_paise": {"column": "amount", "unit": "rupees"},
    "outcome": {"column": "isFraud", "fraud": [1], "genuine": [0]},
    "reported_at": {"after": "event_time", "delay": "7d"},
}
SPARKOV = {
    "transaction_id": "trans_num",
    "event_time": {"column": "unix_time", "epoch": 0, "step": "1s"},
    "payer_vpa": {"column": "cc_num", "handle": "cards"},
    "payee_vpa": {"column": "merchant", "handle": "shops"},
    "amount_paise": {"column": "amt", "unit": "rupees"},
    "outcome": {"column": "is_fraud", "fraud": [1], "genuine": [0]},
    "reported_at": {"after": "event_time", "delay": "7d"},
}
STUDENT = {
    "zone": "Asia/Kolkata",
    "event_time": "timestamp",
    "payer_vpa": "sender_upi",
    "payee_vpa": "receiver_upi",
    "amount_paise": {"column": "amount", "unit": "rupees"},
    "outcome": {"column": "label", "fraud": [1], "genuine": [0]},
    "reported_at": {"after": "event_time", "delay": "7d"},
}
NOON = 1_767_200_000_000
CASES = [
    Case("csv-latin1.csv", {"encoding": "cp1252"}, [plain("l-1", NOON, 100)]),
    Case("csv-utf16.csv", {}, [plain("u-1", NOON, 100)]),
    Case(
        "csv-local-times.csv",
        {"zone": "Asia/Kolkata"},
        [
            plain("t-1", 1_767_210_780_000, 100),
            plain("t-2", 1_767_210_780_000, 100),
            # For the stream to refuse: bad-time, both.
            plain("t-3", "31/12/2025 23:59:59", 100),
            plain("t-4", "2026-01-01 10:00:00 AM", 100),
        ],
    ),
    Case(
        "csv-local-times.csv",
        {"zone": "Asia/Kolkata", "event_time": {"column": "event_time", "format": "%d/%m/%Y %H:%M:%S"}},
        [plain("t-3", 1_767_205_799_000, 100)],
        [
            (1, "bad-time", "event_time: expected a time as %d/%m/%Y %H:%M:%S, got '2026-01-01T01:23:00'"),
            (2, "bad-time", "got '2026-01-01 01:23:00'"),
            (4, "bad-time", "got '2026-01-01 10:00:00 AM'"),
        ],
    ),
    Case("csv-quoted-thousands.csv", RENAMED | {"amount_paise": RUPEES}, [plain("q-1", NOON, 123_450)]),
    Case(
        "csv-unquoted-thousands.csv",
        RENAMED | {"amount_paise": RUPEES},
        [],
        [(1, "too-many-cells", "line 2: expected at most 5 cells, as in the header, got 6")],
    ),
    Case("jsonl-bom.jsonl", {}, [plain("b-1", NOON, 100), plain("b-2", NOON, 100)]),
    Case("payments-integer-ids.parquet", {}, [plain(str(n), NOON + n * 60_000 - 60_000, 100 * n) for n in (1, 2, 3)]),
    Case(
        "payments-float-amounts.parquet",
        {"amount_paise": {"column": "amount_paise", "unit": "paise"}},
        [plain(f"p-{n}", NOON + n * 60_000 - 60_000, 100 * n) for n in (1, 2, 3)],
    ),
    Case(
        "payments-seconds.parquet",
        {"scale": {"event_time": 1_000}},
        [plain(f"p-{n}", NOON + n * 600_000 - 600_000, 100 * n) for n in (1, 2, 3)],
    ),
    Case(
        "shape-paysim.csv",
        PAYSIM,
        [
            {
                "event_time": 1_767_205_800_000 + step * 3_600_000,
                "payer_vpa": f"{payer}@paysim",
                "payee_vpa": f"{payee}@paysim",
                "amount_paise": amount,
                "type": kind,
            }
            for step, payer, payee, amount, kind in (
                (1, "c100000001", "m100000001", 12_055, "PAYMENT"),
                (2, "c100000002", "c100000003", 18_100, "TRANSFER"),
            )
        ],
    ),
    Case(
        "shape-sparkov.csv",
        SPARKOV,
        [
            {
                "transaction_id": "0001aaaa",
                "event_time": 1_371_816_865_000,
                "payer_vpa": "1111222233334444@cards",
                "payee_vpa": "shop,%20sons%20and%20co@shops",
                "amount_paise": 286,
            }
        ],
    ),
    Case(
        "shape-student-upi.csv",
        STUDENT,
        [
            {
                "transaction_id": f"TXN_{n}",
                "event_time": moment,
                "payer_vpa": f"payer{n}@bank",
                "payee_vpa": f"shop{n}@bank",
                "amount_paise": amount,
                "device_id": device,
            }
            for n, moment, amount, device in (
                (1, 1_767_210_780_000, 143_724, "DEV_A"),
                (2, 1_767_212_160_000, 1_736_670, "DEV_B"),
            )
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file} {len(case.columns)}")
def test_what_each_file_gives(case: Case) -> None:
    refused: list[Refused] = []
    columns = map_of(case.columns, "map", PAYMENT, OUTCOME)
    made = [json.loads(one.value) for one in Source(FILES / case.file, PAYMENT, columns).messages(refused.append)]
    if "hash_of" in str(case.columns):
        assert len({row.pop("transaction_id") for row in made}) == len(case.made)
    assert made == case.made
    assert [(one.row, one.reason) for one in refused] == [(row, reason) for row, reason, _ in case.refused]
    for one, (_, _, part) in zip(refused, case.refused, strict=True):
        assert part in one.detail


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("csv-latin1.csv", r'expected text in UTF-8, got bytes that are not \(line 2\); .*encoding = "cp1252"'),
        ("csv-unclosed-quote.csv", "quotes in pairs, .* in row 2, which begins in line 3"),
        ("csv-quoted-thousands.csv", r"expected a column transaction_id .*the columns are id, when, from, to, rupees"),
        ("outcomes-0-1-labels.parquet", "expected a column event_time"),
    ],
)
def test_what_each_file_is_refused_for(file: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        list(Source(FILES / file, PAYMENT).messages())


@pytest.mark.parametrize(
    ("file", "columns", "labels"),
    [
        ("shape-paysim.csv", PAYSIM, ["GENUINE", "FRAUD"]),
        ("shape-sparkov.csv", SPARKOV, ["GENUINE"]),
        ("shape-student-upi.csv", STUDENT, ["GENUINE", "FRAUD"]),
        (
            "outcomes-0-1-labels.parquet",
            {"outcome": {"column": "outcome", "fraud": 1, "genuine": 0}},
            ["FRAUD", "GENUINE"],
        ),
    ],
)
def test_labels_become_outcomes_that_the_stream_takes(file: str, columns: dict[str, Any], labels: list[str]) -> None:
    read = map_of(columns, "map", PAYMENT, OUTCOME)
    values = [message.value for message in Source(FILES / file, OUTCOME, read).messages()]
    decoded = decode_outcomes(values, earliest_ms=0)
    assert decoded.rejections == []
    assert [row.is_fraud for row in decoded.rows] == [label == "FRAUD" for label in labels]


def test_what_the_stream_refuses_is_said_in_words_of_the_file() -> None:
    source = Source(FILES / "payments-float-amounts.parquet", PAYMENT, ColumnMap(columns={"payee_vpa": "payer_vpa"}))
    first = next(source.messages())
    refused = source.explained(first, "wrong-type", "amount_paise: expected an integer without fraction or exponent")
    assert (refused.row, refused.column) == (1, "amount_paise")
    assert "fraction or exponent, got '100'; a map reads amounts" in refused.detail
    refused = source.explained(first, "bad-vpa", "payee_vpa: expected 3 to 255 characters")
    assert refused.detail.startswith("payee_vpa (column 'payer_vpa'): expected 3 to 255 characters, got 'pa…' (11 char")
    assert source.explained(first, "not-json", "expected JSON (RFC 8259): x").detail == "expected JSON (RFC 8259): x"
