"""Training distributions and drift against them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model.distribution import Distribution, FeatureDistribution, describe
from model.errors import ArtifactError

RANDOM = np.random.default_rng(0)


def sample(n: int, shift: float = 0.0, missing: float = 0.2) -> np.ndarray:
    """A smooth feature, a flag, one that is partly missing, one that always is, and one that never changes."""
    vectors = np.empty((n, 5), dtype=np.float32)
    vectors[:, 0] = RANDOM.standard_normal(n) + shift
    vectors[:, 1] = RANDOM.random(n) < 0.3
    vectors[:, 2] = np.where(RANDOM.random(n) < missing, np.nan, RANDOM.exponential(size=n))
    vectors[:, 3] = np.nan
    vectors[:, 4] = 7
    return vectors


TRAINING = sample(20_000)
DESCRIBED = describe(TRAINING, np.zeros(len(TRAINING), bool))


def test_the_training_sample_itself_has_not_drifted() -> None:
    assert DESCRIBED.drift(DESCRIBED.count(TRAINING)) == pytest.approx(np.zeros(5), abs=1e-12)


def test_a_like_sample_has_hardly_and_a_shifted_one_largely() -> None:
    assert (DESCRIBED.drift(DESCRIBED.count(sample(5000))) < 0.02).all()
    drift = DESCRIBED.drift(DESCRIBED.count(sample(5000, shift=1.0, missing=0.6)))
    assert drift[0] > 0.25
    assert drift[2] > 0.25
    assert (drift[[1, 3, 4]] < 0.02).all()


def test_the_index_is_the_population_stability_index() -> None:
    one = Distribution((FeatureDistribution(edges=(1.0,), shares=(0.5, 0.25, 0.25), usual=1.0),))
    counts = one.count(np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32))
    assert counts.tolist() == [[2, 2, 0]]
    expected = (0.5 - 0.25) * np.log(0.5 / 0.25) + (1e-4 - 0.25) * np.log(1e-4 / 0.25)
    assert one.drift(counts)[0] == pytest.approx(expected)


def test_nothing_counted_is_no_drift_known() -> None:
    assert np.isnan(DESCRIBED.drift(DESCRIBED.count(TRAINING[:0]))).all()


def test_a_value_never_seen_in_training_counts() -> None:
    drift = DESCRIBED.drift(DESCRIBED.count(np.full((100, 5), 1e9, dtype=np.float32)))
    assert drift[0] > 0.25
    assert drift[3] > 0.25


def test_usual_is_the_median_of_genuine_payments() -> None:
    vectors = np.array([[1], [2], [3], [100], [np.nan], [200]], dtype=np.float32)
    described = describe(vectors, np.array([False, False, False, True, False, True]))
    assert described.features[0].usual == 2.0
    assert DESCRIBED.features[3].usual is None


def test_bins_are_of_the_recent_rows_and_usual_is_of_all() -> None:
    """A history begins with empty windows; what it ends with is what a running stream is like."""
    vectors = np.arange(100, dtype=np.float32)[:, None]
    described = describe(vectors, np.zeros(100, bool), recent=vectors[90:]).features[0]
    assert described.edges[0] >= 90
    assert described.usual == 49.0


def test_json_and_back_is_the_same() -> None:
    names = ["a", "b", "c", "d", "e"]
    assert Distribution.from_json(json.loads(json.dumps(DESCRIBED.to_json(names))), names) == DESCRIBED


@pytest.mark.parametrize(("edges", "shares"), [((1.0, 2.0), (0.5, 0.5)), ((2.0, 1.0), (0.2, 0.3, 0.3, 0.2))])
def test_shares_that_do_not_fit_are_refused(edges: tuple[float, ...], shares: tuple[float, ...]) -> None:
    with pytest.raises(ArtifactError):
        FeatureDistribution(edges, shares, None)
