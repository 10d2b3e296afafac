"""What the judge puts on the meters: new verdicts once, their scores, and the reason that their alerts name first."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from features.columns import PaymentColumns
from features.online import FeatureBatch
from features.store.provenance import WRITTEN
from model.artifact import DEFAULT_DIR, Artifact, load
from model.reasons import Explainer
from model.verdict import NEVER, Thresholds, Verdict
from stream import metrics
from stream.kafka.arrivals import Arrivals
from stream.stages.claimed import Claimed
from stream.stages.judge import Judge


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return load(DEFAULT_DIR)


def samples(name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == name
    }


def grown(name: str, before: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {
        labels: value - before.get(labels, 0) for labels, value in samples(name).items() if value != before.get(labels)
    }


def test_the_strongest_code_is_that_of_the_first_reason(artifact: Artifact):
    vectors = artifact.probes["probe_vectors"]
    vectors = vectors.clip(-1e9, 1e9)  # the probes' infinities no payment has, and no sentence says
    contributions = artifact.scorer.score(vectors).contributions
    contributions[3] = -1.0  # speaks for nothing
    explainer = Explainer(artifact)
    first = [explainer.reasons(*row, 1) for row in zip(vectors, contributions, strict=True)]
    assert explainer.strongest_codes(vectors, contributions) == Counter(found[0].code for found in first if found)
    assert explainer.strongest_codes(vectors[:0], contributions[:0]) == {}


def payments_of(rows: int) -> Claimed:
    """Return payments of which only the number matters."""
    columns = PaymentColumns.of(event_time=np.zeros(rows, dtype=np.int64))
    ids = [b"t%d" % row for row in range(rows)]
    offset = np.arange(rows)
    arrivals = Arrivals("t", [], [], np.zeros(rows, np.int32), offset, np.zeros(rows, np.uint16), [(0, 0, rows)])
    return Claimed(
        columns, ids, ids, ids, np.full(rows, -1), [None] * rows, offset, np.zeros(rows, np.bool_), arrivals, [], 0
    )


def test_only_new_rows_count_and_only_alerts_have_reasons(artifact: Artifact):
    vectors = artifact.probes["probe_vectors"].clip(-1e9, 1e9)
    n = len(vectors)
    median = float(np.median(artifact.scorer.probabilities(vectors)))  # half of the probes get an alert
    judge = Judge(dataclasses.replace(artifact, thresholds=Thresholds(median, NEVER, NEVER)), model_key=1)
    measured = FeatureBatch(vectors, np.zeros(n, dtype=np.uint8), np.zeros(n, dtype=WRITTEN))
    judged = judge.judge(payments_of(n), measured, decided_at=0)
    is_new = np.arange(n) % 2 == 0
    flagged = is_new & (judged.rows.verdict > 0)
    assert flagged.any()
    assert [alert is not None for alert in judged.rows.alerts] == (judged.rows.verdict > 0).tolist()
    names = ("fraud_predictions_total", "alert_reasons_total", "fraud_score_count", "fraud_score_sum")
    before = {name: samples(name) for name in names}
    judge.count(judged, is_new)
    verdicts = Counter(Verdict(code).name for code in judged.rows.verdict[is_new].tolist())
    assert grown(names[0], before[names[0]]) == {(name,): count for name, count in verdicts.items()}
    assert sum(grown(names[1], before[names[1]]).values()) == flagged.sum()
    assert grown(names[2], before[names[2]]) == {(): is_new.sum()}
    assert grown(names[3], before[names[3]])[()] == pytest.approx(judged.scored.probability[is_new].sum())
