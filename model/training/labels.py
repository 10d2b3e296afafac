"""What became of payments, as it was known at a moment: the newest report on each stands."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Reported(Protocol):
    """One outcome as it was reported."""

    @property
    def transaction_id(self) -> bytes:
        """Of the payment."""

    @property
    def is_fraud(self) -> bool:
        """Fraud, or genuine."""

    @property
    def reported_at(self) -> int:
        """Epoch milliseconds."""

    @property
    def typology(self) -> str | None:
        """What kind of fraud, where known."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of n payments, in their order."""

    fraud: NDArray[np.bool_]
    """A payment without an outcome counts as genuine."""
    typology: list[str | None]
    """None for genuine payments and unknown kinds."""
    fraud_reported_at: NDArray[np.int64]
    """Epoch milliseconds of the report on each fraud, in the order of frauds."""
    reported: int
    """Payments that have an outcome."""


class Known:
    """What had been reported before a moment: the newest report on each payment."""

    def __init__(self, outcomes: Iterable[Reported], reported_before: int | None = None) -> None:
        """reported_before: epoch milliseconds; None: all.

        The newest reported_at stands; of equal ones the later in the order given, which is the order of their offsets.
        """
        newest: dict[bytes, Reported] = {}
        for outcome in outcomes:
            if reported_before is not None and outcome.reported_at >= reported_before:
                continue
            known = newest.get(outcome.transaction_id)
            if known is None or outcome.reported_at >= known.reported_at:
                newest[outcome.transaction_id] = outcome
        self._newest = newest

    def of(self, transaction_ids: Sequence[bytes]) -> Labels:
        """Return the labels of some payments."""
        found = [self._newest.get(transaction_id) for transaction_id in transaction_ids]
        return Labels(
            fraud=np.array([outcome is not None and outcome.is_fraud for outcome in found], dtype=np.bool_),
            typology=[outcome.typology if outcome is not None and outcome.is_fraud else None for outcome in found],
            fraud_reported_at=np.array(
                [outcome.reported_at for outcome in found if outcome is not None and outcome.is_fraud], dtype=np.int64
            ),
            reported=sum(outcome is not None for outcome in found),
        )


def label(transaction_ids: Sequence[bytes], outcomes: Iterable[Reported], reported_before: int | None = None) -> Labels:
    """Return the labels of payments by the outcomes reported before a moment (epoch ms), or by all of them."""
    return Known(outcomes, reported_before).of(transaction_ids)


def joined(parts: Sequence[Labels]) -> Labels:
    """Return the labels of payments that were labelled a part at a time."""
    return Labels(
        fraud=np.concatenate([np.empty(0, np.bool_), *(part.fraud for part in parts)]),
        typology=list(chain.from_iterable(part.typology for part in parts)),
        fraud_reported_at=np.concatenate([np.empty(0, np.int64), *(part.fraud_reported_at for part in parts)]),
        reported=sum(part.reported for part in parts),
    )
