"""Margin, calibrated probability and exact contributions of every payment in one pass, the same bits in any batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.compiled import kernel
from model.errors import VectorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.calibration import Calibration
    from model.compiled.tables import Tables


CHUNK = 16_384
"""Rows scored at once where only the probabilities are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of n payments, row order as given."""

    margin: NDArray[np.float64]
    """Log-odds of the classifier, shape [n]: base value plus the row's contributions, within 1e-12."""
    probability: NDArray[np.float64]
    """Calibrated probability of fraud, shape [n]."""
    contributions: NDArray[np.float64]
    """Shapley value of each feature, shape [n, features]; a feature's column is contiguous, a row is not."""

    def __len__(self) -> int:
        return len(self.margin)


class Scorer:
    """Scores vectors; a row's result depends on that row alone, bit for bit. Releases the GIL; threads may share it."""

    def __init__(self, tables: Tables, calibration: Calibration) -> None:
        self.tables = tables
        self.calibration = calibration
        self.base_value = float(tables.base_value)
        self.n_features = int(tables.n_features)
        slots = kernel.Slots(tables.slot_feature, tables.threshold_start, tables.thresholds)
        conditions = kernel.Conditions(
            tables.condition_start, tables.condition_row, tables.condition_bin, tables.condition_stride
        )
        entries = kernel.Entries(tables.entry_start, tables.entry_group, tables.entry_values, tables.values)
        self._many = slots, conditions, entries
        self._one = slots, conditions, _by_group(tables)

    def score(self, vectors: NDArray[np.float32]) -> Scored:
        """Return the scores of vectors float32 [n, features], missing is NaN.

        Raises VectorError for any other type or width: a cast would hide training-serving skew.
        """
        if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != self.n_features:
            raise VectorError(
                f"Expected vectors of float32 [n, {self.n_features}], got {vectors.dtype} {list(vectors.shape)}; "
                "compute them with the feature schema of the artifact."
            )
        n = len(vectors)
        contributions = np.zeros((self.n_features, n), dtype=np.float64)
        margin = np.empty(n, dtype=np.float64)
        vectors = np.ascontiguousarray(vectors)
        if n == 1:  # from two rows on the common way is cheaper: docs/model.md
            kernel.contribute_one(vectors, *self._one, self.base_value, contributions, margin)
        else:
            kernel.contribute(vectors, *self._many, self.base_value, contributions, margin)
        return Scored(margin=margin, probability=self.calibration.apply(margin), contributions=contributions.T)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probabilities alone, shape [n], in memory that does not grow with n."""
        probability = np.empty(len(vectors), dtype=np.float64)
        for start in range(0, len(vectors), CHUNK):
            probability[start : start + CHUNK] = self.score(vectors[start : start + CHUNK]).probability
        return probability


def _by_group(tables: Tables) -> kernel.GroupedEntries:
    """Return the entries as a lone row reads them."""
    slots = max(1, len(tables.slot_feature))
    slot = np.repeat(np.arange(len(tables.entry_start) - 1) % slots, np.diff(tables.entry_start))
    order = np.lexsort((slot, tables.entry_group))
    group = tables.entry_group[order]
    start = np.searchsorted(group, np.arange(tables.groups + 1)).astype(np.int32)
    blocks = []
    for index, cells in enumerate(tables.cells()):
        entries = order[start[index] : start[index + 1]]
        blocks.append(np.stack([tables.values[at : at + cells] for at in tables.entry_values[entries]], axis=1).ravel())
    values_start = np.concatenate(([0], np.cumsum([block.size for block in blocks], dtype=np.int64))).astype(np.int32)
    values = np.concatenate([*blocks, np.empty(0)])
    return kernel.GroupedEntries(start, slot[order].astype(np.int32), group, values_start, values)
