"""What is proposed for files of public shapes: for each column what it is taken for, or what is asked.

The files have 2,000 rows; how they are written is in tests/fixtures/shapes.py.
"""

from __future__ import annotations

import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from files.look import look
from tests.fixtures.shapes import SHAPES, write_shape
from upifraud.proposal.map_text import map_text
from upifraud.proposal.propose import propose
from upifraud.proposal.sample import sample_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from upifraud.proposal.proposal import Proposal

FILES = Path(__file__).parents[1] / "fixtures/files"
UNUSED = ""
EPOCH = datetime.fromisoformat("2024-01-01T00:00:00+05:30")

# For each shape: what each column becomes part of. A column that no line reads is UNUSED.
COLUMNS: dict[str, dict[str, str]] = {
    "student-upi": {
        "transaction_id": "transaction_id",
        "user_id": UNUSED,
        "sender_upi": "payer_vpa",
        "receiver_upi": "payee_vpa",
        "amount": "amount_paise",
        "timestamp": "event_time",
        "device_id": "device_id",
        "label": "outcome",
    },
    "student-inr": {
        "Transaction ID": "transaction_id",
        "Timestamp": "event_time",
        "Sender Name": UNUSED,
        "Sender UPI ID": "payer_vpa",
        "Receiver Name": UNUSED,
        "Receiver UPI ID": "payee_vpa",
        "Amount (INR)": "amount_paise",
        "Status": "status",
        "Fraud Label": "outcome",
    },
    "paysim": {
        "step": "event_time transaction_id",
        "type": UNUSED,
        "amount": "amount_paise transaction_id",
        "nameOrig": "payer_vpa transaction_id",
        "oldbalanceOrg": UNUSED,
        "newbalanceOrig": UNUSED,
        "nameDest": "payee_vpa transaction_id",
        "oldbalanceDest": UNUSED,
        "newbalanceDest": UNUSED,
        "isFraud": "outcome",
        "isFlaggedFraud": UNUSED,
    },
    "sparkov": {
        "": UNUSED,
        "trans_date_trans_time": "event_time",
        "cc_num": "payer_vpa",
        "merchant": "payee_vpa",
        "category": UNUSED,
        "amt": "amount_paise",
        "lat": UNUSED,
        "long": UNUSED,
        "trans_num": "transaction_id",
        "unix_time": UNUSED,
        "merch_lat": "latitude",
        "merch_long": "longitude",
        "is_fraud": "outcome",
    },
    "handbook": {
        "TRANSACTION_ID": "transaction_id",
        "TX_DATETIME": "event_time",
        "CUSTOMER_ID": "payer_vpa",
        "TERMINAL_ID": "payee_vpa",
        "TX_AMOUNT": "amount_paise",
        "TX_TIME_SECONDS": UNUSED,
        "TX_TIME_DAYS": UNUSED,
        "TX_FRAUD": "outcome",
        "TX_FRAUD_SCENARIO": "typology",
    },
    "ieee": {
        "TransactionID": "transaction_id",
        "isFraud": "outcome",
        "TransactionDT": "event_time",
        "TransactionAmt": "amount_paise",
        "ProductCD": UNUSED,
        "card1": "payer_vpa",
        "card2": UNUSED,
        "card4": UNUSED,
        "card6": UNUSED,
        "addr1": UNUSED,
        "dist1": UNUSED,
        "P_emaildomain": UNUSED,
        "R_emaildomain": UNUSED,
        "C1": UNUSED,
        "V1": UNUSED,
    },
    "tabformer": {
        "User": "payer_vpa transaction_id",
        "Card": UNUSED,
        "Year": "event_time transaction_id",
        "Month": "event_time transaction_id",
        "Day": "event_time transaction_id",
        "Time": "event_time transaction_id",
        "Amount": "amount_paise transaction_id",
        "Use Chip": UNUSED,
        "Merchant Name": "payee_vpa transaction_id",
        "Merchant City": UNUSED,
        "Merchant State": UNUSED,
        "Zip": UNUSED,
        "MCC": "mcc",
        "Errors?": UNUSED,
        "Is Fraud?": "outcome",
    },
    "bank-extract": {
        "Txn Date": "event_time",
        "Txn Time": "event_time",
        "Value Date": UNUSED,
        "Reference No": "transaction_id",
        "Remitter Account": "payer_vpa",
        "Beneficiary Account": "payee_vpa",
        "Amount": "amount_paise",
        "Dr/Cr": UNUSED,
        "Remitter IFSC": "payer_ifsc",
        "Narration": UNUSED,
        "Fraud (Y/N)": "outcome",
    },
    "german": {
        "Buchungstag": "event_time",
        "Auftraggeber IBAN": "payer_vpa",
        "Empfänger": "payee_vpa",
        "Verwendungszweck": UNUSED,
        "Betrag": "amount_paise",
        "Währung": UNUSED,
        "Referenz": "transaction_id",
        "Betrug": "outcome",
    },
    "nested": {
        "Txn.id": "transaction_id",
        "Txn.ts": "event_time",
        "Txn.type": "type",
        "Payer.addr": "payer_vpa",
        "Payer.name": UNUSED,
        "Payer.Device.id": "device_id",
        "Payee.addr": "payee_vpa",
        "Payee.code": "mcc",
        "Amount.value": "amount_paise",
        "Amount.curr": UNUSED,
        "fraud": "outcome",
    },
    "own": {
        "transaction_id": "transaction_id",
        "event_time": "event_time",
        "payer_vpa": "payer_vpa",
        "payee_vpa": "payee_vpa",
        "amount_paise": "amount_paise",
        "is_fraud": "outcome",
    },
}

# For each shape: the lines that say more than a column's name, and those of the whole file.
LINES: dict[str, dict[str, Any]] = {
    "student-upi": {
        "zone": "Asia/Kolkata",
        "amount_paise": {"column": "amount", "unit": "rupees"},
        "outcome": {"column": "label", "fraud": ["1"], "genuine": ["0"]},
    },
    "student-inr": {
        "zone": "Asia/Kolkata",
        "amount_paise": {"column": "Amount (INR)", "unit": "rupees"},
        "outcome": {"column": "Fraud Label", "fraud": ["Fraudulent"], "genuine": ["Genuine"]},
    },
    "paysim": {
        "transaction_id": {"hash_of": ["step", "nameOrig", "nameDest", "amount"]},
        "event_time": {"column": "step", "epoch": EPOCH, "step": "1h"},
        "payer_vpa": {"column": "nameOrig", "handle": "party"},
        "payee_vpa": {"column": "nameDest", "handle": "party"},
        "amount_paise": {"column": "amount", "unit": "rupees"},
        "outcome": {"column": "isFraud", "fraud": ["1"], "genuine": ["0"]},
    },
    "sparkov": {
        "zone": "+00:00",
        "payer_vpa": {"column": "cc_num", "handle": "ccnum"},
        "payee_vpa": {"column": "merchant", "handle": "merchant"},
        "amount_paise": {"column": "amt", "unit": "rupees"},
        "outcome": {"column": "is_fraud", "fraud": ["1"], "genuine": ["0"]},
    },
    "handbook": {
        "zone": "?",
        "payer_vpa": {"column": "CUSTOMER_ID", "handle": "customerid"},
        "payee_vpa": {"column": "TERMINAL_ID", "handle": "terminalid"},
        "amount_paise": {"column": "TX_AMOUNT", "unit": "rupees"},
        "outcome": {"column": "TX_FRAUD", "fraud": ["1"], "genuine": ["0"]},
    },
    "ieee": {
        "event_time": {"column": "TransactionDT", "epoch": EPOCH, "step": "1s"},
        "payer_vpa": {"column": "card1", "handle": "card1"},
        "payee_vpa": "?",
        "amount_paise": {"column": "TransactionAmt", "unit": "rupees"},
        "outcome": {"column": "isFraud", "fraud": ["1"], "genuine": ["0"]},
    },
    "tabformer": {
        "zone": "?",
        "transaction_id": {"hash_of": ["Year", "Month", "Day", "Time", "User", "Merchant Name", "Amount"]},
        "event_time": {"columns": ["Year", "Month", "Day", "Time"], "format": "%Y %m %d %H:%M"},
        "payer_vpa": {"column": "User", "handle": "user"},
        "payee_vpa": {"column": "Merchant Name", "handle": "merchantname"},
        "amount_paise": {"column": "Amount", "unit": "rupees"},
        "outcome": {"column": "Is Fraud?", "fraud": ["Yes"], "genuine": ["No"]},
    },
    "bank-extract": {
        "zone": "Asia/Kolkata",
        "event_time": {"columns": ["Txn Date", "Txn Time"], "format": "%d/%m/%Y %H:%M:%S"},
        "payer_vpa": {"column": "Remitter Account", "handle": "party"},
        "payee_vpa": {"column": "Beneficiary Account", "handle": "party"},
        "amount_paise": {"column": "Amount", "unit": "rupees"},
        "outcome": {"column": "Fraud (Y/N)", "fraud": ["Y"], "genuine": ["N"]},
    },
    "german": {
        "zone": "Europe/Berlin",
        "encoding": "cp1252",
        "event_time": {"column": "Buchungstag", "format": "%d.%m.%Y %H:%M:%S"},
        "payer_vpa": {"column": "Auftraggeber IBAN", "handle": "party"},
        "payee_vpa": {"column": "Empfänger", "handle": "party"},
        "amount_paise": {"column": "Betrag", "unit": "rupees", "decimal": ",", "sign": "absolute"},
        "outcome": {"column": "Betrug", "fraud": ["ja"], "genuine": ["nein"]},
    },
    "nested": {
        "amount_paise": {"column": "Amount.value", "unit": "rupees"},
        "outcome": {"column": "fraud", "fraud": ["true"], "genuine": ["false"]},
    },
    "own": {"outcome": {"column": "is_fraud", "fraud": ["true"], "genuine": ["false"]}},
}
DELAY = {"after": "event_time", "delay": "7d"}

# What only a person knows.
ASKED = {"handbook": ["zone"], "tabformer": ["zone"], "ieee": ["payee_vpa"]}


@pytest.fixture(scope="module")
def proposals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Proposal]:
    """What is proposed for a shape, each once."""
    directory = tmp_path_factory.mktemp("shapes")
    return cache(lambda shape: propose(sample_of(look(write_shape(shape, directory, 2_000), rows=2_000))))


def columns_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        parts = [value.get("column", []), value.get("columns", []), value.get("hash_of", [])]
        return [name for part in parts for name in ([part] if isinstance(part, str) else part)]
    return []


@pytest.mark.parametrize("shape", SHAPES)
def test_each_column_is_taken_for_what_it_is(proposals: Callable[[str], Proposal], shape: str) -> None:
    proposal = proposals(shape)
    taken: dict[str, set[str]] = {name: set() for name in COLUMNS[shape]}
    for target, line in proposal.lines.items():
        if target in {"zone", "encoding", "separator", "earliest"}:
            continue
        for name in columns_of(line.value):
            taken.setdefault(name, set()).add(target)
    taken.pop("?", None)
    assert taken == {name: set(targets.split()) for name, targets in COLUMNS[shape].items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_lines_say_units_handles_zones_and_labels(proposals: Callable[[str], Proposal], shape: str) -> None:
    proposal = proposals(shape)
    tables = {
        target: value
        for target, value in proposal.tables().items()
        if not isinstance(value, str) or target in LINES[shape]
    }
    assert tables == LINES[shape] | {"reported_at": DELAY}
    assert [question.target for question in proposal.questions] == ASKED.get(shape, [])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_map_is_toml_and_says_why_for_each_line(proposals: Callable[[str], Proposal], shape: str) -> None:
    proposal = proposals(shape)
    text = map_text(proposal, "a file")
    assert tomllib.loads(text) == proposal.tables()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith(("#", "[")):
            assert lines[number - 1].startswith("#"), line
