"""What became of payments, as it was known at a moment: the newest report on each stands."""

from __future__ import annotations

from dataclasses import dataclass
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
    reported: int
    """Payments that have an outcome."""


def label(transaction_ids: Sequence[bytes], outcomes: Iterable[Reported], reported_before: int | None = None) -> Labels:
    """Return the labels of payments by the outcomes reported before a moment (epoch ms), or by all of them.

    The newest reported_at stands; of equal ones the later in the order given, which is the order of their offsets.
    """
    newest: dict[bytes, Reported] = {}
    for outcome in outcomes:
        if reported_before is not None and outcome.reported_at >= reported_before:
            continue
        known = newest.get(outcome.transaction_id)
        if known is None or outcome.reported_at >= known.reported_at:
            newest[outcome.transaction_id] = outcome
    found = [newest.get(transaction_id) for transaction_id in transaction_ids]
    return Labels(
        fraud=np.array([outcome is not None and outcome.is_fraud for outcome in found], dtype=np.bool_),
        typology=[outcome.typology if outcome is not None and outcome.is_fraud else None for outcome in found],
        reported=sum(outcome is not None for outcome in found),
    )
