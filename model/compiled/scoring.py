"""Margin, calibrated probability and exact contributions of every payment in one pass, the same bits in any batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.compiled import kernel
from model.compiled.lanes import LINE
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
        self._layout = _lay_out(tables)

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
        margin, probability = np.empty(n, dtype=np.float64), np.empty(n, dtype=np.float64)
        curve = self.calibration
        kernel.score(
            np.ascontiguousarray(vectors), self._layout, self.base_value, curve.margin, curve.probability,
            contributions, margin, probability,
        )  # fmt: skip
        return Scored(margin=margin, probability=probability, contributions=contributions.T)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probabilities alone, shape [n], in memory that does not grow with n."""
        probability = np.empty(len(vectors), dtype=np.float64)
        for start in range(0, len(vectors), CHUNK):
            probability[start : start + CHUNK] = self.score(vectors[start : start + CHUNK]).probability
        return probability


def _lay_out(tables: Tables) -> kernel.Layout:
    """Return the entries by group, the values of one cell together in lines of the cache."""
    slots = len(tables.slot_feature)
    slot = np.repeat(np.arange(len(tables.entry_start) - 1) % max(1, slots), np.diff(tables.entry_start))
    order = np.lexsort((slot, tables.entry_group))
    entries = np.split(order, np.searchsorted(tables.entry_group[order], np.arange(1, tables.groups)))
    if tables.groups == 0:
        entries = []
    cells = tables.cells()
    lines = [(group, part) for group, found in enumerate(entries) for part in _parts(found)]
    group_of = np.array([group for group, _ in lines], dtype=np.intp)
    ends = np.cumsum(cells[group_of], dtype=np.int64)
    values = _aligned(int(ends[-1]) if len(ends) else 0)
    line_slots = np.tile(np.arange(slots, slots + LINE, dtype=np.uint16), (len(lines), 1))
    for line, ((group, part), end) in enumerate(zip(lines, ends.tolist(), strict=True)):
        line_slots[line, : len(part)] = slot[part]
        first = tables.entry_values[part]
        values[end - cells[group] : end, : len(part)] = tables.values[first + np.arange(cells[group])[:, None]]
    line_values = ends - cells[group_of]
    line_end = np.searchsorted(group_of, np.arange(tables.groups), side="right")
    first_line = np.minimum(np.concatenate(([0], line_end))[:-1], max(0, len(lines) - 1))
    return kernel.Layout(
        slots=_records(kernel.SLOT, tables.slot_feature, tables.threshold_start[1:]),
        thresholds=tables.thresholds,
        groups=_records(
            kernel.GROUP, tables.condition_start[1:], line_end, line_values[first_line] if lines else first_line
        ),
        conditions=_records(kernel.CONDITION, tables.condition_row, tables.condition_bin, tables.condition_stride),
        line_values=line_values,
        line_slots=line_slots,
        values=values,
    )


def _parts(entries: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [entries[at : at + LINE] for at in range(0, len(entries), LINE)]


def _records(dtype: np.dtype[np.record], *columns: NDArray[Any]) -> NDArray[np.record]:
    records = np.zeros(len(columns[0]), dtype=dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        records[name] = column
    return records


def _aligned(rows: int) -> NDArray[np.float64]:
    """Return zeros, shape [rows, LINE], each row in one line of the cache."""
    size = LINE
    room = np.zeros((rows + 1) * size, dtype=np.float64)
    first = -(room.ctypes.data // room.itemsize) % size
    return room[first : first + rows * size].reshape(rows, size)
