"""How a model is trained; the defaults are what ranked best in trials (docs/model.md)."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_GENUINE_PER_FRAUD = 20
"""With fewer genuine payments a fraud, trials lost up to .05 of average precision: rather fewer frauds, too."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained."""

    trees: int = 200
    leaves: int = 16
    depth: int = 6
    learning_rate: float = 0.06
    min_payments_per_leaf: int = 40
    l2_regularization: float = 10.0
    """Few frauds in a leaf must not make it certain; with 30, 200 trees do not get as far (docs/model.md)."""
    genuine_per_fraud: int = 100
    """The trees see at most this many genuine payments a fraud, drawn evenly; calibration and report see all.

    Rare fraud needs no millions of genuine payments to be told from them, and weights would be no remedy: the cover
    of nodes, and so the base value of the contributions, knows none.
    """
    most_fitted_payments: int = 2_000_000
    """The trees see at most this many payments: they are held in memory, at some 16 bytes a feature.

    Beyond, there are fewer genuine ones a fraud; from `LEAST_GENUINE_PER_FRAUD` on, fewer of both.
    """
    fit_share: float = 0.7
    """Of the frauds, the earliest: they fit the trees."""
    calibration_share: float = 0.15
    """Of the frauds, the next: they calibrate and set thresholds."""
    alert_budget: float = 0.005
    """Share of payments that get REVIEW or stricter."""
    hold_precision: float = 0.5
    """Share of frauds among payments that get HOLD or stricter."""
    block_precision: float = 0.9
    """Share of frauds among payments that get BLOCK."""
    base_rate: float | None = None
    """Share of fraud of the stream that probabilities are for; None: of the calibration slice."""
    seed: int = 0
