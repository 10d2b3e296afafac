"""Which of several outcomes for one payment stands: the newest reported_at, ties by offset, however they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.verdict_store.records import OutcomeRow


def standing(outcomes: Iterable[OutcomeRow]) -> list[OutcomeRow]:
    """Return the one outcome that stands for each payment, by transaction_id."""
    best: dict[bytes, OutcomeRow] = {}
    for outcome in outcomes:
        other = best.get(outcome.transaction_id)
        if other is None or outcome.rank > other.rank:
            best[outcome.transaction_id] = outcome
    return [best[transaction_id] for transaction_id in sorted(best)]
