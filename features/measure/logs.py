"""Entity logs in memory: one arena each for records, block summaries and panes, addressed by slot.

The same layout serves a worker's replicas and a whole history file, so that one kernel measures both. What is read
record after record lies in columns, all else in rows: what is needed of a slot or a summary together lies together, and
numba, which hands every array over by value and compiles that, has ten of them to hand over instead of fifty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit, row_dtype
from features.measure.hll import REGISTERS
from features.windows import HORIZON, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = np.int64(-(2**62))
"""The clock of a log before its first record: minus infinity."""

NONE = -1
"""Stands in an offset column for "this slot has no such section"."""

LEVELS: Final = sum(length > HORIZON for length in WINDOWS.values())
"""Windows of a dense log that are summed over panes."""


SLOT: Final = row_dtype(
    [
        ("at", "i8"),  # where in the record arena the first kept record lies
        ("length", "i8"),  # records ever appended: the position of the next one
        ("folded", "i8"),  # records folded away: the position of the first kept one; a multiple of the block size
        ("base_clock", "i8"),  # the clock at the last folded record
        ("older_clock", "i8"),  # the clock a block before that: the first kept records were settled by it
        ("whole_from", "i8"),  # the first position that still has all its windows need; 0 where nothing was folded
        ("clock", "i8"),  # the clock now: the largest event time appended
        ("born", "i8"),  # event time of the very first record
        ("block_at", "i8"),
        ("super_at", "i8"),
        ("pane_at", "i8"),
        ("panes", "i8"),  # how many rows of panes there are
        # Of replicas only:
        ("last", "u8", (4,)),  # the last record, as the store has it
        ("identity", "u8"),  # whose log it is
        ("kind", "u1"),  # of what kind; 0: the slot is free
        ("used", "u1"),  # how often it may be asked whether it may go before it does
        ("units", "i4"),  # of its room
        ("pane_units", "i4"),  # of the room of its panes, if it has any
        ("batch", "i8"),  # the last micro-batch that needs it
        ("seen", "i8"),  # records that it has, or will have when all that was read is measured
    ]
)
"""Where a log lies in the arenas, and its clocks."""

SUMMARY: Final = row_dtype(
    [
        ("first", "i8"),  # the earliest event time in the run
        ("last", "i8"),  # the latest event time in the run
        ("clock", "i8"),  # the running maximum of event time at the run's end
        ("payments", "i8"),
        ("total", "i8"),
        ("largest", "i8"),
        ("sq_high", "u8"),
        ("sq_low", "u8"),
        ("registers", "u1", (REGISTERS,)),
    ]
)
"""Aggregates of a full run of records: a block or a super-block."""

MARKS: Final = 36
"""Registers that a row of a pane has: few are marked in most panes."""

PANE_ROW: Final = row_dtype(
    [
        ("first", "i8"),  # floor(event time / pane length)
        ("last", "i8"),  # the length of the window that the pane belongs to
        ("payments", "i8"),
        ("total", "i8"),
        ("largest", "i8"),
        ("sq_high", "u8"),
        ("sq_low", "u8"),
        ("marks", "u2", (MARKS,)),  # the register and, above its 8 bits, its rank; 0: no more
    ]
)
"""A pane. One with more registers goes on in rows that count no payments."""


@njit()
def clear_slot(slots: NDArray[np.record], slot: int, at: int) -> None:
    """Make a slot an empty log without blocks or panes, its records to lie at `at`."""
    log = slots[slot]
    log.at = at
    log.length = log.folded = log.whole_from = log.panes = 0
    log.base_clock = log.older_clock = log.clock = log.born = NEVER
    log.block_at = log.super_at = log.pane_at = NONE
    log.seen = 0
    log.last[:] = 0


@njit(inner=True)
def put_blocks(logs: Logs, slot: int, at: int, super_at: int) -> None:
    """Let the slot's block summaries lie from `at` on; what was kept there was another log's."""
    log = logs.slots[slot]
    log.block_at, log.super_at = at, super_at
    for row in range(kept_from(at), kept_from(at) + LEVELS):
        logs.kept_key[row, 0] = 0


@njit(inline="always")
def kept_from(block_at: int) -> int:
    """Return the first row of what is kept for the log with that first block.

    A dense log has two blocks or more, so that no two of them get the same rows.
    """
    return block_at // 2 * LEVELS


class Logs(NamedTuple):
    """The arenas, and for each slot where its log lies in them."""

    event_time: NDArray[np.int64]
    """t': event time, moved up in a dense log where it was more than 5 minutes behind the clock."""
    amount: NDArray[np.int64]
    counterparty: NDArray[np.int64]
    place: NDArray[np.uint32]

    slots: NDArray[np.record]
    """Of SLOT."""

    blocks: NDArray[np.record]
    """Of SUMMARY, as supers and kept."""
    supers: NDArray[np.record]
    pane: NDArray[np.record]
    """Of PANE_ROW."""

    kept: NDArray[np.record]
    """What dense windows hold in full blocks and panes: a row a window, the longest first (`kept_from`)."""
    kept_key: NDArray[np.int64]
    """[rows, 5]: the position up to which it is kept (0: not at all), and what else it depends on."""

    @classmethod
    def make(cls, *, records: int, slots: int, blocks: int, supers: int, panes: int) -> Logs:
        """Allocate arenas of the given sizes; memory is touched only when it is written."""
        kept = (blocks // 2 + 1) * LEVELS
        return cls(
            event_time=np.zeros(records, dtype=np.int64),
            amount=np.zeros(records, dtype=np.int64),
            counterparty=np.zeros(records, dtype=np.int64),
            place=np.zeros(records, dtype=np.uint32),
            slots=np.zeros(slots, dtype=SLOT),
            blocks=np.zeros(blocks, dtype=SUMMARY),
            supers=np.zeros(supers, dtype=SUMMARY),
            pane=np.zeros(panes, dtype=PANE_ROW),
            kept=np.zeros(kept, dtype=SUMMARY),
            kept_key=np.zeros((kept, 5), dtype=np.int64),
        )
