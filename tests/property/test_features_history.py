"""The kernel over a whole history against the brute-force oracle."""

from __future__ import annotations

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.history import history_vectors
from features.schema import FEATURE_NAMES
from tests.fixtures.payment_streams import Script, scripts
from tests.oracle import Oracle, Payment, columns_of, differences

# Thousands of payments a case shrink too slowly to be worth waiting for: the seed says it all.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def assert_like_oracle(payments: list[Payment], rows: list[int]) -> None:
    vectors, states = history_vectors(columns_of(payments))
    oracle = Oracle(payments)
    for row in rows:
        wrong = differences(vectors[row], oracle.vector(row, FEATURE_NAMES))
        assert not wrong, (row, wrong)
        assert states[row] == oracle.state(row), row


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(scripts(max_payments=12))
def test_every_vector_of_a_small_history_is_the_oracles(script: Script) -> None:
    payments = script.payments()
    assert_like_oracle(payments, list(range(len(payments))))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, phases=WITHOUT_SHRINKING)
@given(scripts(max_payments=400), st.integers(0, 2**32))
def test_vectors_of_dense_logs_are_the_oracles(script: Script, seed: int) -> None:
    payments = script.payments()
    rows = random.Random(seed).sample(range(len(payments)), min(20, len(payments)))
    assert_like_oracle(payments, [*rows, len(payments) - 1])
