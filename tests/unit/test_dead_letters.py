"""A dead letter carries the original whole, and gives it back whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.decode import Rejection
from stream.sinks import dead_letters
from stream.sinks.dead_letters import DeadLetter, NotADeadLetterError
from stream.wire import RejectionReason

REJECTION = Rejection(0, RejectionReason.BAD_VPA, "payer_vpa: expected one @ — exactly")
OURS = [
    ("reason", b"bad-vpa"),
    ("detail", "payer_vpa: expected one @ — exactly".encode()),
    ("source-topic", b"transactions"),
    ("source-partition", b"3"),
    ("source-offset", b"12345678901"),
]


class Record:
    """As much of a consumed record as a dead letter is made of."""

    def __init__(self, value: bytes | None, headers: list[tuple[str, bytes | None]] | None, key: bytes | None) -> None:
        self._value, self._headers, self._key = value, headers, key

    def topic(self) -> str:
        return "transactions"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 12_345_678_901

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self._headers

    def key(self) -> bytes | None:
        return self._key


def letter(value: bytes | None = b"\xff", headers: Any = None, key: bytes | None = b"k") -> DeadLetter:
    return dead_letters.of(Record(value, headers, key), REJECTION)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("trace", b"\x00\xff"), ("trace", b"again"), ("empty", None)],
        [("reason", b"the producer's own"), ("detail", None)],
        [("value-omitted", b"the producer's own")],
        OURS,
        [*OURS, ("value-omitted", b"5")],
    ],
)
def test_the_original_is_whole_and_comes_back_whole(headers: Any) -> None:
    made = letter(b"\x00original", headers, b"\xffkey")
    assert (made.topic, made.key, made.value) == ("transactions.dead-letter", b"\xffkey", b"\x00original")
    assert made.headers == [*(headers or []), *OURS]
    original, ours = dead_letters.read_headers(made.headers)
    assert original == (headers or [])
    assert ours.reason == RejectionReason.BAD_VPA
    assert (ours.source_topic, ours.source_partition, ours.source_offset) == ("transactions", "3", "12345678901")
    assert ours.value_omitted is msgspec.UNSET


def test_a_tombstone_stays_a_tombstone() -> None:
    assert letter(None, None, None).value is None
    assert letter(None, None, None).key is None


def test_what_the_broker_refuses_says_where_the_original_is() -> None:
    small = letter(b"x" * 2_000_000, [("trace", b"t")]).without_value()
    assert small.value == b""
    assert small.key == b"k"
    assert small.headers == [("trace", b"t"), *OURS, ("value-omitted", b"2000000")]
    original, ours = dead_letters.read_headers(small.headers)
    assert original == [("trace", b"t")]
    assert ours.value_omitted == "2000000"


@pytest.mark.parametrize(
    ("headers", "key"), [([("big", b"x" * 900_000)], b"k"), ([("many", b"x")] * 20_000, b"k"), ([], b"k" * 900_000)]
)
def test_headers_or_a_key_that_are_too_large_go_with_the_value(headers: Any, key: bytes) -> None:
    """Otherwise such a record could neither be processed nor buried, and would stop its partition for ever."""
    small = letter(b"x", headers, key).without_value()
    assert small.key is None
    assert small.headers == [*OURS, ("value-omitted", b"1")]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("reason", b"bad-vpa")],
        OURS[::-1],
        [*OURS, ("later", b"x")],
        [("reason", b"no such reason"), *OURS[1:]],
        [*OURS[:4], ("source-offset", b"twelve")],
        [*OURS[:4], ("source-offset", None)],
    ],
)
def test_other_records_on_the_topic_are_told_apart(headers: Any) -> None:
    with pytest.raises(NotADeadLetterError):
        dead_letters.read_headers(headers)
