"""What the window kernel works in and leaves behind: a row of aggregates a window, and room for sets and sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.measure.hll import REGISTERS
from features.measure.logs import row_dtype
from features.windows import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 2048
"""For the distinct counterparties of the recent records: four for each, so that most probes hit at once."""

MEASURE: Final = row_dtype(
    [
        ("payments", "i8"),
        ("total", "i8"),
        ("largest", "i8"),
        ("sq_high", "u8"),
        ("sq_low", "u8"),
        ("distinct", "f8"),  # the only one that counts the measured payment in
    ]
)
"""What a window of a log holds, the measured payment itself left out."""


class Measures(NamedTuple):
    """Scratch and result of `measure`."""

    windows: NDArray[np.record]
    """Of MEASURE, one a window, ascending."""
    cells: NDArray[np.uint64]
    """Scratch: open addressing; stamp and counterparty in one number."""
    stamp: NDArray[np.int64]
    """Scratch: [1], the stamp of the cells that are in use."""
    registers: NDArray[np.uint8]
    """Scratch."""
    keys: NDArray[np.int64]
    """Scratch: recent records in order of time."""
    amounts: NDArray[np.int64]
    others: NDArray[np.int64]

    @classmethod
    def make(cls, windows: int) -> Measures:
        """Allocate for a number of windows."""
        return cls(
            windows=np.zeros(windows, dtype=MEASURE),
            cells=np.zeros(CELLS, dtype=np.uint64),
            stamp=np.zeros(1, dtype=np.int64),
            registers=np.zeros(REGISTERS, dtype=np.uint8),
            keys=np.zeros(2 * BLOCK, dtype=np.int64),
            amounts=np.zeros(2 * BLOCK, dtype=np.int64),
            others=np.zeros(2 * BLOCK, dtype=np.int64),
        )
