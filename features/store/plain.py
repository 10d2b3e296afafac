"""A micro-batch as plain commands: what is sent, and what the replies mean.

Nothing here talks to a server. docs/specs/online_store.md has the argument, under "Plain commands".
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from msgspec import Struct

from features.entities import INBOUND, POSITIONS
from features.errors import StoreCorruptError
from features.measure.logs import NONE
from features.record import RECORD_BYTES
from features.store.commands import BYTES, LOG_BYTES, REPORTS_TOGETHER, Room, write
from features.store.contract import Applied, ApplyRequest
from features.store.layout import PREFIX_BYTES
from features.store.messages import ENTRY, NAME, READ, name_of
from features.store.replies import COLD, FIX, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_NO_NUMBERS = np.zeros(0, dtype=np.int64)


class Planner:
    """Makes plans; one at a time, as they share its room."""

    def __init__(self) -> None:
        self._room = Room.make(0, 0)
        self.reads_new = False
        """Whether logs that may be new are read, too: one that is not has to be asked for again."""

    def plan(self, request: ApplyRequest, refresh: bytes) -> Plan | None:
        """Return the plan of a micro-batch whose payments are all new; None where it names a log twice.

        refresh: names of logs whose expiry is pushed out, 9 bytes each.
        """
        entries = np.frombuffer(request.entries, dtype=ENTRY)
        reads, absent = np.frombuffer(request.reads, dtype=READ), np.frombuffer(request.absent, dtype=NAME)
        expiries, n = np.frombuffer(refresh, dtype=NAME), len(entries)
        logs = len(reads) + len(absent) + POSITIONS * n
        size = (logs + len(expiries)) * LOG_BYTES + len(request.entries)
        if logs > len(self._room.logs) or size > len(self._room.out):
            self._room = Room.make(logs, size, self._room)
        which, rank = np.empty((n, POSITIONS), dtype=np.int64), np.empty((n, POSITIONS), dtype=np.int64)
        counts = np.zeros(BYTES + 1, dtype=np.int64)
        reports = np.empty(len(reads), dtype=np.int64)
        raw = np.frombuffer(request.entries, dtype=np.uint8)
        count = write(entries, raw, reads, absent, expiries, *self._room, self.reads_new, which, rank, reports, counts)
        if count == NONE:
            return None
        return Plan(request, entries, reads, self._room, self._room.logs[:count], which, rank, reports, counts)


class Found(NamedTuple):
    """What the replies to a plan say."""

    applied: Applied
    """Without the logs of `again`, and the outcome logs that were not known to have reports."""
    again: NDArray[np.int64]
    """Logs of the plan that are to be read again: others appended to them."""
    new: bytes
    """Names of logs that are new: nothing says yet when they expire."""
    fixes: bytes
    """FIX of each number that is to be put right before anybody hears of the micro-batch."""
    reports: list[int]
    """Which reads are of outcome logs of which some are there."""
    are_cold: bool
    """Whether of the logs that were taken for new so many are not that such logs are better read at once."""


class Plan(Struct, eq=False):
    """One micro-batch as plain commands."""

    request: ApplyRequest
    entries: NDArray[np.record]
    reads: NDArray[np.record]
    room: Room
    logs: NDArray[np.record]
    """LOG of each that is touched."""
    which: NDArray[np.int64]
    """[n, positions]: which log; NONE for none."""
    rank: NDArray[np.int64]
    """[n, positions]: how many records of this micro-batch it had got when the payment came to it."""
    reports: NDArray[np.int64]
    """Which reads are of outcome logs: first those that are read, then those that are only asked for."""
    counts: NDArray[np.int64]
    numbers: NDArray[np.int64] = _NO_NUMBERS
    """What the first commands replied."""
    heads: dict[int, bytes] = {}
    """First bytes of headers that were read apart, by log."""
    firsts: list[bytes] = []
    """First bytes of logs that may have a header."""
    tails: list[bytes] = []
    """The last records of logs that had a header, as far as the worker knows."""
    wholes: list[bytes | None] = []
    """Logs that were read whole; None for one that is not there."""
    there: int = 0
    """How many are there of the logs that nothing is appended to and of which nothing is known."""
    reported: list[Any] = []
    """For each outcome log that is read its last reports, and its length."""
    unread: list[int] = []
    """Which reads are of outcome logs of which some are there."""

    @property
    def commands(self) -> bytes:
        """The packed commands."""
        return self.room.out[: self.counts[BYTES]].tobytes()

    @property
    def queued(self) -> int:
        """How many commands these are."""
        strlens, appends, heads, tails, wholes, absent, reported, reports, expiries, _ = self.counts.tolist()
        groups = -(-reports // REPORTS_TOGETHER)
        return int(strlens + appends + heads + tails + (wholes > 0) + (absent > 0) + 2 * reported + groups + expiries)

    def take(self, replies: list[Any]) -> None:
        """Take in what the commands replied; raise the error that one of them replied."""
        strlens, appends, heads, tails, wholes, absent, reported, reports, _, _ = self.counts.tolist()
        at = strlens + appends
        try:
            self.numbers = np.array(replies[:at], dtype=np.int64)
        except (TypeError, ValueError):
            raise next(reply for reply in replies if isinstance(reply, Exception)) from None
        if heads:
            self.firsts, at = replies[at : at + heads], at + heads
            self.tails, at = replies[at : at + tails], at + tails
        if wholes:
            self.wholes, at = replies[at], at + 1
        if absent:
            self.there, at = replies[at], at + 1
        self.reported, at = replies[at : at + 2 * reported], at + 2 * reported
        if reports and any(groups := replies[at : at - (-reports // REPORTS_TOGETHER)]):
            asked = self.reports[reported : reported + reports].tolist()
            for number, count in enumerate(groups):
                self.unread += asked[number * REPORTS_TOGETHER : (number + 1) * REPORTS_TOGETHER] if count else ()

    def found(self) -> Found | list[int]:
        """Return what the replies say, or the logs whose headers have to be read before it can be said.

        Raises `StoreCorruptError` where a log is of another type.
        """
        n, most, wholes = len(self.entries), len(self.logs), self.wholes
        sizes = [len(log) if log else 0 for log in wholes]
        heads = b"".join([first.ljust(PREFIX_BYTES, b"\0") for first in self.firsts]) + b"".join(
            [log[:PREFIX_BYTES] for log, size in zip(wholes, sizes, strict=True) if log and size % RECORD_BYTES]
        )
        positions, fixes = np.empty((n, POSITIONS), dtype="<u4"), np.empty(n * INBOUND, dtype=FIX)
        fixed_logs, again = np.empty(len(fixes), dtype=np.int64), np.empty(most, dtype=np.int64)
        told, new = np.empty((most, 5), dtype=np.int64), np.empty(most, dtype=NAME)
        counted = np.empty(COLD + 1, dtype=np.int64)
        settle(
            self.entries, self.logs, self.room.lengths, self.which, self.rank, self.numbers,
            np.array(sizes, dtype=np.int64), np.frombuffer(heads, dtype=np.uint8), positions, fixes, fixed_logs, told,
            again, new, counted,
        )  # fmt: skip
        tell, agains, fixed, news, there, missing, begun, cold = counted.tolist()
        if there != self.there:  # MGET passes over what is no string, and nobody may take that for an empty log
            raise StoreCorruptError("Redis refused: a log is of another type. Run `upifraud rebuild-features`.")
        if missing:
            return np.flatnonzero((self.logs["total"] % RECORD_BYTES > 0) & (self.logs["header"] == 0)).tolist()
        replied, totals, sources, owns, which = told[:tell].T.tolist()
        logs: list[bytes | bytearray] = [
            (wholes[source] or b"") if source >= 0 else self.firsts[own] + self.tails[-1 - source]
            for source, own in zip(sources, owns, strict=True)
        ]
        if fixed:
            _put_right(logs, totals, dict(zip(which, range(tell), strict=True)), fixes[:fixed], fixed_logs[:fixed])
        self._tell_reports(replied, totals, logs)
        applied = Applied(positions.tobytes(), replied, totals, logs)
        return Found(
            applied, again[:agains], new[:news].tobytes(), fixes[:fixed].tobytes(), self.unread, 4 * cold > begun
        )

    def _tell_reports(self, replied: list[int], totals: list[int], logs: list[bytes | bytearray]) -> None:
        """Tell of the outcome logs that were read; one that cannot be read (-1) is degraded, not fatal."""
        told = iter(self.reported)
        for read, tail, length in zip(self.reports.tolist(), told, told, strict=False):
            if length:
                is_readable = isinstance(tail, bytes)
                replied.append(read)
                totals.append(length if is_readable else -1)
                logs.append(tail if is_readable else b"")

    def have_reports(self, reads: Sequence[int]) -> None:
        """Remember outcome logs that have reports: the next plans read them at once."""
        if reads:
            self.room.have_reports(self.reads[reads])

    def head(self, log: int) -> bytes | None:
        """Return the first bytes of a log's header; None for a log that has none."""
        if not self.logs["header"][log]:
            return None
        return self.heads[log] if log in self.heads else self.firsts[self.logs["head"][log]]

    def put_header(self, log: int, head: bytes) -> None:
        """Note the first bytes of a log's header, which were read apart."""
        self.heads[log] = head
        self.logs["header"][log] = int.from_bytes(head[4:8], "little")
        self.logs["folded"][log] = int.from_bytes(head[8:PREFIX_BYTES], "little")

    def name(self, log: int) -> tuple[bytes, bytes]:
        """Return a log's kind and identity."""
        name = name_of(self.logs[log])
        return name[:1], name[1:]


def _put_right(
    told: list[bytes | bytearray],
    totals: list[int],
    at: dict[int, int],
    fixes: NDArray[np.record],
    logs: NDArray[np.int64],
) -> None:
    """Put numbers right in logs that were read together with the records; at: where in `told` a log is."""
    for fix, log in zip(fixes.tolist(), logs.tolist(), strict=True):
        index = at.get(log)
        if index is not None:
            _, _, end, _, field, value = fix
            here = len(told[index]) - (totals[index] - end) - RECORD_BYTES + field
            if isinstance(log_told := told[index], bytes):
                told[index] = log_told = bytearray(log_told)
            log_told[here : here + 4] = value.to_bytes(4, "little")
