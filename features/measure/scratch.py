"""What the window kernel works in and leaves behind: a row of aggregates a window, and room for sets and sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import row_dtype
from features.entities import KINDS, POSITIONS, REPORTED
from features.measure.logs import SUMMARY
from features.measure.risk import RISK, Standing
from features.schema import PLAIN
from features.windows import BLOCK, WINDOWS

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


ENTITY: Final = row_dtype(
    [
        ("there", "?"),  # whether the payment has one of the kind
        ("counts_itself", "i8"),  # what the payment itself adds to its windows: 0 where its log has it already
        ("now", "i8"),  # t' of the payment in its log
        ("born", "i8"),  # event time of its first record
        ("start", "i8"),  # its recent records before the payment: rows from start on, up to stop
        ("stop", "i8"),
        ("party", "i8"),  # as much of its identity as records keep
    ]
)
"""One of a payment's entities while the payment is measured."""


RECENT: Final = row_dtype(
    [
        ("start", "i8"),  # rows of the records in order of time, in the log's columns or in copies of them
        ("stop", "i8"),
        ("copied", "?"),
        ("told_from", "i8"),  # from this row on the following was told, a byte a row
        ("first", "u1", (2 * BLOCK,)),  # 1 where a counterparty was not there before
        ("last", "u1", (2 * BLOCK,)),  # 1 where it is not there again
    ]
)
"""The recent records of the log that was measured last, none later than now."""


class Work(NamedTuple):
    """What one log after the other is measured in."""

    cells: NDArray[np.uint64]
    """Open addressing: stamp, counterparty and where it stood last in one number."""
    stamp: NDArray[np.int64]
    """[1], the stamp of the cells that are in use."""
    recent: NDArray[np.record]
    """RECENT[1]."""
    copies: NDArray[np.int64]
    """[4, n]: recent records that were not in order: times, amounts, counterparties, rows."""
    run: NDArray[np.record]
    """SUMMARY[2]: the records behind the last full block; in the other only the registers of the window at work."""

    @classmethod
    def make(cls) -> Work:
        """Allocate."""
        return cls(
            cells=np.zeros(CELLS, dtype=np.uint64),
            stamp=np.zeros(1, dtype=np.int64),
            recent=np.zeros(1, dtype=RECENT),
            copies=np.zeros((4, 2 * BLOCK), dtype=np.int64),
            run=np.zeros(2, dtype=SUMMARY),
        )


class Scratch(NamedTuple):
    """What one payment after the other is measured in; one thread's."""

    entities: NDArray[np.record]
    """ENTITY of each kind."""
    totals: NDArray[np.record]
    """[positions, windows] of MEASURE; of the payer's inbound log one window only, of the payee's outbound log two."""
    plain: NDArray[np.record]
    """PLAIN[1]."""
    values: NDArray[np.float32]
    """The same by number."""
    risk: NDArray[np.record]
    """RISK of each kind that has outcome reports."""
    standing: Standing
    work: Work

    @classmethod
    def make(cls) -> Scratch:
        """Allocate."""
        plain = np.zeros(1, dtype=PLAIN)
        return cls(
            entities=np.zeros(len(KINDS), dtype=ENTITY),
            totals=np.zeros((POSITIONS, len(WINDOWS)), dtype=MEASURE),
            plain=plain,
            values=plain.view(np.float32),
            risk=np.zeros(len(REPORTED), dtype=RISK),
            standing=Standing.make(),
            work=Work.make(),
        )
