"""Folding a dense log: old records become panes, invisibly to every position that may still be measured.

Which records may go, and which panes must stay, is argued in docs/specs/online_store.md. The header is written once per
thousand records or more, so its body is compressed: most registers of most panes are zero.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from features.errors import StoreCorruptError
from features.measure.dense import take_pane
from features.measure.hll import REGISTERS
from features.measure.ingest import include, reset
from features.measure.logs import MARKS, PANE_ROW, SUMMARY, Logs
from features.record import RECORD_BYTES
from features.windows import BLOCK, FOLD_RECORDS, HORIZON, PANES, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREFIX: Final = struct.Struct("<4sIQ")
"""Magic, length of the whole header in bytes, records folded away."""

MAGIC: Final = b"UFL1"
MAX_RECORDS: Final = 1 << 32
"""Reads name the records that are known in 32 bits."""
BODY: Final = struct.Struct("<qqqI")
"""The clock at the last folded record and a block before it, event time of the first record ever, number of panes."""

PANE: Final = np.dtype(
    [
        ("first", "<i8"),
        ("last", "<i8"),
        ("payments", "<i8"),
        ("total", "<i8"),
        ("largest", "<i8"),
        ("sq_high", "<u8"),
        ("sq_low", "<u8"),
        ("registers", "u1", (REGISTERS,)),
    ]
)

DENSE_WINDOWS: Final = np.array([length for length in WINDOWS.values() if length > HORIZON], dtype=np.int64)
PANES_HELD: Final = PANES + 2


@dataclass(frozen=True, slots=True)
class Header:
    """What stands for the folded records of one log."""

    base: int
    """Records folded away."""
    base_clock: int
    older_clock: int
    born: int
    panes: NDArray[np.void]

    def pack(self) -> bytes:
        """Return the header's bytes; its length is 16 beyond a multiple of the record's."""
        body = BODY.pack(self.base_clock, self.older_clock, self.born, len(self.panes)) + self.panes.tobytes()
        body = zlib.compress(body, 1)
        body = struct.pack("<I", len(body)) + body
        body += bytes(-len(body) % RECORD_BYTES)
        return PREFIX.pack(MAGIC, PREFIX.size + len(body), self.base) + body

    @classmethod
    def unpack(cls, log: bytes) -> Header:
        """Read the header that a folded log begins with; StoreCorruptError if it is none."""
        try:
            magic, size, base = PREFIX.unpack_from(log)
            _expect(magic == MAGIC, f"it begins with {magic!r}")
            _expect(0 < base < MAX_RECORDS and base % BLOCK == 0, f"{base} records folded")
            _expect(size <= len(log) and (len(log) - size) % RECORD_BYTES == 0, f"{size} bytes long")
            (packed,) = struct.unpack_from("<I", log, PREFIX.size)
            start = PREFIX.size + 4
            _expect(start + packed <= size, f"a body of {packed} bytes")
            body = zlib.decompress(log[start : start + packed])
            base_clock, older_clock, born, count = BODY.unpack_from(body)
            _expect(len(body) == BODY.size + count * PANE.itemsize, f"{count} panes in {len(body)} bytes")
        except (ValueError, struct.error, zlib.error) as error:
            raise StoreCorruptError(
                f"A log of {len(log)} bytes should begin with a folded log's header: {error}. "
                "Run `upifraud rebuild-features`."
            ) from error
        return cls(base, base_clock, older_clock, born, np.frombuffer(body, dtype=PANE, count=count, offset=BODY.size))


def _expect(right: bool, found: str) -> None:
    if not right:
        raise ValueError(found)


def fewest_to_fold() -> int:
    """Return how many records a log must have beyond its base for a fold to be worth it."""
    return FOLD_RECORDS + 2 * BLOCK


def fold_position(logs: Logs, slot: int) -> int:
    """Return the position up to which a replica may be folded now; its base if it is not worth it."""
    log = logs.slots[slot]
    base, count = int(log["folded"]), int(log["length"])
    if count - base < fewest_to_fold():
        return base
    first = int(log["block_at"])
    clocks = logs.blocks["clock"][first : first + (count - base) // BLOCK]
    recent = np.searchsorted(clocks, log["clock"] - HORIZON, side="right")
    if recent == 0:
        return base
    blocks = min(int(recent) - 1, int(np.searchsorted(clocks, clocks[recent - 1] - 2 * HORIZON, side="right")))
    records = blocks * BLOCK
    return base + records if records >= FOLD_RECORDS and 4 * records >= count - base else base


def fold(logs: Logs, slot: int, position: int) -> Header:
    """Return the header that stands for everything before `position`, a block boundary."""
    log, clocks = logs.slots[slot], logs.blocks["clock"]
    rows = np.zeros(len(DENSE_WINDOWS) * PANES_HELD, dtype=SUMMARY)
    last = int(log["block_at"] + (position - log["folded"]) // BLOCK) - 1
    clock = clocks[last]
    older_clock = clocks[last - 1] if last > log["block_at"] else log["base_clock"]
    _collect(logs, slot, position, clock, DENSE_WINDOWS, rows)
    kept = np.flatnonzero(rows["payments"])
    panes = np.empty(len(kept), dtype=PANE)
    for field in PANE.names or ():
        panes[field] = rows[field][kept]
    return Header(position, int(clock), int(older_clock), int(log["born"]), panes)


@njit()
def _collect(
    logs: Logs, slot: int, position: int, clock: int, windows: NDArray[np.int64], rows: NDArray[np.record]
) -> None:
    """Sum old panes and the records before `position` into panes; those no window can reach any more are left out."""
    log = logs.slots[slot]
    for level in range(len(windows)):
        length = windows[level]
        pane = length // PANES
        oldest = (clock - length) // pane
        shift = level * PANES_HELD - oldest
        for row in range(log.pane_at, log.pane_at + log.panes):
            number = logs.pane[row].first
            if logs.pane[row].last == length and number >= oldest:
                _open(rows, shift + number)
                take_pane(logs.pane, row, rows[shift + number], rows[shift + number].registers)
                rows[shift + number].first, rows[shift + number].last = number, length
        for row in range(log.at, log.at + position - log.folded):
            number = logs.event_time[row] // pane
            if number >= oldest:
                _open(rows, shift + number)
                include(rows, shift + number, number, length, logs.amount[row], logs.counterparty[row])
                rows[shift + number].first, rows[shift + number].last = number, length


@njit(inline="always")
def _open(rows: NDArray[np.record], row: int) -> None:
    if rows[row].payments == 0:
        reset(rows, row)


def whole_from(logs: Logs, slot: int) -> int:
    """Return the first position of a folded log that still has everything its windows need.

    It is at least a block behind the last folded record, and the clock before it at least 2 H; folding again moves it,
    appending does not.
    """
    log = logs.slots[slot]
    base, count = int(log["folded"]), int(log["length"] - log["folded"])
    enough = log["base_clock"] + 2 * HORIZON
    start, first_block = int(log["at"]), int(log["block_at"])
    block = int(np.searchsorted(logs.blocks["clock"][first_block : first_block + count // BLOCK], enough))
    later = np.flatnonzero(logs.event_time[start + block * BLOCK : start + count] >= enough)
    return base + max(BLOCK, block * BLOCK + int(later[0]) + 1 if len(later) else count)


def rows_of(panes: NDArray[np.void]) -> NDArray[np.record]:
    """Return a header's panes as PANE_ROW: one row each, and more where there are more registers than fit."""
    rows = np.empty(len(panes) * -(-REGISTERS // MARKS), dtype=PANE_ROW)
    return rows[: _put_rows(panes, rows)]


@njit()
def _put_rows(panes, rows):  # type: ignore[no-untyped-def]
    """Write the rows of all panes, one after the other; return how many there are."""
    count = 0
    for at in range(len(panes)):
        pane, row = panes[at], rows[count]
        row.first, row.last = pane.first, pane.last
        row.payments, row.total, row.largest = pane.payments, pane.total, pane.largest
        row.sq_high, row.sq_low = pane.sq_high, pane.sq_low
        count += 1
        marks = 0
        for register in range(REGISTERS):
            rank = pane.registers[register]
            if rank == 0:
                continue
            if marks == MARKS:
                row = rows[count]
                row.first, row.last = pane.first, pane.last
                row.payments = row.total = row.largest = 0
                row.sq_high = row.sq_low = np.uint64(0)
                count += 1
                marks = 0
            row.marks[marks] = np.uint16(rank) << 8 | register
            marks += 1
        for mark in range(marks, MARKS):
            row.marks[mark] = 0
    return count


def put_panes(logs: Logs, slot: int, header: Header, rows: NDArray[np.record]) -> None:
    """Make a header's panes, PANE_ROW[n], the slot's, which has room for them."""
    log = logs.slots[slot]
    at = int(log["pane_at"])
    log["folded"] = log["length"] = header.base
    log["base_clock"] = log["clock"] = header.base_clock
    log["older_clock"] = header.older_clock
    log["born"] = header.born
    log["panes"] = len(rows)
    logs.pane[at : at + len(rows)] = rows
