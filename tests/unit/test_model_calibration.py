"""Calibration: probabilities that rise with the margin and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.calibration import Calibration, fit_calibration
from model.errors import ArtifactError, TrainingError

RANGE = (-20.0, 20.0)


def slice_of(n: int, seed: int, slope: float = 1.0, offset: float = -4.0) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and labels whose true log-odds are a line in them."""
    random = np.random.default_rng(seed)
    margin = random.normal(0.0, 2.0, n)
    return margin, random.random(n) < 1 / (1 + np.exp(-(slope * margin + offset)))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(60, 3000),
    slope=st.sampled_from([0.2, 1.0, 3.0]),
    margins=st.lists(st.floats(-30, 30), min_size=2, max_size=200),
)
def test_probability_never_falls_as_the_margin_rises(seed: int, n: int, slope: float, margins: list[float]) -> None:
    margin, fraud = slice_of(n, seed, slope)
    fraud[0], fraud[1] = True, False
    calibration = fit_calibration(margin, fraud, RANGE)
    asked = np.sort(np.array(margins + [np.nextafter(one, 99.0) for one in margins]))
    probability = calibration.apply(asked)
    assert (np.diff(probability) >= 0).all()
    assert 0 < probability[0] <= probability[-1] <= 1


def test_ranks_stay_as_they_are() -> None:
    """Within the range of margins the curve rises strictly, so that ROC AUC of scores is that of margins."""
    margin, fraud = slice_of(5000, 1)
    probability = fit_calibration(margin, fraud, RANGE).apply(np.sort(margin))
    assert (np.diff(probability) > 0).all()


def test_mean_probability_is_the_share_of_fraud() -> None:
    margin, fraud = slice_of(20_000, 2, slope=0.5)
    probability = fit_calibration(margin, fraud, RANGE).apply(margin)
    assert probability.mean() == pytest.approx(fraud.mean(), rel=0.01)


@pytest.mark.slow
def test_it_finds_the_true_probabilities_again() -> None:
    margin, fraud = slice_of(200_000, 3, slope=0.7)
    asked = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    found = fit_calibration(margin, fraud, RANGE).apply(asked)
    assert found == pytest.approx(1 / (1 + np.exp(-(0.7 * asked - 4.0))), rel=0.25)


def test_a_slice_with_few_frauds_only_shifts_the_log_odds() -> None:
    margin, _ = slice_of(400, 4)
    fraud = np.arange(400) % 100 == 0
    calibration = fit_calibration(margin, fraud, RANGE)
    low, high = calibration.apply(np.array([-3.0, 3.0]))
    assert np.log(high / (1 - high)) - np.log(low / (1 - low)) == pytest.approx(6.0, abs=0.1)


def test_another_base_rate_multiplies_the_odds_by_a_constant() -> None:
    margin, fraud = slice_of(20_000, 5)
    own = fit_calibration(margin, fraud, RANGE).apply(margin)
    rare = fit_calibration(margin, fraud, RANGE, base_rate=7e-6).apply(margin)
    factor = (rare / (1 - rare)) / (own / (1 - own))
    share = fraud.mean()
    assert factor == pytest.approx(7e-6 / (1 - 7e-6) * (1 - share) / share, rel=0.01)


def test_a_batch_gives_the_bits_of_a_single_payment() -> None:
    margin, fraud = slice_of(3000, 6)
    calibration = fit_calibration(margin, fraud, RANGE)
    whole = calibration.apply(margin)
    assert b"".join(calibration.apply(margin[row : row + 1]).tobytes() for row in range(3000)) == whole.tobytes()


def test_the_compiled_loop_rounds_as_numpy_does() -> None:
    """No fused multiply-add: each operation is rounded alone, as on every machine."""
    margin, fraud = slice_of(3000, 7)
    calibration = fit_calibration(margin, fraud, RANGE)
    at = np.clip(np.searchsorted(calibration.margin, margin, side="right") - 1, 0, len(calibration.margin) - 2)
    m0, m1 = calibration.margin[at], calibration.margin[at + 1]
    p0, p1 = calibration.probability[at], calibration.probability[at + 1]
    expected = np.minimum(p0 + (margin - m0) * ((p1 - p0) / (m1 - m0)), p1)
    assert calibration.apply(margin).tobytes() == expected.tobytes()


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_a_slice_that_margins_part_wholly_is_calibrated_too(scale: float) -> None:
    margin = np.linspace(-1, 1, 400) * scale
    probability = fit_calibration(margin, margin > 0, (-scale, scale)).apply(margin)
    assert np.isfinite(probability).all()
    assert probability[:150].max() < 0.5 < probability[250:].min()


@pytest.mark.parametrize("fraud", [np.zeros(50, bool), np.ones(50, bool)])
def test_a_slice_of_one_class_is_refused(fraud: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="fraud and genuine payments"):
        fit_calibration(np.linspace(-1, 1, 50), fraud, RANGE)


@pytest.mark.parametrize(
    ("margin", "probability"),
    [
        ([0.0, 1.0], [0.5, 0.4]),
        ([1.0, 0.0], [0.1, 0.2]),
        ([0.0, np.inf], [0.1, 0.2]),
        ([0.0, 1.0], [0.1, 1.2]),
        ([0.0], [0.1]),
    ],
)
def test_a_curve_that_does_not_rise_is_refused(margin: list[float], probability: list[float]) -> None:
    with pytest.raises(ArtifactError, match="rising"):
        Calibration(np.array(margin), np.array(probability))
