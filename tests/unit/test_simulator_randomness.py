"""Draws are the same everywhere and independent of each other's order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.lotteries import GroupLottery, Lottery
from simulator.randomness import Dice, chances, exp, exp_one, generator, hashed, key_for, mix, mix_one


def test_exp_agrees_with_libm_to_a_part_in_1e14() -> None:
    x = np.linspace(-40.0, 40.0, 20_011)
    expected = np.array([math.exp(value) for value in x])
    assert np.max(np.abs(exp(x) / expected - 1)) < 1e-14


def test_exp_of_one_number_has_the_same_bits() -> None:
    x = generator(5).normal(0, 5, 2_000)
    assert [exp_one(value) for value in x.tolist()] == exp(x).tolist()


def test_exp_of_zero_is_exactly_one() -> None:
    assert exp(np.array([0.0])).tolist() == [1.0]


def test_mixing_keeps_words_distinct() -> None:
    words = np.arange(200_000, dtype=np.uint64)
    assert len(np.unique(mix(words))) == len(words)


def test_one_word_is_mixed_as_many_are() -> None:
    words = [0, 1, 12_345, 2**63, 2**64 - 1]
    assert mix(np.array(words, dtype=np.uint64)).tolist() == [mix_one(word) for word in words]


def test_hashes_depend_on_the_key_and_on_nothing_else() -> None:
    words = np.arange(1_000, dtype=np.int64)
    assert (hashed(key_for(1, 2), words) == hashed(key_for(1, 2), words[::-1])[::-1]).all()
    assert not (hashed(key_for(1, 2), words) == hashed(key_for(2, 1), words)).any()


def test_chances_are_uniform() -> None:
    drawn = chances(7, np.arange(100_000, dtype=np.int64))
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert np.abs(counts - 5_000).max() < 5 * math.sqrt(5_000)


def test_a_lottery_draws_in_proportion() -> None:
    weights = np.array([5.0, 0.0, 3.0, 2.0])
    drawn = Lottery(weights).draw(generator(1).random(100_000))
    shares = np.bincount(drawn, minlength=4) / 100_000
    assert shares == pytest.approx([0.5, 0.0, 0.3, 0.2], abs=0.01)


def test_a_group_lottery_stays_within_the_group() -> None:
    groups = np.array([0, 1, 0, 1, -1])
    lottery = GroupLottery(groups, np.array([1.0, 1.0, 3.0, 0.0, 9.0]), 2)
    asked = np.repeat([0, 1], 10_000)
    drawn = lottery.draw(asked, generator(2).random(20_000))
    assert set(drawn[:10_000].tolist()) == {0, 2}
    assert set(drawn[10_000:].tolist()) == {1}
    assert (drawn[:10_000] == 2).mean() == pytest.approx(0.75, abs=0.02)


def test_dice_stay_within_their_bounds() -> None:
    dice = Dice(generator(3))
    assert {dice.whole(2, 4) for _ in range(200)} == {2, 3, 4}
    assert all(1.5 <= dice.between(1.5, 2.5) < 2.5 for _ in range(200))
    assert np.median([dice.around(100.0, 0.5) for _ in range(2_000)]) == pytest.approx(100, rel=0.1)
