"""What a training says of a history: the right code where it holds, nothing where it does not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import model.training.findings
from model.training.evaluation import Scores, evaluate
from model.training.findings import DAY_MS, Facts, Finding, drift_of, findings
from model.training.labels import Labels
from model.training.settings import TrainingSettings
from model.training.train import train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
N = 12_000
NAMES = ("amount_paise", "payer_count_5m", "payer_seconds_since_first", "device_count_1m")
SETTINGS = TrainingSettings(
    trees=8, leaves=6, depth=3, min_payments_per_leaf=5, l2_regularization=1.0, alert_budget=0.2, hold_precision=0.005,
    block_precision=0.01,
)  # fmt: skip
QUIET = {"payees-reported-before"}
"""What is always said."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    import sklearn.ensemble  # noqa: F401 (only what is loaded can be limited)

    with threadpool_limits(limits=1):
        yield


def facts(
    *,
    days: float = 100,
    share: float = 0.07,
    settings: TrainingSettings = SETTINGS,
    delay_days: float = 3,
    known_until_days: float = 30,
    later_share: float = 1,
    drifting: tuple[int, ...] = (),
    missing: tuple[int, ...] = (),
    ahead: float | None = None,
) -> Facts:
    """Return a history in which all is well, but for what is asked for."""
    random = np.random.default_rng(3)
    vectors = random.standard_normal((N, len(NAMES))).astype(np.float32)
    later = np.arange(N) > 0.7 * N
    vectors[np.ix_(later, drifting)] += 1.5
    vectors[:, missing] = np.nan
    time = np.linspace(0, days * DAY_MS, N).astype(np.int64)
    fraud = random.random(N) < share * 2 / (1 + np.exp(-3 * np.nan_to_num(vectors[:, 0])))
    fraud &= ~later | (random.random(N) < later_share)
    reported_at = time + (random.random(N) * 2 * delay_days * DAY_MS).astype(np.int64)
    fraud &= reported_at <= (days + known_until_days) * DAY_MS
    labels = Labels(fraud, [None] * N, reported_at[fraud], int(fraud.sum()))
    trained = train(vectors, fraud, time, settings)
    rows = trained.slices.hold_out
    before: NDArray[np.bool_] = np.arange(len(rows)) % 2 == 0
    scores = Scores(trained.later.probability[trained.later.at(rows)], fraud[rows], payee_reported=before)
    held_out = evaluate(scores)
    own: dict[str, Any] = {} if ahead is None else {"average_precision": 0.5}
    beside = {} if ahead is None else {"random_forest": {"average_precision": ahead}}
    return Facts(trained, labels, time, NAMES, held_out, drift_of(trained, fraud), own, beside)


def said(**changes: Any) -> dict[str, Finding]:
    found = {finding.code: finding for finding in findings(facts(**changes))}
    assert set(found) >= QUIET
    return {code: finding for code, finding in found.items() if code not in QUIET}


WELL: dict[str, Any] = {"settings": replace(SETTINGS, base_rate=0.01)}
"""That many frauds are unlike any stream, so the base rate is given."""


def test_of_a_history_in_which_all_is_well_nothing_is_said() -> None:
    assert said(**WELL) == {}
    assert said(**WELL, ahead=0.49) == {}


@pytest.mark.parametrize(
    ("changes", "code", "option", "text"),
    [
        (
            {"settings": replace(SETTINGS, genuine_per_fraud=3, base_rate=0.01)},
            "genuine-thinned",
            None,
            "3 for each of",
        ),
        ({"share": 0.015}, "few-frauds-to-train-on", "--since", "With fewer than 200"),
        ({"share": 0.015}, "few-frauds-to-judge-by", "--since", "could as well be 0."),
        ({}, "fraud-is-frequent", "--base-rate", "7 in a million"),
        ({"days": 20}, "short-history", "--since", "spans 20.0 days"),
        ({"later_share": 0.2}, "fraud-share-changes", "--until", "of the last 10.0 days are fraud"),
        ({"delay_days": 0.01}, "labels-at-once", "--map", "100% of the frauds"),
        ({"known_until_days": 0}, "labels-not-yet-known", "--until", "0.0 days before the last payment"),
        ({"missing": (3,)}, "features-missing", None, "1 of 4 features have no value"),
        ({"drifting": (1,)}, "features-drift", "--since", "1 features are distributed"),
        ({"ahead": 0.6}, "baseline-ahead", None, "random forest 0.600; the trees 0.500"),
    ],
)
def test_what_holds_is_said_with_the_option_that_changes_it(
    changes: dict[str, Any], code: str, option: str | None, text: str
) -> None:
    found = said(**WELL | changes) if code != "fraud-is-frequent" else said(**changes)
    assert found[code].option == option
    assert text in found[code].text


def test_rare_fraud_is_said_by_its_share() -> None:
    some = facts(**WELL)
    some.trained.facts["base_rate"] = 7e-6
    some.trained.facts["settings"]["base_rate"] = None
    (found,) = [one for one in findings(some) if one.code == "fraud-is-rare"]
    assert "One payment in 142,857" in found.text


def test_a_feature_that_only_grows_does_not_drift() -> None:
    assert "features-drift" not in said(**WELL, drifting=(2,))


def test_a_verdict_that_is_never_given_is_said_with_the_budget_that_gives_it() -> None:
    found = said(settings=replace(SETTINGS, base_rate=0.01, alert_budget=0.001))["verdict-never"]
    assert found.option == "--alert-budget"
    assert "A larger budget is the cure" in found.text
    strict = said(settings=replace(SETTINGS, base_rate=0.01, block_precision=1.0))["verdict-never"]
    assert strict.option == "--hold-precision"
    assert "BLOCK never" in strict.text


def test_frauds_of_payees_reported_before_are_counted() -> None:
    some = facts(**WELL)
    (found,) = [one for one in findings(some) if one.code == "payees-reported-before"]
    before = some.held_out["by_payee"]["REPORTED_BEFORE"]["frauds"]
    assert found.text.startswith(f"{before} of {some.held_out['frauds']} frauds held out")


def test_every_code_is_in_the_documentation() -> None:
    codes = set(re.findall(r'Finding\(\s*"([a-z-]+)"', Path(model.training.findings.__file__).read_text()))
    listed = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "model.md").read_text(), re.MULTILINE)
    assert sorted(codes) == sorted(listed)
    assert len(codes) == 14
