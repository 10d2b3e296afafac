"""What is no payment: every kind of malformed record with its reason, and none takes its neighbours with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from features.identity import Identities
from stream.decode import decode_payments
from stream.wire import MAX_NESTING, MAX_VALUE_BYTES, RejectionReason

NOW = 1_764_000_000_000
IDENTITIES = Identities(bytes(16))
MISSING = object()
GOOD = {
    "transaction_id": "T1",
    "event_time": NOW,
    "payer_vpa": "asha@okaxis",
    "payee_vpa": "shop@ybl",
    "amount_paise": 100,
}


def record(**changed: Any) -> bytes:
    fields = {**GOOD, **changed}
    return json.dumps({name: value for name, value in fields.items() if value is not MISSING}).encode()


def replaced(old: str, new: bytes) -> bytes:
    """Change the JSON text itself, for what json.dumps would not write."""
    text = record()
    assert old.encode() in text
    return text.replace(old.encode(), new, 1)


MALFORMED: dict[str, list[tuple[str, bytes | None]]] = {
    "null-value": [("tombstone", None)],
    "too-large": [
        ("one byte more than 64 KiB", record() + b" " * (MAX_VALUE_BYTES + 1 - len(record()))),
        ("garbage of a megabyte", b"\x00" * 2**20),
    ],
    "not-json": [
        ("empty", b""),
        ("white space", b" \n"),
        ("a word", b"hello"),
        ("truncated", record()[:-1]),
        ("truncated in a string", record()[:30]),
        ("trailing characters", record() + b"}"),
        ("two objects", record() + record()),
        ("trailing comma", record()[:-1] + b",}"),
        ("single quotes", record().replace(b'"', b"'")),
        ("no quotes around a name", replaced('"amount_paise"', b"amount_paise")),
        ("comment", record() + b" // no"),
        ("byte order mark", b"\xef\xbb\xbf" + record()),
        ("UTF-16", record().decode().encode("utf-16")),
        ("invalid UTF-8 in an id", replaced("T1", b"T\xff")),
        ("invalid UTF-8 in an extra field", replaced("{", b'{"x":"\xc3\x28",')),
        ("surrogate in UTF-8", replaced("{", b'{"x":"\xed\xa0\x80",')),
        ("overlong UTF-8", replaced("{", b'{"x":"\xc0\xaf",')),
        ("NaN", replaced(" 100", b" NaN")),
        ("Infinity in an extra field", replaced("{", b'{"x":Infinity,')),
        ("leading zero", replaced(" 100", b" 0100")),
        ("plus sign", replaced(" 100", b" +100")),
        ("hexadecimal", replaced(" 100", b" 0x64")),
        ("no digit after the point", replaced(" 100", b" 100.")),
        ("control character in a string", replaced("T1", b"T\x01")),
        ("raw newline in a string", replaced("T1", b"T\n1")),
        ("bad escape", replaced("T1", rb"T\x31")),
        ("short unicode escape", replaced("T1", rb"T\u31")),
        ("bad literal in an extra field", replaced("{", b'{"x":tru,')),
        ("NUL after the object", record() + b"\x00"),
        ("open brackets", b"[" * 60_000),
        ("nested too deep", replaced("{", b'{"x":' + b"[" * MAX_NESTING + b"]" * MAX_NESTING + b",")),
        ("Avro with a schema id", b"\x00\x00\x00\x00\x07\x04T1\x00"),
    ],
    "not-an-object": [
        ("array of a payment", b"[" + record() + b"]"),
        ("string", b'"T1"'),
        ("number", b"100"),
        ("true", b"true"),
        ("null as JSON", b"null"),
        ("payment as JSON in a string", json.dumps(record().decode()).encode()),
    ],
    "missing-field": [
        ("empty object", b"{}"),
        *[(f"no {name}", record(**{name: MISSING})) for name in GOOD],
        ("name in capitals", replaced('"amount_paise"', b'"AMOUNT_PAISE"')),
        ("missing counts before the rest", record(payer_vpa=MISSING, amount_paise="x")),
    ],
    "wrong-type": [
        *[(f"{name} null", record(**{name: None})) for name in GOOD],
        *[(f"{name} true", record(**{name: True})) for name in GOOD],
        *[(f"{name} an object", record(**{name: {}})) for name in GOOD],
        ("id a number", record(transaction_id=1)),
        ("payer an array", record(payer_vpa=["asha@okaxis"])),
        ("amount as string", record(amount_paise="100")),
        ("amount 100.0", replaced(" 100", b" 100.0")),
        ("amount 1e2", replaced(" 100", b" 1e2")),
        ("amount 100.5", record(amount_paise=100.5)),
        ("amount beyond any float", replaced(" 100", b" 1e999")),
        ("time with a fraction", record(event_time=NOW + 0.5)),
    ],
    "out-of-range": [
        ("amount 0", record(amount_paise=0)),
        ("amount -0", replaced(" 100", b" -0")),
        ("amount negative", record(amount_paise=-100)),
        ("amount 10^10 + 1", record(amount_paise=10**10 + 1)),
        ("amount 2^63", record(amount_paise=2**63)),
        ("amount 2^64 + 100", record(amount_paise=2**64 + 100)),
        ("amount of 5000 digits", replaced(" 100", b" " + b"1" * 5000)),
        ("id empty", record(transaction_id="")),
        ("id of 65 characters", record(transaction_id="x" * 65)),
        ("id of 65 characters that are not ASCII", record(transaction_id="é" * 65)),
        ("id with a tab", record(transaction_id="T\t1")),
        ("id with U+0000", record(transaction_id="T\x00")),
        ("id with DEL", replaced("T1", b"T\x7f")),
        ("id with DEL, escaped", replaced("T1", rb"T\u007f")),
        ("id with a no-break space", record(transaction_id="T\xa01")),
        ("id with a zero-width space", record(transaction_id="T\u200b1")),
        ("id with half a surrogate pair", replaced("T1", rb"T\ud83d")),
        ("id with the other half", replaced("T1", rb"T\ude00\ud83d")),
        ("time before 1970", record(event_time=-1)),
        ("time in seconds", record(event_time=NOW // 1000)),
        ("time in hours", record(event_time=NOW // 3_600_000)),
        ("the last time before 2015", record(event_time=1_420_070_399_999)),
        ("RFC 3339 before 2015", record(event_time="2014-12-31T23:59:59.999Z")),
        ("time long before 1970", record(event_time=-(10**30))),
        ("RFC 3339 before 1970", record(event_time="1969-12-31T23:59:59.999Z")),
        ("RFC 3339 in the year 0", record(event_time="0000-02-29T00:00:00Z")),
    ],
    "bad-vpa": [
        ("payer_vpa with DEL", replaced("asha", b"as\x7fha")),
        ("payee_vpa with a raw no-break space", replaced("shop", "sh\xa0op".encode())),
        *[
            (f"{name} {kind}", record(**{name: vpa}))
            for name in ("payer_vpa", "payee_vpa")
            for kind, vpa in {
                "empty": "",
                "of two characters": "a@",
                "of 256 characters": "a" * 254 + "@b",
                "with nothing before the @": "@okaxis",
                "with nothing after the @": "asha.rao@",
                "with a zero-width space": "as\u200bha@okaxis",
                "with a zero-width joiner": "राम\u200d@okaxis",
                "written from right to left": "\u202esixako@ahsa",
                "with a soft hyphen": "asha@ok\u00adaxis",
                "with a tag character": "asha@okaxis\U000e0041",
                "without @": "asha.okaxis",
                "with two @": "asha@ok@axis",
                "with a blank": "asha @okaxis",
                "with a blank at the end": "asha@okaxis ",
                "with a newline": "asha@okaxis\n",
                "with a no-break space": "asha\xa0rao@okaxis",
                "with an ideographic space": "asha\u3000rao@okaxis",
                "with a line separator": "asha @okaxis",
                "with U+0000": "asha\x00@okaxis",
                "with an escape character": "asha\x1b@okaxis",
                "with half a surrogate pair": "asha\ud83d@okaxis",
                "with a full-width @ only": "asha\uff20okaxis",
            }.items()
        ],
    ],
    "bad-time": [
        (f"time {text!r}", record(event_time=text))
        for text in (
            "",
            "now",
            str(NOW),
            "2025-11-24",
            "2025-11-24T16:00:00",
            "2025-11-24 16:00:00Z",
            "2025-11-24T16:00Z",
            "20251124T160000Z",
            "2025-11-24T16:00:00+0530",
            "2025-11-24T16:00:00+05",
            "2025-11-24T16:00:00.Z",
            "2025-11-24T16:00:00,5Z",
            "2025-11-24T24:00:00Z",
            "2025-11-24T16:60:00Z",
            "2025-11-24T16:00:61Z",
            "2025-11-24T16:00:60Z",
            "2025-11-24T16:00:00+24:00",
            "2025-11-24T16:00:00+05:60",
            "2025-02-29T16:00:00Z",
            "2025-13-01T16:00:00Z",
            "2025-00-01T16:00:00Z",
            "2025-01-00T16:00:00Z",
            "2025-04-31T16:00:00Z",
            "2025-06-31T16:00:00Z",
            "2025-09-31T16:00:00Z",
            "2025-11-31T16:00:00Z",
            "2025-12-32T16:00:00Z",
            "+2025-01-01T16:00:00Z",
            " 2025-01-01T16:00:00Z",
            "2025-01-01T16:00:00Z\n",
            "\uff12\uff10\uff12\uff15-01-01T16:00:00Z",
            "2025-01-01T16:00:00\ud83dZ",
        )
    ],
    "time-in-future": [
        ("an hour and a millisecond ahead", record(event_time=NOW + 3_600_001)),
        ("microseconds", record(event_time=NOW * 1000)),
        ("beyond 64 bits", record(event_time=10**30)),
        ("of 5000 digits", replaced(str(NOW), b"9" * 5000)),
        ("the year 9999", record(event_time="9999-12-31T23:59:59-23:59")),
        (
            "a duplicate name, the last one counts",
            replaced("{", b'{"event_time":1,')[:-1] + b',"event_time":%d}' % 10**15,
        ),
    ],
}
CASES = [
    pytest.param(RejectionReason(reason), value, id=f"{reason}: {kind}")
    for reason, kinds in MALFORMED.items()
    for kind, value in kinds
]


@pytest.mark.parametrize(("reason", "value"), CASES)
def test_a_malformed_record_is_rejected_with_its_reason_and_its_neighbours_are_not(
    reason: RejectionReason, value: bytes | None
) -> None:
    decoded = decode_payments([record(transaction_id="before"), value, record(transaction_id="after")], NOW, IDENTITIES)
    assert [(rejection.index, rejection.reason) for rejection in decoded.rejections] == [(1, reason)]
    assert decoded.transaction_id == [b"before", b"after"]
    assert decoded.rows.tolist() == [0, 2]


def test_every_reason_that_decoding_can_give_is_in_the_table() -> None:
    assert set(MALFORMED) == set(RejectionReason) - {RejectionReason.CONFLICTING_DUPLICATE}


@pytest.mark.parametrize(("reason", "value"), CASES)
def test_a_detail_tells_nothing_of_what_came(reason: RejectionReason, value: bytes | None) -> None:
    """A VPA, a device id or a transaction id is personal data; a dead letter's headers are read by more people."""
    secret = "s3cr3t" * 3
    spoiled = None if value is None else value.replace(b"asha", secret.encode()).replace(b"T1", secret.encode())
    for rejection in decode_payments([spoiled], NOW, IDENTITIES).rejections:
        assert "s3cr" not in rejection.detail
        assert rejection.detail.isprintable()
