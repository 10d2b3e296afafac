"""The published schemas are what the types say, and agree with what the decoder does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from features.identity import Identities
from simulator.malformed import KINDS, make_malformed
from stream.decode import decode_outcomes, decode_payments
from stream.schemas import examples
from stream.schemas.__main__ import HERE, main
from stream.schemas.documents import documents
from stream.wire import encode_alert

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_764_000_000_000
IDENTITIES = Identities(bytes(16))
EXAMPLES = {
    "payment": examples.PAYMENT,
    "outcome": examples.OUTCOME,
    "alert": examples.ALERT,
    "dead-letter-headers": examples.DEAD_LETTER,
}
REQUIRED = {"transaction_id": "T", "event_time": NOW, "payer_vpa": "a@b", "payee_vpa": "c@d", "amount_paise": 1}


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(documents()[f"{name}.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_documents_are_what_the_types_say() -> None:
    assert main(["--check"]) == 0
    assert {path.name for path in HERE.glob("*.json")} == set(documents())


def test_check_finds_what_is_changed_missing_or_left_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "alert.schema.json").write_text("{}")
    (tmp_path / "payment.schema.json").unlink()
    (tmp_path / "old.schema.json").write_text("{}")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert all(f"{name}.schema.json" in said for name in ("alert", "payment", "old"))
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_every_message_is_valid(name: str) -> None:
    validator(name).validate(json.loads(msgspec.json.encode(EXAMPLES[name])))


def test_the_example_payment_and_outcome_are_accepted_with_nothing_unknown() -> None:
    payment = decode_payments([msgspec.json.encode(examples.PAYMENT)], NOW, IDENTITIES)
    assert (payment.rejections, payment.unusable_optional) == ([], {})
    outcome = decode_outcomes([msgspec.json.encode(examples.OUTCOME)])
    assert (outcome.rejections, outcome.unusable_optional) == ([], {})


def test_an_alert_as_it_is_sent_is_valid() -> None:
    validator("alert").validate(json.loads(encode_alert(examples.ALERT)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_the_decoder_rejects_is_not_valid_either(kind: Any) -> None:
    """But for what a schema cannot say: the clock, the earliest time (a setting), the size, and 100.0.

    JSON Schema takes 100.0 for an integer.
    """
    value = make_malformed(kind, json.dumps(REQUIRED).encode(), "T")
    (rejection,) = decode_payments([value], NOW, IDENTITIES).rejections
    assert rejection.reason == kind.reason
    if kind.reason in ("time-in-future", "too-large", "null-value", "not-json"):
        return
    if kind.name in ("amount-float", "amount-exponent", "time-month-13", "time-seconds"):
        return
    with pytest.raises(jsonschema.ValidationError):
        validator("payment").validate(json.loads(value or b""))


VALID: list[dict[str, Any]] = [
    {},
    {"event_time": "2025-11-24T16:00:00Z"},
    {"event_time": "2025-11-24t10:00:00.123456789-05:30"},
    {"payer_vpa": "राम@ybl", "transaction_id": "é" * 64},
    {"mcc": 5411, "rrn": 532818274655, "latitude": -90, "longitude": 180.0},
    dict.fromkeys(set(examples.PAYMENT.__struct_fields__) - set(REQUIRED)),
    {"extra": {"anything": [1, 2]}},
]
ODD: list[dict[str, Any]] = [
    {"flow": "p2p"},
    {"mcc": "54"},
    {"rrn": ""},
    {"device_bound_at": "yesterday"},
    {"latitude": 91},
    {"payer_bank": 7},
    {"status": "PENDING"},
    {"device_id": "a\u0000"},
]


@pytest.mark.parametrize("optional", VALID)
def test_what_is_valid_is_accepted_with_nothing_unknown(optional: dict[str, Any]) -> None:
    record = {**REQUIRED, **optional}
    validator("payment").validate(record)
    decoded = decode_payments([json.dumps(record).encode()], NOW, IDENTITIES)
    assert (decoded.rejections, decoded.unusable_optional) == ([], {})


@pytest.mark.parametrize("optional", ODD)
def test_what_counts_as_unknown_is_not_valid_but_accepted(optional: dict[str, Any]) -> None:
    record = {**REQUIRED, **optional}
    assert not validator("payment").is_valid(record)
    decoded = decode_payments([json.dumps(record).encode()], NOW, IDENTITIES)
    assert (decoded.rejections, decoded.unusable_optional) == ([], dict.fromkeys(optional, 1))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for below in node.values():
            yield from references(below)
    elif isinstance(node, list):
        for below in node:
            yield from references(below)


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads(documents()["asyncapi.json"])
    found = list(references(document))
    assert found
    for reference in found:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_asyncapi_document_names_every_topic() -> None:
    document = json.loads(documents()["asyncapi.json"])
    assert {channel["address"] for channel in document["channels"].values()} == {
        "transactions", "outcomes", "alerts", "resolutions", "transactions.dead-letter", "outcomes.dead-letter",
    }  # fmt: skip
    assert {operation["channel"]["$ref"] for operation in document["operations"].values()} == {
        f"#/channels/{name}" for name in document["channels"]
    }
