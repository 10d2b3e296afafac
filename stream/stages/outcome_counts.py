"""Outcomes on the meters: against the verdict their payment got, which is what precision and recall are made of."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from model.verdict import Verdict
from stream import metrics
from stream.typologies import metric_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.verdict_store import OutcomeRow, PaymentRef


def count_judged(refs: Iterable[PaymentRef]) -> None:
    """Count outcomes of payments with a verdict by both, and frauds by typology. Outcomes are few beside payments."""
    outcomes: Counter[tuple[str, str]] = Counter()
    frauds: Counter[tuple[str, str]] = Counter()
    for ref in refs:
        verdict = Verdict(ref.verdict).name
        outcomes["FRAUD" if ref.outcome.is_fraud else "GENUINE", verdict] += 1
        if ref.outcome.is_fraud:
            frauds[metric_label(ref.outcome.typology), verdict] += 1
    for labels, count in outcomes.items():
        metrics.OUTCOMES_STORED.labels(*labels).inc(count)
    for labels, count in frauds.items():
        metrics.FRAUDS_REPORTED.labels(*labels).inc(count)


def count_reported(rows: Sequence[OutcomeRow], known: Sequence[PaymentRef]) -> None:
    """Count a micro-batch of outcomes; `known` are those whose payment has a verdict, with the outcome that stands.

    A report stands, or is superseded by another, or waits for its payment: each is counted once.
    """
    standing = {ref.transaction_id: (ref.outcome.source_partition, ref.outcome.source_offset) for ref in known}
    matched = [row for row in rows if row.transaction_id in standing]
    stand = {
        row.transaction_id
        for row in matched
        if (row.source_partition, row.source_offset) == standing[row.transaction_id]
    }
    metrics.OUTCOMES_UNMATCHED.inc(len(rows) - len(matched))
    metrics.OUTCOMES_SUPERSEDED.inc(len(matched) - len(stand))
    count_judged(ref for ref in known if ref.transaction_id in stand)
