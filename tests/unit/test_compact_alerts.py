"""The alerts of a whole micro-batch's ALLOWs are the bytes that each would have alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from features.online import FeatureBatch
from features.store.provenance import PROVENANCE
from model.artifact import DEFAULT_DIR, Artifact, load
from model.reasons import Explainer
from model.risk_score import RiskMap
from model.verdict import Thresholds
from stream.stages.alerting import Alerting
from stream.stages.judge import AlertRules, Judge
from tests.unit.test_judge_counts import payments_of

DECIDED_AT = 1_764_000_000_007
RISKS = RiskMap((0.0, 0.0001, 0.003, 0.2, 1.0), (0.0, 20.0, 40.0, 60.5, 100.0))

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)
values = st.one_of(
    st.just(float("nan")), st.floats(0, 2, width=32), st.floats(0, 1e7, width=32), st.sampled_from([0.0, 1.0, 86_400.0])
)


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """The shipped artifact with thresholds that allow half of its probes, and a map of risk scores."""
    shipped = load(DEFAULT_DIR)
    probability = shipped.scorer.score(vectors_of(shipped)).probability
    low, middle, high = np.quantile(probability, (0.5, 0.7, 0.9)).tolist()
    return dataclasses.replace(shipped, thresholds=Thresholds(low, middle, high), risk_map=RISKS)


def vectors_of(artifact: Artifact) -> np.ndarray:
    return artifact.probes["probe_vectors"].clip(-1e9, 1e9)


def both(
    artifact: Artifact,
    vectors: np.ndarray,
    names: list[str],
    amounts: list[int],
    times: np.ndarray | None = None,
    **rules: Any,
) -> None:
    """Hold that the judge's alerts are those that `Alerting` gives of one row after the other."""
    n = len(vectors)
    claimed = payments_of(n)
    encoded = [name.encode() for name in names]
    claimed = replace(claimed, transaction_id=encoded, payer_vpa=encoded[::-1], payee_vpa=encoded)
    claimed.payments.rows["amount_paise"] = amounts
    claimed.payments.rows["event_time"] = DECIDED_AT - np.arange(n) * 999_999_937 if times is None else times
    measured = FeatureBatch(vectors, np.arange(n, dtype=np.uint8) % 4, np.zeros(n, dtype=PROVENANCE))
    judged = Judge(artifact, model_key=1, rules=AlertRules(include_allow=True, **rules)).judge(
        claimed, measured, decided_at=DECIDED_AT
    )
    alerting = Alerting(artifact, Explainer(artifact), **{k: v for k, v in rules.items() if k == "allow_reasons"})
    alone = [alerting.alert(judged.rows, row, judged.scored.contributions[row]) for row in range(n)]
    assert judged.rows.alerts == alone


@pytest.mark.parametrize("reasons", ["codes", "none", "full"])
def test_alerts_of_a_micro_batch_are_those_of_each_payment(artifact: Artifact, reasons: str) -> None:
    vectors = vectors_of(artifact)
    both(artifact, vectors, [f"T{row}" for row in range(len(vectors))], [row + 1 for row in range(len(vectors))],
         allow_reasons=reasons)  # fmt: skip


def test_without_a_map_of_risk_scores_the_risk_score_is_null(artifact: Artifact) -> None:
    vectors = vectors_of(artifact)[:40]
    both(dataclasses.replace(artifact, risk_map=None), vectors, ["T"] * 40, [1] * 40)


@settings(deadline=None, max_examples=60)
@given(names=st.lists(texts, min_size=1, max_size=5), amount=st.integers(1, 10**10))
@example(names=['a"b\\c', "\u0000\u001f\u007f", "%b %d", "ü€😀"], amount=1)
def test_texts_are_escaped_as_in_any_alert(artifact: Artifact, names: list[str], amount: int) -> None:
    vectors = vectors_of(artifact)[: len(names)]
    both(artifact, vectors[: len(names)], names[: len(vectors)], [amount] * len(vectors))


def test_ids_of_any_length_and_times_of_any_day_are_written_as_in_any_alert(artifact: Artifact) -> None:
    """Hashing goes by blocks of 64 bytes, 16 of which the namespace takes and 9 the end."""
    vectors = np.tile(vectors_of(artifact), (9, 1))
    names = ["x" * length for length in (*range(1, 130), 171, 172, 235, 256)]
    names += ["\u00e9" * 64, "\U0001f600" * 64]
    vectors = vectors[: len(names)]
    days = np.concatenate((np.arange(-5, 5) * 86_400_000 * 365, np.arange(len(names) - 12) * 86_400_000 * 43 + 999))
    times = np.concatenate((days, [951_782_400_000, 253_402_300_799_999]))  # a leap day; the last one there is
    both(artifact, vectors, names, [10**10] * len(names), times=times)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_sides_are_those_of_a_payment_alone(artifact: Artifact, data: st.DataObject) -> None:
    f = len(artifact.feature_names)
    vectors = np.array(data.draw(st.lists(st.lists(values, min_size=f, max_size=f), min_size=1, max_size=3)), "f4")
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    contributions = np.round(draw.normal(size=vectors.shape), data.draw(st.sampled_from([0, 1, 12])))
    explainer = Explainer(artifact)
    limit = data.draw(st.integers(1, 7))
    found = explainer.shares_of_all(vectors, contributions, limit)
    for row in range(len(vectors)):
        alone = explainer.shares(vectors[row], contributions[row], limit)
        which = [at for at in found.which[row].tolist() if at >= 0]
        assert [explainer.words[at] for at in which] == [(share.feature, share.code) for share in alone]
        assert found.contribution[row][: len(which)].tolist() == [share.contribution for share in alone]
