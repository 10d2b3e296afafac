"""Entity logs as columns in memory: one arena each for records, block summaries and panes, addressed by slot.

The same layout serves a worker's replicas, the short logs of one micro-batch and a whole history file, so that one
kernel measures all three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.hll import REGISTERS
from features.windows import WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = np.int64(-(2**62))
"""The clock of a log before its first record: minus infinity."""

NONE = -1
"""Stands in an offset column for "this slot has no such section"."""


class Summaries(NamedTuple):
    """Aggregates of full runs of records: blocks, super-blocks or panes; one row a run."""

    first: NDArray[np.int64]
    """Blocks: the earliest event time in the run. Panes: the pane's number, floor(event time / pane length)."""
    last: NDArray[np.int64]
    """Blocks: the latest event time in the run. Panes: the length of the window they belong to."""
    clock: NDArray[np.int64]
    """Blocks: the running maximum of event time at the run's end. Panes: unused."""
    payments: NDArray[np.int64]
    total: NDArray[np.int64]
    largest: NDArray[np.int64]
    sq_high: NDArray[np.uint64]
    sq_low: NDArray[np.uint64]
    registers: NDArray[np.uint8]

    @classmethod
    def make(cls, rows: int) -> Summaries:
        """Allocate rows; memory is touched only when they are written."""
        return cls(
            first=np.zeros(rows, dtype=np.int64),
            last=np.zeros(rows, dtype=np.int64),
            clock=np.zeros(rows, dtype=np.int64),
            payments=np.zeros(rows, dtype=np.int64),
            total=np.zeros(rows, dtype=np.int64),
            largest=np.zeros(rows, dtype=np.int64),
            sq_high=np.zeros(rows, dtype=np.uint64),
            sq_low=np.zeros(rows, dtype=np.uint64),
            registers=np.zeros((rows, REGISTERS), dtype=np.uint8),
        )


class Logs(NamedTuple):
    """The arenas, and for each slot where its log lies in them."""

    event_time: NDArray[np.int64]
    """t': event time, moved up in a dense log where it was more than 5 minutes behind the clock."""
    amount: NDArray[np.int64]
    counterparty: NDArray[np.int64]
    place: NDArray[np.uint32]

    at: NDArray[np.int64]
    """Where in the record arena the slot's first kept record lies."""
    length: NDArray[np.int64]
    """Records ever appended: the position of the next one."""
    base: NDArray[np.int64]
    """Records folded away: the position of the first kept one; a multiple of the block size."""
    base_clock: NDArray[np.int64]
    """The clock at the last folded record."""
    older_clock: NDArray[np.int64]
    """The clock a block before that: the first kept records were settled by it."""
    whole_from: NDArray[np.int64]
    """The first position that still has everything its windows need; 0 where nothing was folded."""
    clock: NDArray[np.int64]
    """The clock now: the largest event time appended."""
    born: NDArray[np.int64]
    """Event time of the very first record."""
    block_at: NDArray[np.int64]
    super_at: NDArray[np.int64]
    pane_at: NDArray[np.int64]
    panes: NDArray[np.int64]
    """How many panes the slot has."""

    blocks: Summaries
    supers: Summaries
    pane: Summaries

    kept: Summaries
    """What dense windows hold in full blocks and panes: a row a window, from the row of the slot's first block on."""
    kept_key: NDArray[np.int64]
    """[rows, 5]: the position up to which it is kept (0: not at all), and what else it depends on."""

    @classmethod
    def make(cls, *, records: int, slots: int, blocks: int, supers: int, panes: int) -> Logs:
        """Allocate arenas of the given sizes."""
        return cls(
            event_time=np.zeros(records, dtype=np.int64),
            amount=np.zeros(records, dtype=np.int64),
            counterparty=np.zeros(records, dtype=np.int64),
            place=np.zeros(records, dtype=np.uint32),
            at=np.zeros(slots, dtype=np.int64),
            length=np.zeros(slots, dtype=np.int64),
            base=np.zeros(slots, dtype=np.int64),
            base_clock=np.zeros(slots, dtype=np.int64),
            older_clock=np.zeros(slots, dtype=np.int64),
            whole_from=np.zeros(slots, dtype=np.int64),
            clock=np.zeros(slots, dtype=np.int64),
            born=np.zeros(slots, dtype=np.int64),
            block_at=np.zeros(slots, dtype=np.int64),
            super_at=np.zeros(slots, dtype=np.int64),
            pane_at=np.zeros(slots, dtype=np.int64),
            panes=np.zeros(slots, dtype=np.int64),
            blocks=Summaries.make(blocks),
            supers=Summaries.make(supers),
            pane=Summaries.make(panes),
            kept=Summaries.make(blocks * len(WINDOWS)),
            kept_key=np.zeros((blocks * len(WINDOWS), 5), dtype=np.int64),
        )

    def clear(self, slot: int, at: int) -> None:
        """Make the slot an empty log without blocks or panes, its records to lie at `at`."""
        self.at[slot] = at
        self.length[slot] = self.base[slot] = self.whole_from[slot] = self.panes[slot] = 0
        self.base_clock[slot] = self.older_clock[slot] = self.clock[slot] = self.born[slot] = NEVER
        self.block_at[slot] = self.super_at[slot] = self.pane_at[slot] = NONE

    def put_blocks(self, slot: int, at: int, super_at: int) -> None:
        """Let the slot's block summaries lie from `at` on; what was kept there was another log's."""
        self.block_at[slot], self.super_at[slot] = at, super_at
        self.kept_key[at * len(WINDOWS) : (at + 1) * len(WINDOWS), 0] = 0
