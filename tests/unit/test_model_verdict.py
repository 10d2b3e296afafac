"""Thresholds: what an alert budget and precisions buy on a slice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import ArtifactError, TrainingError
from model.verdict import NEVER, Thresholds, Verdict, choose_thresholds


def test_a_verdict_is_given_from_its_threshold_on() -> None:
    thresholds = Thresholds(review=0.1, hold=0.5, block=0.9)
    probability = np.array([0.0, np.nextafter(0.1, 0), 0.1, 0.5, np.nextafter(0.9, 0), 0.9, 1.0])
    assert thresholds.verdicts(probability).tolist() == [
        Verdict.ALLOW, Verdict.ALLOW, Verdict.REVIEW, Verdict.HOLD, Verdict.HOLD, Verdict.BLOCK, Verdict.BLOCK,
    ]  # fmt: skip


def test_never_is_above_every_probability() -> None:
    assert Thresholds(NEVER, NEVER, NEVER).verdicts(np.array([1.0])).tolist() == [Verdict.ALLOW]


@pytest.mark.parametrize(
    ("review", "hold", "block"), [(0.5, 0.4, 0.9), (0.0, 0.4, 0.9), (0.1, 0.95, 0.9), (0.1, 0.2, 9)]
)
def test_thresholds_out_of_order_are_refused(review: float, hold: float, block: float) -> None:
    with pytest.raises(ArtifactError, match="review <= hold <= block"):
        Thresholds(review, hold, block)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 1000), n=st.integers(20, 2000), budget=st.floats(0.001, 0.5), digits=st.sampled_from([1, 2, 9])
)
def test_budget_and_precisions_hold_on_the_slice(seed: int, n: int, budget: float, digits: int) -> None:
    random = np.random.default_rng(seed)
    probability = np.round(random.random(n), digits)  # few digits: many ties
    fraud = random.random(n) < probability
    thresholds = choose_thresholds(probability, fraud, budget, hold_precision=0.8, block_precision=0.95)
    verdicts = thresholds.verdicts(probability)
    assert (verdicts >= Verdict.REVIEW).mean() <= budget
    for verdict, precision in ((Verdict.HOLD, 0.8), (Verdict.BLOCK, 0.95)):
        given_ = verdicts >= verdict
        if given_.any():
            assert fraud[given_].mean() >= precision
            assert given_.sum() >= 10


def test_the_budget_is_spent() -> None:
    probability = np.linspace(0.001, 1, 1000)
    thresholds = choose_thresholds(probability, probability > 0.995, 0.02, 0.5, 0.9)
    assert (thresholds.verdicts(probability) >= Verdict.REVIEW).sum() == 20


def test_a_tie_larger_than_the_budget_is_left_alone() -> None:
    thresholds = choose_thresholds(np.full(100, 0.5), np.arange(100) < 50, 0.1, 0.5, 0.9)
    assert thresholds == Thresholds(NEVER, NEVER, NEVER)


def test_rare_fraud_lowers_precision_and_so_raises_thresholds() -> None:
    random = np.random.default_rng(0)
    probability = random.random(20_000)
    fraud = random.random(20_000) < probability**4
    often = choose_thresholds(probability, fraud, 0.5, 0.5, 0.9)
    rare = choose_thresholds(probability, fraud, 0.5, 0.5, 0.9, fraud_weight=0.3)
    assert rare.hold > often.hold
    assert rare.block > often.block


def test_a_budget_that_is_no_share_is_refused() -> None:
    with pytest.raises(TrainingError, match="alert budget"):
        choose_thresholds(np.ones(3), np.ones(3, bool), 50, 0.5, 0.9)
