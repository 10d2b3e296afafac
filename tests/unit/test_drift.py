"""Drift in the worker: a bounded sample that slides, against the distributions of an artifact."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from model.distribution import Distribution, FeatureDistribution, bins_of, describe
from stream import metrics
from stream.stages import drift as module
from stream.stages.drift import CAPACITY, LEAST_SAMPLE, PER_SECOND, SCORE, SLOT_SECONDS, WINDOW_SECONDS, Drift

RANDOM = np.random.default_rng(0)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def payments(n: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth feature, one that is partly missing, and a score."""
    vectors = np.empty((n, 2), dtype=np.float32)
    vectors[:, 0] = RANDOM.standard_normal(n) + shift
    vectors[:, 1] = np.where(RANDOM.random(n) < 0.2, np.nan, RANDOM.exponential(size=n))
    return vectors, RANDOM.beta(0.3, 30, n)


TRAINING, SCORES = payments(20_000)
GENUINE = np.ones(len(TRAINING), bool)


def artifact(*, scored: bool = True) -> SimpleNamespace:
    return SimpleNamespace(
        feature_names=("a", "b"),
        distribution=describe(TRAINING, ~GENUINE),
        score_distribution=FeatureDistribution(*bins_of(SCORES.astype(np.float32)), None) if scored else None,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def drift(clock: Clock) -> Drift:
    metrics.MODEL_DRIFT_SCORE.clear()
    return Drift(artifact(), clock=clock)


def shown() -> dict[str, float]:
    return {
        sample.labels["feature"]: sample.value
        for family in metrics.MODEL_DRIFT_SCORE.collect()
        for sample in family.samples
    }


def run(drift: Drift, clock: Clock, rounds: int, shift: float = 0.0, n: int = 600, seconds: float = 15.0) -> None:
    """Offer n payments and show, every so many seconds."""
    for _ in range(rounds):
        clock.now += seconds
        drift.offer(*payments(n, shift))
        drift.show()


def test_a_like_stream_has_hardly_drifted_and_a_shifted_one_has(drift: Drift, clock: Clock) -> None:
    run(drift, clock, 4)
    assert set(shown()) == {"a", "b", SCORE}
    assert max(shown().values()) < 0.05
    run(drift, clock, 12, shift=1.5)
    assert shown()["a"] > 0.3
    assert shown()["b"] < 0.05


def test_a_field_that_goes_missing_is_seen(drift: Drift, clock: Clock) -> None:
    vectors, scores = payments(3000)
    vectors[:, 1] = np.nan
    clock.now += 15
    drift.offer(vectors, scores)
    drift.show()
    assert shown()["b"] > 0.3


def test_too_small_a_sample_shows_nothing(drift: Drift, clock: Clock) -> None:
    clock.now += 15
    drift.offer(*payments(LEAST_SAMPLE - 1))
    drift.show()
    assert shown() == {}
    drift.offer(*payments(1))
    drift.show()
    assert len(shown()) == 3


def test_an_artifact_without_a_score_distribution_has_the_features_alone(clock: Clock) -> None:
    metrics.MODEL_DRIFT_SCORE.clear()
    run(Drift(artifact(scored=False), clock=clock), clock, 4)
    assert set(shown()) == {"a", "b"}


def test_no_more_is_taken_than_the_rate_allows(drift: Drift, clock: Clock) -> None:
    clock.now += 2
    for _ in range(10):
        drift.offer(*payments(2048))
    drift.show()
    assert metrics.MODEL_DRIFT_SAMPLE._value.get() <= 2 * PER_SECOND + 1
    clock.now += 1e6
    for _ in range(10):
        drift.offer(*payments(2048))
    drift.show()
    assert metrics.MODEL_DRIFT_SAMPLE._value.get() <= CAPACITY


def test_all_of_a_thin_stream_is_taken(drift: Drift, clock: Clock) -> None:
    for _ in range(30):
        clock.now += 1.0
        drift.offer(*payments(50))
    drift.show()
    assert metrics.MODEL_DRIFT_SAMPLE._value.get() == 1500


def test_what_is_older_than_a_day_is_forgotten(drift: Drift, clock: Clock) -> None:
    run(drift, clock, 8, shift=3.0)
    assert shown()["a"] > 0.3
    clock.now += WINDOW_SECONDS - SLOT_SECONDS / 2
    run(drift, clock, 8)
    clock.now += SLOT_SECONDS
    drift.show()
    assert shown()["a"] < 0.05
    assert metrics.MODEL_DRIFT_SPAN._value.get() < WINDOW_SECONDS


def test_the_sample_is_gone_when_the_stream_has_been_still_for_a_day(drift: Drift, clock: Clock) -> None:
    run(drift, clock, 8)
    clock.now += WINDOW_SECONDS
    drift.show()
    assert shown() == {}


def test_a_busy_hour_weighs_what_its_payments_weigh(drift: Drift, clock: Clock) -> None:
    """Sampled are as many of 1,000 shifted ones as of 9,000 usual ones; the index is that of one in ten shifted."""
    reference = Distribution((artifact().distribution.features[0],))
    clock.now += 1000 / PER_SECOND
    for _ in range(9):
        drift.offer(*payments(1000))
    drift.show()
    clock.now += 1000 / PER_SECOND
    drift.offer(*payments(1000, shift=3.0))
    drift.show()
    mixed = np.concatenate([payments(9000)[0], payments(1000, shift=3.0)[0]])
    assert shown()["a"] == pytest.approx(reference.drift(reference.count(mixed[:, :1]))[0], rel=0.35)


def test_memory_is_bounded(drift: Drift, clock: Clock) -> None:
    run(drift, clock, 400, n=1, seconds=SLOT_SECONDS)
    assert len(drift._slots) <= WINDOW_SECONDS / SLOT_SECONDS + 1
    assert drift._buffer.nbytes == CAPACITY * 3 * 4


def test_the_names_are_those_of_the_shipped_artifact() -> None:
    from model.artifact import DEFAULT_DIR, load

    shipped = load(DEFAULT_DIR)
    assert shipped.score_distribution is not None
    clock = Clock()
    drift = Drift(shipped, clock=clock)
    clock.now += 15
    vectors = np.full((LEAST_SAMPLE, len(shipped.feature_names)), math.nan, dtype=np.float32)
    drift.offer(vectors, np.zeros(LEAST_SAMPLE))
    drift.show()
    assert set(shown()) == {*shipped.feature_names, SCORE}
    assert module.SHOW_SECONDS <= 30
