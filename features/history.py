"""The same vectors over a history in delivery order: training sees what the stream would have seen, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from features.entities import COUNTERPARTIES, INBOUND, KINDS, OUTBOUND, PAYEE, PAYER, REPORTED
from features.measure.ingest import append_all
from features.measure.located import LOCATED
from features.measure.logs import NEVER, NONE, Logs
from features.measure.risk import MAX_REPORTS, REPORT_BYTES
from features.measure.vector import PROGRAM, vectors
from features.windows import BLOCK, SUPER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns

CHUNK = 8_192


@dataclass(frozen=True, slots=True)
class OutcomeReports:
    """Outcome reports on payments of the history, any order: columns of one length."""

    row: NDArray[np.int64]
    """The payment's row in the history."""
    reported_at: NDArray[np.int64]
    """Epoch milliseconds; offline a report is taken to have arrived at that time, `arrivals` says where that is."""
    fraud: NDArray[np.bool_]


def first_appearances(ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark the rows of uint64[n, 2] that appear for the first time: the payments that are no duplicates."""
    first = np.zeros(len(ids), dtype=np.bool_)
    if len(ids):
        _, rows = np.unique(np.ascontiguousarray(ids).view("V16").ravel(), return_index=True)
        first[rows] = True
    return first


def history_vectors(
    columns: PaymentColumns,
    outcomes: OutcomeReports | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return float32[n, f] and the feature states uint8[n] of distinct payments in delivery order.

    progress is called with the number of payments done so far.
    """
    identities = [getattr(columns, kind.name) for kind in KINDS]
    known, inverses, sizes = zip(
        *(np.unique(one, return_inverse=True, return_counts=True) for one in identities), strict=True
    )
    logs, firsts = _allocate(sizes)
    located = np.zeros(len(columns), dtype=LOCATED)
    for at, (kind, first) in enumerate(zip(KINDS, firsts, strict=True)):
        slots = inverses[at] + first
        if kind.optional:
            slots = np.where(identities[at] == 0, NONE, slots)
        located["slot"][:, at] = slots
        located["at"][:, at] = append_all(logs, slots, columns.rows, COUNTERPARTIES[at])
    payer, payee = KINDS.index(PAYER), KINDS.index(PAYEE)
    # A payment to oneself is among those received by then, and not among those paid out before.
    for part, other, whose, itself in ((INBOUND, payee, columns.payer, True), (OUTBOUND, payer, columns.payee, False)):
        slots = _slots_of(whose, known[other], firsts[other])
        located["slot"][:, part] = slots
        located["at"][:, part] = _records_by_then(located["slot"][:, other], slots, itself=itself)
    reports = _locate_reports(columns, outcomes, located)

    states = np.empty(len(columns), dtype=np.uint8)
    chunks = []
    for start in range(0, len(columns), CHUNK):
        rows = slice(start, start + CHUNK)
        values, states[rows] = vectors(logs, columns.take(rows), located[rows], reports)
        chunks.append(values)
        progress(min(start + CHUNK, len(columns)))
    if not chunks:
        return np.empty((0, len(PROGRAM)), dtype=np.float32), states
    return np.concatenate(chunks), states


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


def _slots_of(whose: NDArray[np.uint64], known: NDArray[np.uint64], first: int) -> NDArray[np.int64]:
    """Return the slot of each party's log in its other part; NONE where it never plays that.

    known: the identities that do, ascending, whose logs lie from slot `first` on.
    """
    found = np.searchsorted(known, whose)
    found[found == len(known)] = 0
    return np.where(known[found] == whose, found + first, NONE).astype(np.int64)


def _records_by_then(appended: NDArray[np.int64], slots: NDArray[np.int64], *, itself: bool) -> NDArray[np.int64]:
    """Count, for each row, the records that the log in its slot has by then, its own included or not.

    appended: the slot of the log that each row is appended to.
    """
    order = np.argsort(appended, kind="stable")
    width = np.int64(len(appended) + 1)
    keys = appended[order] * width + order  # ascending: by log, then by row
    wanted = slots * width + np.arange(len(slots))
    return np.where(
        slots == NONE,
        0,
        np.searchsorted(keys, wanted, side="right" if itself else "left")
        - np.searchsorted(keys, slots * width, side="left"),
    )


def arrivals(event_time: NDArray[np.int64], outcomes: OutcomeReports) -> NDArray[np.int64]:
    """Return the row before which each report arrives; the number of rows for one that no payment comes after.

    It arrives when the clock of the delivery, the latest event time so far, has passed its time: after the payments of
    that very time. And not before its own payment: no payment, and none delivered before it, can know its outcome,
    whatever time the report claims. A merged replay publishes it there (simulator/replay.py).
    """
    clock = np.maximum.accumulate(event_time)
    return np.maximum(outcomes.row + 1, np.searchsorted(clock, outcomes.reported_at, side="right"))


def _locate_reports(
    columns: PaymentColumns, outcomes: OutcomeReports | None, located: NDArray[np.record]
) -> NDArray[np.uint8]:
    """Lay out, for each payment, the reports on its entities that had arrived when it was delivered; return all bytes.

    They are read-only, as a store's are: kernels are compiled by the types of their arguments.
    """
    if outcomes is None or not len(outcomes.row):
        return np.frombuffer(b"", dtype=np.uint8)
    arrived = arrivals(columns.event_time, outcomes)
    content = np.empty((len(outcomes.row), 2), dtype="<u8")
    content[:, 0] = outcomes.reported_at.astype(np.uint64) | outcomes.fraud.astype(np.uint64) << np.uint64(48)
    content[:, 1] = columns.payment_id[outcomes.row]
    order = np.lexsort((outcomes.reported_at, arrived))
    _, first = np.unique(content[order], axis=0, return_index=True)  # set by content, as the store does
    order = order[np.sort(first)]
    parts: list[NDArray[np.uint8]] = []
    for which, kind in enumerate(REPORTED):
        identities = getattr(columns, KINDS[kind].name)
        about = identities[outcomes.row[order]]
        reports = order[about != 0]
        start, end, by_entity = _runs(identities, about[about != 0], arrived[reports])
        first_byte = sum(part.size for part in parts)
        parts.append(np.ascontiguousarray(content[reports[by_entity]]).view(np.uint8).ravel())
        located["reports_start"][:, which] = first_byte + start * REPORT_BYTES
        located["reports_end"][:, which] = first_byte + end * REPORT_BYTES
    return np.frombuffer(np.concatenate(parts).tobytes(), dtype=np.uint8)


def _runs(
    identities: NDArray[np.uint64], about: NDArray[np.uint64], arrived: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Sort reports by entity and arrival; return where each payment's run of the newest starts and ends, and the order.

    about, arrived: the entity of each report, and the row before which it arrived, ascending.
    """
    entities = np.unique(about)
    by_entity = np.argsort(about, kind="stable")
    width = np.int64(len(identities) + 1)
    keys = np.searchsorted(entities, about[by_entity]) * width + arrived[by_entity]
    entity = np.searchsorted(entities, identities)
    reported = np.isin(identities, entities)
    start = np.searchsorted(keys, entity * width, side="left")
    end = np.searchsorted(keys, entity * width + np.arange(len(identities)), side="right")
    start = np.maximum(start, end - MAX_REPORTS)
    return np.where(reported, start, 0), np.where(reported, end, 0), by_entity
