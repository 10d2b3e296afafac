"""The risk score: never falls as the probability rises, and says how rare a score is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ArtifactError
from model.risk_score import MIN_PAYMENTS, RiskMap, fit_risk_map, points_of

RANDOM = np.random.default_rng(11)
unit = st.floats(0, 1)


@st.composite
def maps(draw: st.DrawFn) -> RiskMap:
    knots = sorted(draw(st.sets(unit, min_size=2, max_size=12)))
    scores = sorted(draw(st.lists(st.floats(0, 100), min_size=len(knots), max_size=len(knots))))
    return RiskMap(tuple(knots), tuple(scores))


@given(maps(), st.lists(unit, min_size=2, max_size=20))
def test_it_never_falls_and_stays_within_0_and_100(risk: RiskMap, probabilities: list[float]) -> None:
    around = [np.nextafter(knot, to) for knot in risk.probability for to in (0.0, knot, 1.0)]
    found = [risk.of(float(probability)) for probability in sorted([*probabilities, *around])]
    assert found == sorted(found)
    assert 0 <= found[0] <= found[-1] <= 100


@given(risk=maps(), probabilities=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_kernels_get_what_anybody_gets(risk: RiskMap, probabilities: list[float]) -> None:
    knots, scores = np.array(risk.probability), np.array(risk.score)
    for probability in (*probabilities, *risk.probability):
        assert points_of(probability, knots, scores) == risk.of(probability)


@given(maps())
def test_knots_have_their_scores_and_a_map_is_read_back(risk: RiskMap) -> None:
    for knot, score in zip(risk.probability, risk.score, strict=True):
        assert risk.of(knot) == int(score + 0.5)
    assert RiskMap.from_json(json.loads(json.dumps(risk.to_json()))) == risk


@pytest.mark.parametrize("n", [100_000, 3_000])
def test_twenty_points_more_means_ten_times_fewer(n: int) -> None:
    scores = RANDOM.beta(0.3, 30, n)
    risk = fit_risk_map(scores)
    found = np.array([risk.of(score) for score in scores.tolist()])
    for points in range(10, 100, 10):
        share = 10 ** (-points / 20)
        if share * n >= 5 * MIN_PAYMENTS:
            assert (found >= points).mean() == pytest.approx(share, rel=0.25)
    assert (risk.of(0.0), risk.of(1.0)) == (0, 100)


def test_equal_scores_of_many_payments_count_as_all_of_them() -> None:
    """A forest gives few different scores: half of all payments may have the greatest."""
    risk = fit_risk_map(np.repeat([0.001, 0.2], 5_000))
    assert (risk.of(0.0), risk.of(1.0)) == (0, 100)
    assert risk.of(0.2) == 6  # one in two


@pytest.mark.parametrize("scores", [np.zeros(0), np.full(3, 0.5), np.ones(1000), np.zeros(1000)])
def test_few_or_degenerate_scores_give_a_map(scores: np.ndarray) -> None:
    risk = fit_risk_map(scores)
    assert (risk.of(0.0), risk.of(1.0)) == (0, 100)


@pytest.mark.parametrize(
    ("probability", "score"),
    [
        ((0.0,), (0.0,)),
        ((0.0, 1.0), (0.0,)),
        ((1.0, 0.0), (0.0, 100.0)),
        ((0.5, 0.5), (0.0, 100.0)),
        ((0.0, 1.0), (60.0, 50.0)),
        ((0.0, 1.0), (0.0, 101.0)),
        ((-0.1, 1.0), (0.0, 100.0)),
        ((0.0, float("nan")), (0.0, 100.0)),
    ],
)
def test_what_is_no_rising_curve_is_refused(probability: tuple[float, ...], score: tuple[float, ...]) -> None:
    with pytest.raises(ArtifactError, match="risk map"):
        RiskMap(probability, score)


def test_a_map_of_another_version_is_refused() -> None:
    with pytest.raises(ArtifactError, match="version 1, got 2"):
        RiskMap.from_json({"version": 2, "probability": [0, 1], "score": [0, 100]})
