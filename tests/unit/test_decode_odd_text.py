"""The compiled passes over odd text say what the plain definitions say, which may be slow."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.decode.odd_text import nests_deeper, without_half_pairs

STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
PAIR_HALF_OR_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half a pair
    rb"|\\.",
    re.DOTALL,
)
PIECES = [
    b"\\", b"u", b"\\u", rb"\ud83d", rb"\uDE00", rb"\udbFf", rb"\uDfff", rb"\ud83d\ude00", rb"\ue000", rb"\ud7ff",
    rb"\u00e9", rb"\n", rb"\"", rb"\\", b"d8", b"00", b'"', b"x", rb"\ud8", rb"\ud8z0", "é".encode(),
]  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(alphabet='a[]{}"\\\n', max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(alphabet="[}\\", max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def deepest(value: bytes) -> int:
    depth = most = 0
    for byte in STRING.sub(b"", value):
        depth += (byte in b"[{") - (byte in b"]}")
        most = max(most, depth)
    return most


@settings(max_examples=200)
@given(JSON)
def test_nesting_is_counted_outside_of_strings(tree: object) -> None:
    value = json.dumps(tree).encode()
    depth = deepest(value)
    assert not nests_deeper(value, depth)
    assert depth == 0 or nests_deeper(value, depth - 1)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_half_a_pair_becomes_a_zero_and_nothing_else_changes(value: bytes) -> None:
    assert without_half_pairs(value) == PAIR_HALF_OR_ESCAPE.sub(
        lambda match: rb"\u0000" if match[1] else match[0], value
    )


@pytest.mark.parametrize("value", [b"", b"\\", rb"\u", rb"\ud83", rb"\ud83d\ude0", rb"\ud83d\ud83d\ude00"])
def test_a_value_may_end_anywhere(value: bytes) -> None:
    assert len(without_half_pairs(value)) == len(value)
