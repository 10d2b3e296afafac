"""Every message obeys the interface, and Parquet says the same as JSON."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from simulator import codes
from simulator.encode import encode_outcomes, encode_payments
from simulator.history import write_history
from simulator.legs import UNGIVEN
from simulator.outcomes import Outcomes, outcomes_of
from simulator.parameters import Parameters
from simulator.payments import Payments
from simulator.span import HISTORY_END_MS, ending
from simulator.switch import Switch
from simulator.timeline import DAY_MS

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = Parameters(seed=21, payers=1_500, fraud_rate=0.02, genuine_rate=0.05)
REQUIRED = {"transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise"}
VPA = re.compile(r"[^@\s]+@[^@\s]+")


@cache
def traffic() -> tuple[Switch, Payments, Outcomes]:
    switch = Switch(PARAMETERS)
    payments = Payments.joined(list(switch.payments(HISTORY_END_MS - 6 * DAY_MS, HISTORY_END_MS)))
    return switch, payments, outcomes_of(payments, PARAMETERS.run_key, PARAMETERS.genuine_rate)


@cache
def messages() -> list[dict[str, Any]]:
    switch, payments, _ = traffic()
    return [json.loads(value) for value in encode_payments(payments, switch.directory)[1]]


def test_required_fields_are_always_there_and_right() -> None:
    for message in messages():
        assert message.keys() >= REQUIRED
        assert 1 <= len(message["transaction_id"]) <= 64
        assert message["transaction_id"].isprintable()
        assert type(message["event_time"]) is int
        assert HISTORY_END_MS - 6 * DAY_MS <= message["event_time"] < HISTORY_END_MS
        for name in ("payer_vpa", "payee_vpa"):
            assert 3 <= len(message[name]) <= 255
            assert VPA.fullmatch(message[name])
        assert type(message["amount_paise"]) is int
        assert 1 <= message["amount_paise"] <= 10**10


OPTIONAL = {
    "rrn": lambda v: re.fullmatch(r"\d{12}", v),
    "flow": lambda v: v in {"P2P", "P2M"},
    "type": lambda v: v in {"PAY", "COLLECT"},
    "initiation": lambda v: v in {"QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE"},
    "status": lambda v: v in {"INITIATED", "SUCCESS", "DECLINED", "REVERSED"},
    "mcc": lambda v: re.fullmatch(r"\d{4}", v),
    "device_id": lambda v: re.fullmatch(r"[0-9a-f]{16}", v),
    "device_bound_at": lambda v: type(v) is int and 0 < v < HISTORY_END_MS,
    "sim_changed_at": lambda v: type(v) is int and 0 < v < HISTORY_END_MS,
    "payer_bank": lambda v: re.fullmatch(r"[A-Z]{4}", v),
    "payee_bank": lambda v: re.fullmatch(r"[A-Z]{4}", v),
    "latitude": lambda v: type(v) is float and 6 < v < 38,
    "longitude": lambda v: type(v) is float and 68 < v < 98,
    "payer_app": lambda v: v.isalpha(),
    "remarks_hash": lambda v: re.fullmatch(r"[0-9a-f]{16}", v),
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_optional_fields_are_right_where_they_are(name: str) -> None:
    there = [message[name] for message in messages() if name in message]
    assert there
    assert all(OPTIONAL[name](value) for value in there)


def test_there_are_no_other_fields() -> None:
    assert set().union(*messages()) == REQUIRED | set(OPTIONAL)


def test_payments_are_keyed_by_payer_and_outcomes_by_transaction() -> None:
    switch, payments, outcomes = traffic()
    keys, values = encode_payments(payments, switch.directory)
    assert all(json.loads(value)["payer_vpa"].encode() == key for key, value in zip(keys, values, strict=True))
    keys, values = encode_outcomes(outcomes)
    assert all(json.loads(value)["transaction_id"].encode() == key for key, value in zip(keys, values, strict=True))


def test_outcomes_obey_the_interface() -> None:
    _, _, outcomes = traffic()
    ids = {message["transaction_id"] for message in messages()}
    names = set()
    for value in encode_outcomes(outcomes)[1]:
        outcome = json.loads(value)
        names |= outcome.keys()
        assert outcome["transaction_id"] in ids
        assert outcome["outcome"] in {"FRAUD", "GENUINE"}
        assert type(outcome["reported_at"]) is int
        assert outcome["source"] in codes.SOURCES[1:]
        assert outcome.get("typology", "impersonation") in codes.TYPOLOGIES[1:]
    assert names == {"transaction_id", "outcome", "reported_at", "typology", "source"}


def test_most_frauds_are_reported_some_never_and_some_corrected() -> None:
    _, payments, outcomes = traffic()
    fraud = {int(t) for t in payments.transaction[payments.typology > 0]}
    told: dict[int, list[int]] = {}
    for transaction, outcome in zip(outcomes.transaction.tolist(), outcomes.outcome.tolist(), strict=True):
        told.setdefault(transaction, []).append(outcome)
    reported = [t for t in fraud if codes.FRAUD in told.get(t, [])]
    assert 0.6 < len(reported) / len(fraud) < 0.95
    assert any(told[t] == [codes.GENUINE, codes.FRAUD] for t in reported), "a review closed too early"
    honest = {t: outs for t, outs in told.items() if t not in fraud}
    assert any(outs == [codes.FRAUD, codes.GENUINE] for outs in honest.values()), "a dispute withdrawn"
    assert sum(outs == [codes.GENUINE] for outs in honest.values()) / len(payments) == pytest.approx(0.05, rel=0.15)


def test_reports_come_hours_to_weeks_later_and_in_order() -> None:
    _, payments, outcomes = traffic()
    made_at = dict(zip(payments.transaction.tolist(), payments.event_time.tolist(), strict=True))
    delays = [
        at - made_at[t] for t, at in zip(outcomes.transaction.tolist(), outcomes.reported_at.tolist(), strict=True)
    ]
    assert min(delays) > 10 * 60_000
    assert DAY_MS / 6 < sorted(delays)[len(delays) // 2] < 5 * DAY_MS
    assert max(delays) > 7 * DAY_MS
    assert outcomes.reported_at.tolist() == sorted(outcomes.reported_at.tolist())


def test_what_becomes_of_a_payment_does_not_depend_on_the_run_it_is_in() -> None:
    _, payments, outcomes = traffic()
    half = len(payments) // 2
    parts = [
        outcomes_of(part, PARAMETERS.run_key, PARAMETERS.genuine_rate)
        for part in (payments.take(slice(0, half)), payments.take(slice(half, None)))
    ]
    joined = Outcomes.joined(parts).in_order()
    assert joined.transaction.tolist() == outcomes.transaction.tolist()
    assert joined.reported_at.tolist() == outcomes.reported_at.tolist()


def written(path: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path / f"{name}.parquet").to_pylist()
    return [{field: value for field, value in row.items() if value is not None} for row in rows]


def test_a_history_has_the_messages_fields_as_columns(tmp_path: Path) -> None:
    switch, payments, outcomes = traffic()
    span = ending(switch, HISTORY_END_MS, 3_000)
    done = write_history(switch, span, tmp_path)
    expected = messages()[-3_000:]
    assert written(tmp_path, "payments") == expected
    ids = {message["transaction_id"] for message in expected}
    reported = [json.loads(value) for value in encode_outcomes(outcomes)[1]]
    assert written(tmp_path, "outcomes") == [one for one in reported if one["transaction_id"] in ids]
    truth = written(tmp_path, "truth")
    assert [row["transaction_id"] for row in truth] == [row["transaction_id"] for row in expected]
    labels = [codes.TYPOLOGIES[code] for code in payments.typology[-3_000:].tolist()]
    assert [row["typology"] for row in truth] == labels
    assert done.payments == 3_000
    assert done.frauds == sum(label != "" for label in labels) > 0


def test_a_history_has_the_same_bytes_each_time_and_times_as_int64(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        switch = Switch(Parameters(seed=4, payers=300))
        write_history(switch, ending(switch, HISTORY_END_MS, 2_000), tmp_path / name)
        digests.append([hashlib.sha256(file.read_bytes()).digest() for file in sorted((tmp_path / name).iterdir())])
    assert digests[0] == digests[1]
    assert str(pq.read_schema(tmp_path / "one" / "payments.parquet").field("event_time").type) == "int64"


def test_payments_can_be_moved_in_time_with_all_that_belongs_to_them() -> None:
    _, payments, _ = traffic()
    moved = payments.retimed(payments.event_time * 0 + 5_000)
    known = payments.device_bound_at != UNGIVEN
    assert (moved.event_time - payments.event_time == 5_000).all()
    assert (moved.device_bound_at[known] - payments.device_bound_at[known] == 5_000).all()
    assert (moved.device_bound_at[~known] == UNGIVEN).all()
