"""Which rows of a history do what, by their times and labels alone: nothing here needs a vector.

Three slices in order of event time: the first fits the trees, the second calibrates and sets the thresholds, the third
is for the report alone. A random split would let a fraud campaign be learnt from its second half. The cuts are placed
by frauds, not by payments, so that each slice has its share of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.distribution import sample_rows
from model.errors import TrainingError
from model.training.settings import LEAST_GENUINE_PER_FRAUD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.training.settings import TrainingSettings

MIN_FRAUDS = 20
"""Fewer cannot fill three slices."""

COMPARED = 200_000
"""Payments held out, at most, whose vectors are held: for what needs the vector, not the score alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Rows of each slice, ascending."""

    fit: NDArray[np.intp]
    calibrate: NDArray[np.intp]
    hold_out: NDArray[np.intp]

    @property
    def later(self) -> NDArray[np.intp]:
        """What fitted no tree, ascending: payments that did are scored better than any that will come."""
        return np.sort(np.concatenate([self.calibrate, self.hold_out]))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Rows by what is done with their vectors, each ascending; those of all but the slices are few."""

    slices: Slices
    fitted: NDArray[np.intp]
    """Of the fit slice: the trees are fitted to these."""
    evenly: NDArray[np.intp]
    """Of the whole history: what is usual is taken of the genuine ones among them."""
    recent: NDArray[np.intp]
    """Of what fitted no tree: how features are distributed."""
    compared: NDArray[np.intp]
    """Of the payments held out: what the model looks at, and what other models make of them."""

    @property
    def held(self) -> NDArray[np.intp]:
        """All rows whose vectors are held in memory."""
        slices = self.slices
        held = np.zeros(len(slices.fit) + len(slices.calibrate) + len(slices.hold_out), dtype=np.bool_)
        for rows in (self.fitted, self.evenly, self.recent, self.compared):
            held[rows] = True
        return np.flatnonzero(held)


def choose(event_time: NDArray[np.int64], fraud: NDArray[np.bool_], settings: TrainingSettings) -> Chosen:
    """Return what is done with each row of a history in any order; event times in epoch milliseconds, shape [n] each.

    The same input gives the same rows. Raises TrainingError where there is too little fraud, or too little else.
    """
    frauds = int(fraud.sum())
    if len(fraud) != len(event_time) or frauds < MIN_FRAUDS or frauds == len(fraud):
        raise TrainingError(
            f"Expected at least {MIN_FRAUDS} frauds and some genuine payments, got {frauds} frauds in "
            f"{len(fraud)} payments; give a longer history, or more of its outcomes."
        )
    slices = _slice(event_time, fraud, settings)
    later, hold_out = slices.later, slices.hold_out
    return Chosen(
        slices,
        _thin(slices.fit, fraud, settings),
        np.arange(len(fraud))[sample_rows(len(fraud))],
        later[sample_rows(len(later))],
        hold_out[:: -(-len(hold_out) // COMPARED)],
    )


def _slice(event_time: NDArray[np.int64], fraud: NDArray[np.bool_], settings: TrainingSettings) -> Slices:
    times = np.sort(event_time[fraud])
    first = times[int(settings.fit_share * len(times))]
    second = times[min(int((settings.fit_share + settings.calibration_share) * len(times)), len(times) - 1)]
    fit, hold_out = event_time < first, event_time >= second
    parts = (fit, ~fit & ~hold_out, hold_out)
    if not all(fraud[part].any() for part in parts):
        raise TrainingError(
            f"Expected frauds in each slice of the history, got {len(times)} frauds at too few different times "
            f"({len(np.unique(times))}); give a longer history."
        )
    if any(fraud[part].all() for part in parts):
        raise TrainingError(
            f"Expected genuine payments in each slice of the history, got {int((~fraud).sum())} among "
            f"{len(fraud)} payments, and a slice without any; give a history with the payments that were no fraud."
        )
    return Slices(*(np.flatnonzero(part) for part in parts))


def _thin(rows: NDArray[np.intp], fraud: NDArray[np.bool_], settings: TrainingSettings) -> NDArray[np.intp]:
    frauds, genuine = rows[fraud[rows]], rows[~fraud[rows]]
    random = np.random.default_rng(settings.seed)
    a_fraud = min(settings.genuine_per_fraud, len(genuine) / len(frauds))
    most = settings.most_fitted_payments
    if len(frauds) * (1 + a_fraud) > most:
        a_fraud = max(most / len(frauds) - 1, min(a_fraud, LEAST_GENUINE_PER_FRAUD))
        frauds = _draw(random, frauds, int(most / (1 + a_fraud)))
    drawn = _draw(random, genuine, int(a_fraud * len(frauds) + 1e-6))
    return np.sort(np.concatenate([frauds, drawn]))


def _draw(random: np.random.Generator, rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    return rows if len(rows) <= most else random.choice(rows, size=most, replace=False)
