"""Decoding takes a bounded number of steps a byte, whatever the bytes: whoever may write to a topic chooses them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.hostile_values import FIELDS, HOSTILE, Hostile, members
from tests.fixtures.decode_steps import Backtracking, StepCounter, step_counter

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = ("transactions", "outcomes")
SHORT = 1_200
STEPS_A_BYTE = 40
"""Most that any value took when this was written is 25; a quadratic one takes thousands."""
STEPS_A_RECORD = 4_000
"""What is done once a record or once a micro-batch."""
NESTED = b"[" * 257

ATOMS = [
    b'"', b"\\", rb"\"", rb"\\", b"[", b"]", b"{", b"}", b",", b":", b" ", b"\n", b"0", b"9", b".", b"-", b"+", b"e9",
    rb"\ud800", rb"\ude00", rb"\ud83d\ude00", rb"\u00e9", rb"\u", rb"\uZZ", b"x", b"@", b"T", b"Z", b"null", b'"":0,',
    b"0,", b'"",', b"[],", "é".encode(), "\U0001f600".encode(), b"\x00", b"\x7f",
]  # fmt: skip
BEGINNINGS = [
    b"", b'"', b"{", b"[", NESTED, NESTED + b'"', members() + b'"x":', members() + b'"x":"', members() + b'"x":[',
    members() + NESTED + b'"', members() + b'"latitude":0.', members() + b'"device_bound_at":"2025-01-01T00:00:00.',
    members() + b'"rrn":"', members() + b'"device_id":"',
    *(members(name) + b'"%s":' % name for name in FIELDS),
    *(members(name) + b'"%s":"' % name for name in FIELDS),
]  # fmt: skip
ENDS = [b"", b'"', b'"}', b"}", b"]}", b"0]}", b'Z"}', b'@b"}', b'"x":1}', b"X"]


@pytest.fixture(scope="module")
def counter() -> Iterator[StepCounter]:
    with step_counter() as counter:
        yield counter


def assert_linear(counter: StepCounter, topic: str, hostile: Hostile) -> None:
    values = [hostile.of(SHORT * times) for times in (1, 2, 4, 8)]
    steps = [counter.steps(topic, value) for value in values]
    for value, taken in zip(values, steps, strict=True):
        assert taken <= STEPS_A_RECORD + STEPS_A_BYTE * len(value), "more steps a byte than any value may take"
    grown = [more - fewer for fewer, more in pairwise(steps)]
    # From some length on one more pass may be needed (brackets are counted beyond 256), so one leap is allowed.
    assert any(later <= 3 * before + STEPS_A_RECORD for before, later in pairwise(grown)), f"steps grow as {steps}"


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_hostile_value_takes_twice_the_steps(counter: StepCounter, topic: str, kind: str) -> None:
    assert_linear(counter, topic, HOSTILE[kind])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(TOPICS),
    st.sampled_from(BEGINNINGS),
    st.lists(st.sampled_from(ATOMS), min_size=1, max_size=4).map(b"".join),
    st.sampled_from(ENDS),
)
@pytest.mark.slow
def test_no_repetition_takes_steps_that_grow_faster_than_the_value(
    counter: StepCounter, topic: str, beginning: bytes, unit: bytes, end: bytes
) -> None:
    assert_linear(counter, topic, Hostile(beginning, unit, end))


def steps_of(pattern: bytes, text: bytes) -> int:
    counted = Backtracking(re.compile(pattern, re.DOTALL))
    counted.run(text, everywhere=True)
    return counted.steps


def test_the_count_tells_a_quadratic_expression_from_a_linear_one() -> None:
    """The first one was ours: from each quote of an open string on it tried the rest of the record."""
    quadratic, linear = rb'"(?:[^"\\]|\\.)*"', rb'"(?:[^"\\]|\\.)*+"?'
    short, long = b'"' + b'\\"' * 30, b'"' + b'\\"' * 60
    assert steps_of(quadratic, long) > 3 * steps_of(quadratic, short)
    assert steps_of(linear, long) < 2.1 * steps_of(linear, short)
