"""What an evaluation reads from vectors beside the score: how much was paid, and what was known of the payee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

AMOUNT: Final = "amount_paise"
SINCE_REPORT: Final = "payee_seconds_since_fraud_report"
FRAUD_RATE: Final = "payee_fraud_rate_30d"

WATCHED: Final = (AMOUNT, SINCE_REPORT, FRAUD_RATE)
"""Names of the features; each may be lacking."""


def amount_paise(values: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64] | None:
    """Return the amounts among values by feature name, float64 [n]; None where they are no feature."""
    return values[AMOUNT].astype(np.float64) if AMOUNT in values else None


def payee_reported(values: Mapping[str, NDArray[np.float32]]) -> NDArray[np.bool_] | None:
    """Return whether a fraud of each payment's payee had been reported before it, [n]; None where no feature tells."""
    if SINCE_REPORT in values:
        return ~np.isnan(values[SINCE_REPORT])
    return values[FRAUD_RATE] > 0 if FRAUD_RATE in values else None
