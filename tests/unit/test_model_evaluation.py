"""Evaluation: scikit-learn's figures, figures at a budget with ties, and none that depend on the order of rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from model.errors import TrainingError
from model.training.evaluation import Scores, average_precision, evaluate
from model.training.plots import draw

KINDS = np.array(["MULE", "QR", None], dtype=object)


def scored(n: int, seed: int, digits: int = 9) -> Scores:
    random = np.random.default_rng(seed)
    probability = np.round(random.random(n) ** 4, digits)
    fraud = random.random(n) < probability
    fraud[:2] = True, False
    return Scores(
        probability=probability,
        fraud=fraud,
        amount_paise=np.round(np.exp(random.normal(11, 1, n))),
        typology=[kind if is_fraud else None for kind, is_fraud in zip(random.choice(KINDS, n), fraud, strict=True)],
        verdict=np.digitize(probability, [0.5, 0.7, 0.9]).astype(np.uint8),
    )


def test_figures_are_those_of_scikit_learn() -> None:
    scores = scored(4000, 0, digits=2)
    figures = evaluate(scores)
    assert figures["roc_auc"] == roc_auc_score(scores.fraud, scores.probability)
    assert figures["average_precision"] == pytest.approx(average_precision_score(scores.fraud, scores.probability))
    assert figures["brier"] == pytest.approx(brier_score_loss(scores.fraud, scores.probability))
    assert (figures["payments"], figures["frauds"]) == (4000, int(scores.fraud.sum()))


def test_recall_at_budget_is_the_share_of_frauds_on_top() -> None:
    scores = scored(4000, 1)
    top = np.argsort(-scores.probability)[:40]
    figures = evaluate(scores, alert_budget=0.01)
    assert figures["alerts_at_budget"] == 40
    assert figures["recall_at_budget"] == scores.fraud[top].sum() / scores.fraud.sum()
    assert figures["precision_at_budget"] == scores.fraud[top].mean()
    assert figures["precision_at"]["100"] == scores.fraud[np.argsort(-scores.probability)[:100]].mean()
    assert scores.amount_paise is not None
    stolen = np.where(scores.fraud, scores.amount_paise, 0)
    assert figures["value_recall_at_budget"] == pytest.approx(stolen[top].sum() / stolen.sum())


def test_a_tie_at_the_edge_counts_by_its_expected_share() -> None:
    """Budget 3: the one above, and two of the four that tie, of which three are frauds."""
    scores = Scores(
        probability=np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1]),
        fraud=np.array([True, True, True, True, False, False]),
        typology=["A", "B", "B", "B", None, None],
    )
    figures = evaluate(scores, alert_budget=0.5)
    assert figures["recall_at_budget"] == pytest.approx((1 + 3 * 2 / 4) / 4)
    kinds = figures["by_typology"]
    assert {name: (kind["frauds"], kind["recall_at_budget"]) for name, kind in kinds.items()} == {
        "A": (1, 1.0),
        "B": (3, 0.5),
    }
    assert kinds["A"]["average_precision"] == 1.0
    assert kinds["A"]["average_precision_interval"] is None
    assert kinds["B"]["average_precision"] == 3 / 4


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), digits=st.sampled_from([1, 3, 9]), n=st.integers(2, 400))
@example(seed=367, digits=1, n=367)
def test_no_figure_depends_on_the_order_of_rows(seed: int, digits: int, n: int) -> None:
    scores = scored(n, seed, digits)
    order = np.random.default_rng(seed).permutation(n)
    assert scores.amount_paise is not None
    assert scores.typology is not None
    assert scores.verdict is not None
    shuffled = Scores(
        probability=scores.probability[order],
        fraud=scores.fraud[order],
        amount_paise=scores.amount_paise[order],
        typology=[scores.typology[row] for row in order],
        verdict=scores.verdict[order],
    )
    assert evaluate(scores, base_rate=1e-3) == evaluate(shuffled, base_rate=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), digits=st.sampled_from([1, 9]))
def test_recall_by_typology_adds_up_to_recall(seed: int, digits: int) -> None:
    figures = evaluate(scored(500, seed, digits), alert_budget=0.05)
    kinds = figures["by_typology"].values()
    caught = sum(kind["frauds"] * kind["recall_at_budget"] for kind in kinds)
    assert sum(kind["frauds"] for kind in kinds) == figures["frauds"]
    assert caught == pytest.approx(figures["recall_at_budget"] * figures["frauds"])


def test_average_precision_of_a_group_is_scikit_learns_among_all_genuine_payments() -> None:
    scores = scored(4000, 6, digits=2)
    assert scores.typology is not None
    for name, figures in evaluate(scores)["by_typology"].items():
        group = scores.fraud & (np.array([kind or "UNKNOWN" for kind in scores.typology]) == name)
        rows = group | ~scores.fraud
        assert figures["average_precision"] == pytest.approx(
            average_precision_score(group[rows], scores.probability[rows])
        )


def test_frauds_are_grouped_by_what_was_known_of_their_payee() -> None:
    scores = Scores(
        probability=np.array([0.9, 0.8, 0.7, 0.1]),
        fraud=np.array([True, False, True, True]),
        payee_reported=np.array([True, True, False, False]),
    )
    figures = evaluate(scores, alert_budget=0.5)["by_payee"]
    assert (figures["REPORTED_BEFORE"]["frauds"], figures["NOT_REPORTED"]["frauds"]) == (1, 2)
    assert (figures["REPORTED_BEFORE"]["recall_at_budget"], figures["NOT_REPORTED"]["recall_at_budget"]) == (1, 0)


@pytest.mark.slow
def test_the_interval_covers_what_other_samples_of_the_same_stream_give() -> None:
    """Of 200 samples, the true figure lies in nearly all of the 95 % intervals, and the intervals are no wider."""

    def sample(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return random.normal(1.5, 1, n // 20), random.normal(0, 1, n)

    random = np.random.default_rng(7)
    truth = average_precision(*sample(400_000, random))["average_precision"]
    found = [average_precision(*sample(1_500, random)) for _ in range(200)]
    low, high = np.array([one["average_precision_interval"] for one in found]).T
    covered = ((low <= truth) & (truth <= high)).mean()
    assert covered >= 0.88
    assert (high - low).mean() == pytest.approx(4 * np.std([one["average_precision"] for one in found]), rel=0.25)


def test_verdicts_have_their_precision_and_recall() -> None:
    scores = Scores(
        probability=np.array([0.9, 0.8, 0.6, 0.1]),
        fraud=np.array([True, False, True, True]),
        verdict=np.array([3, 2, 1, 0], dtype=np.uint8),
    )
    assert evaluate(scores)["by_verdict"] == {
        "REVIEW_or_stricter": {"share": 0.75, "precision": 2 / 3, "recall": 2 / 3},
        "HOLD_or_stricter": {"share": 0.5, "precision": 0.5, "recall": 1 / 3},
        "BLOCK": {"share": 0.25, "precision": 1.0, "recall": 1 / 3},
    }


def test_the_own_base_rate_changes_nothing_and_a_lower_one_lowers_precision() -> None:
    scores = scored(3000, 3)
    own = evaluate(scores, base_rate=float(scores.fraud.mean()))
    assert own["at_base_rate"]["precision_at_budget"] == pytest.approx(own["precision_at_budget"])
    assert own["at_base_rate"]["average_precision"] == pytest.approx(own["average_precision"])
    rare = evaluate(scores, alert_budget=0.2, base_rate=7e-6)["at_base_rate"]
    assert rare["precision_at_budget"] < 0.01
    assert rare["false_alerts_per_fraud"] == pytest.approx(1 / rare["precision_at_budget"] - 1)


def test_the_calibration_curve_holds_every_payment_once() -> None:
    scores = scored(3000, 4)
    curve = evaluate(scores)["calibration"]
    assert sum(point["payments"] for point in curve) == 3000
    assert sum(point["payments"] * point["fraud_share"] for point in curve) == pytest.approx(scores.fraud.sum())
    means = [point["mean_probability"] for point in curve]
    assert means == sorted(means)


@pytest.mark.parametrize("fraud", [np.zeros(10, bool), np.ones(10, bool)])
def test_one_class_gives_no_area_but_all_else(fraud: np.ndarray) -> None:
    figures = evaluate(Scores(np.linspace(0, 1, 10), fraud), base_rate=0.1)
    assert figures["roc_auc"] is None
    assert figures["recall_at_budget"] == (0.1 if fraud.any() else None)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_no_payments_are_refused() -> None:
    with pytest.raises(TrainingError, match="got none"):
        evaluate(Scores(np.empty(0), np.empty(0, bool)))


@pytest.mark.slow
@pytest.mark.parametrize("scores", [scored(800, 5), Scores(np.linspace(0, 1, 100), np.zeros(100, bool))])
def test_plots_are_pictures_and_the_same_every_time(scores: Scores) -> None:
    figures: dict[str, Any] = evaluate(scores)
    plots = draw(scores, figures)
    assert "calibration.png" in plots
    assert ("by_typology.png" in plots) == bool(figures.get("by_typology"))
    assert all(png.startswith(b"\x89PNG") for png in plots.values())
    assert draw(scores, figures) == plots
