"""The logs of some entities measured by themselves: of all of a history, or of one bucket of many.

A payment is measured over the logs of three entities, and what is measured over one says nothing of the others. So a
history may be cut by entities: whoever has all payments of an entity, in delivery order, has its features of each of
them. A bucket takes its payments in chunks and keeps 28 bytes of each in the logs, so it may be larger than what else
is held of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from features.entities import INBOUND, KINDS, OUTBOUND, PAYEE, PAYER, REPORTED
from features.measure.ingest import append_rows
from features.measure.known import Known
from features.measure.located import LOCATED
from features.measure.logs import NEVER, NONE, Logs
from features.measure.risk import MAX_REPORTS, REPORT_BYTES
from features.measure.vector import vectors
from features.windows import BLOCK, SUPER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns

_WIDTH: Final = np.int64(1 << 36)
"""More than a history has rows, and less than leaves no room for the number of a log."""
_PAYER, _PAYEE = KINDS.index(PAYER), KINDS.index(PAYEE)


@dataclass(frozen=True, slots=True)
class ArrivedReports:
    """Outcome reports, each set once by content: columns of one length."""

    arrived: NDArray[np.int64]
    """The row before which it arrived."""
    reported_at: NDArray[np.int64]
    """Epoch milliseconds."""
    fraud: NDArray[np.bool_]
    order: NDArray[np.int64]
    """Where it stood among all reports: of two that arrived and were made at one time, which came first."""
    payment_id: NDArray[np.uint64]
    about: NDArray[np.uint64]
    """[n, reported kinds]: the payment's entities; 0 where it has none."""

    def __len__(self) -> int:
        return len(self.arrived)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the given reports, in the order given."""
        return type(self)(
            self.arrived[rows],
            self.reported_at[rows],
            self.fraud[rows],
            self.order[rows],
            self.payment_id[rows],
            self.about[rows],
        )


class Census:
    """Counts the payments of each entity, so that each log gets just the room it needs."""

    def __init__(self) -> None:
        self.known = tuple(Known() for _ in KINDS)

    def count(self, identity: NDArray[np.uint64], mine: NDArray[np.bool_]) -> None:
        """Count payments by their entities uint64[n, kinds]; `mine`, of that shape, says which are of the bucket."""
        for kind, known in enumerate(self.known):
            known.count(identity[mine[:, kind], kind])


class Bucket:
    """Measures payments over the logs of the entities that were counted, in the same order and chunk by chunk."""

    def __init__(self, census: Census, reports: ArrivedReports | None = None) -> None:
        self._known = census.known
        self._logs, self._firsts = _allocate([known.counts for known in census.known])
        self._runs = [] if reports is None or not len(reports) else self._lay_out(reports)
        joined = b"".join(run.content for run in self._runs)
        # Read-only, as a store's are: kernels are compiled by the types of their arguments.
        self._reports = np.frombuffer(joined, dtype=np.uint8)

    def measure(
        self, columns: PaymentColumns, rows: NDArray[np.int64], mine: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return float32[n, f] and the feature states uint8[n] of the next payments, as far as they are `mine`.

        rows: their rows in the history, ascending. Of an entity that is another bucket's, the payment is taken to be
        the first: what is measured of it, and its part in the state, means nothing.
        """
        located = np.zeros(len(columns), dtype=LOCATED)
        for kind, identity in enumerate(columns.rows["identity"].T):
            located["slot"][:, kind] = self._slots(identity, kind, mine[:, kind])
        located["slot"][:, INBOUND] = self._slots(columns.payer, _PAYEE, mine[:, _PAYER])
        located["slot"][:, OUTBOUND] = self._slots(columns.payee, _PAYER, mine[:, _PAYEE])
        for which, run in enumerate(self._runs):
            start, end = run.of(located["slot"][:, REPORTED[which]], rows)
            located["reports_start"][:, which] = start
            located["reports_end"][:, which] = end
        append_rows(self._logs, columns.rows, located)
        return vectors(self._logs, columns, located, self._reports)

    def _slots(self, identity: NDArray[np.uint64], kind: int, mine: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the slot of each one's log of a kind; NONE where there is none, or it is not the bucket's."""
        slots = self._known[kind].find(np.ascontiguousarray(identity))
        return np.where(mine & (slots != NONE), slots + self._firsts[kind], NONE)

    def _lay_out(self, reports: ArrivedReports) -> list[_Run]:
        runs: list[_Run] = []
        for which, kind in enumerate(REPORTED):
            about = reports.about[:, which]
            slots = self._slots(about, kind, about != 0)
            its_own = np.flatnonzero(slots != NONE)
            runs.append(_Run.make(slots[its_own], reports.take(its_own), sum(len(run.content) for run in runs)))
        return runs


@dataclass(frozen=True, slots=True)
class _Run:
    """The reports of one kind, by log and arrival."""

    keys: NDArray[np.int64]
    content: bytes
    first_byte: int
    reported: NDArray[np.int64]
    """The slots that have any, ascending."""

    @classmethod
    def make(cls, slots: NDArray[np.int64], reports: ArrivedReports, first_byte: int) -> Self:
        """Sort reports, whose logs are in these slots."""
        by_log = np.lexsort((reports.order, reports.reported_at, reports.arrived, slots))
        content = np.empty((len(slots), 2), dtype="<u8")
        content[:, 0] = reports.reported_at.astype(np.uint64) | reports.fraud.astype(np.uint64) << np.uint64(48)
        content[:, 1] = reports.payment_id
        keys = slots * _WIDTH + reports.arrived
        return cls(keys[by_log], content[by_log].tobytes(), first_byte, np.unique(slots))

    def of(self, slots: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the bytes from and to which the newest reports lie that had arrived when each row was delivered."""
        start, end = (np.zeros(len(slots), dtype=np.int64) for _ in range(2))
        found = np.searchsorted(self.reported, slots)
        found[found == len(self.reported)] = 0
        have = np.flatnonzero(self.reported[found] == slots) if len(self.reported) else np.empty(0, dtype=np.intp)
        first = np.searchsorted(self.keys, slots[have] * _WIDTH, side="left")
        behind = np.searchsorted(self.keys, slots[have] * _WIDTH + rows[have], side="right")
        start[have] = self.first_byte + np.maximum(first, behind - MAX_REPORTS) * REPORT_BYTES
        end[have] = self.first_byte + behind * REPORT_BYTES
        return start, end


def _allocate(sizes: Sequence[NDArray[np.int64]]) -> tuple[Logs, list[int]]:
    """Lay the logs of all entities out one behind the other, each with room for just its records."""
    counts = np.concatenate(sizes)
    ends = np.cumsum(counts)
    blocks = counts // BLOCK
    supers = blocks // SUPER
    logs = Logs.make(
        records=int(counts.sum()), slots=len(counts), blocks=int(blocks.sum()), supers=int(supers.sum()), panes=0
    )
    logs.slots["at"] = ends - counts
    for clock in ("base_clock", "older_clock", "clock", "born"):
        logs.slots[clock] = NEVER
    logs.slots["block_at"] = np.where(blocks > 0, np.cumsum(blocks) - blocks, NONE)
    logs.slots["super_at"] = np.where(supers > 0, np.cumsum(supers) - supers, NONE)
    return logs, [0, *accumulate(len(size) for size in sizes[:-1])]
