"""The same vectors over a history in delivery order: training sees what the stream would have seen, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.ingest import append_columns
from features.logs import NONE, Logs
from features.risk import REPORT_BYTES, pack_report
from features.vector import Places, Reports, vectors
from features.windows import BLOCK, SUPER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from features.columns import PaymentColumns

CHUNK = 8_192


@dataclass(frozen=True, slots=True)
class OutcomeReports:
    """Outcome reports on payments of the history, any order: columns of one length."""

    row: NDArray[np.int64]
    """The payment's row in the history."""
    reported_at: NDArray[np.int64]
    """Epoch milliseconds; offline a report is taken to have arrived at that time."""
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
    entities, sizes = [], []
    for identities in (columns.payer, columns.payee, columns.device):
        known, inverse, counts = np.unique(identities, return_inverse=True, return_counts=True)
        entities.append((known, inverse))
        sizes.append(counts)
    logs, firsts = _allocate(sizes)
    slots = [inverse + first for (_, inverse), first in zip(entities, firsts, strict=True)]
    slots[2] = np.where(columns.device == 0, NONE, slots[2])
    inbound = _inbound_slots(columns, entities[1][0], firsts[1])

    counterparties = (columns.payee, columns.payer, columns.payer)
    positions = [
        append_columns(logs, slot, columns.event_time, columns.amount_paise, counterparty, columns.place)
        for slot, counterparty in zip(slots, counterparties, strict=True)
    ]
    upto = _received_before(slots[1], inbound)
    reports = _reports(columns, outcomes)

    states = np.empty(len(columns), dtype=np.uint8)
    chunks = []
    for start in range(0, len(columns), CHUNK):
        rows = slice(start, start + CHUNK)
        places = Places(
            slots[0][rows], positions[0][rows], slots[1][rows], positions[1][rows], slots[2][rows], positions[2][rows],
            inbound[rows], upto[rows],
        )  # fmt: skip
        part = columns.take(rows)
        risk = Reports(reports.raw, *(run[rows] for run in reports[1:]))
        values, states[rows] = vectors(logs, part, places, risk, np.zeros(len(part), dtype=np.bool_))
        chunks.append(values)
        progress(min(start + CHUNK, len(columns)))
    if not chunks:
        return np.empty((0, 0), dtype=np.float32), states
    return np.concatenate(chunks), states


def _allocate(sizes: list[NDArray[np.int64]]) -> tuple[Logs, list[int]]:
    """Lay the logs of all entities out one behind the other, each with room for just its records."""
    counts = np.concatenate(sizes)
    ends = np.cumsum(counts)
    blocks = counts // BLOCK
    supers = blocks // SUPER
    logs = Logs.make(
        records=int(counts.sum()), slots=len(counts), blocks=int(blocks.sum()), supers=int(supers.sum()), panes=0
    )
    logs.at[:] = ends - counts
    logs.base_clock[:] = logs.older_clock[:] = logs.clock[:] = logs.born[:] = np.int64(-(2**62))
    logs.block_at[:] = np.where(blocks > 0, np.cumsum(blocks) - blocks, NONE)
    logs.super_at[:] = np.where(supers > 0, np.cumsum(supers) - supers, NONE)
    firsts = [0, len(sizes[0]), len(sizes[0]) + len(sizes[1])]
    return logs, firsts


def _inbound_slots(columns: PaymentColumns, payees: NDArray[np.uint64], first: int) -> NDArray[np.int64]:
    """Return the slot of each payer's own log as a payee; NONE where he never receives anything."""
    found = np.searchsorted(payees, columns.payer)
    found[found == len(payees)] = 0
    return np.where(payees[found] == columns.payer, found + first, NONE).astype(np.int64)


def _received_before(payee_slots: NDArray[np.int64], inbound: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count, for each row, the records of its inbound log up to and including the row itself."""
    order = np.argsort(payee_slots, kind="stable")
    width = np.int64(len(payee_slots) + 1)
    keys = payee_slots[order] * width + order  # ascending: by log, then by row
    wanted = inbound * width + np.arange(len(inbound))
    return np.where(
        inbound == NONE,
        0,
        np.searchsorted(keys, wanted, side="right") - np.searchsorted(keys, inbound * width, side="left"),
    )


def _reports(columns: PaymentColumns, outcomes: OutcomeReports | None) -> Reports:
    """Lay out, for each payment, the reports on earlier payments of its payee and of its device."""
    if outcomes is None or not len(outcomes.row):
        nothing = np.zeros(len(columns), dtype=np.int64)
        return Reports(np.zeros(0, dtype=np.uint8), nothing, nothing, nothing, nothing)
    order = np.argsort(outcomes.reported_at, kind="stable")
    raw = bytearray()
    runs = []
    for identities in (columns.payee, columns.device):
        start, end = _runs(columns, identities, outcomes, order, raw)
        runs += [start, end]
    return Reports(np.frombuffer(bytes(raw), dtype=np.uint8), *runs)


def _runs(
    columns: PaymentColumns,
    identities: NDArray[np.uint64],
    outcomes: OutcomeReports,
    order: NDArray[np.intp],
    raw: bytearray,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Append each reported entity's log to raw; return where each payment's runs start and end."""
    by_entity: dict[int, list[int]] = {}
    for index in order.tolist():
        entity = int(identities[outcomes.row[index]])
        if entity:
            by_entity.setdefault(entity, []).append(index)
    start = np.zeros(len(columns), dtype=np.int64)
    end = np.zeros(len(columns), dtype=np.int64)
    touched = np.flatnonzero(np.isin(identities, np.fromiter(by_entity, dtype=np.uint64, count=len(by_entity))))
    spans: dict[int, tuple[int, int]] = {}
    for entity, indices in by_entity.items():
        at = len(raw)
        for index in indices:
            payment_id = int(columns.payment_id[outcomes.row[index]])
            raw += pack_report(int(outcomes.reported_at[index]), int(outcomes.fraud[index]), payment_id)
        spans[entity] = (at, len(indices))
    times = {entity: outcomes.reported_at[indices] for entity, indices in by_entity.items()}
    for row in touched.tolist():
        entity = int(identities[row])
        at, _ = spans[entity]
        arrived = int(np.searchsorted(times[entity], columns.event_time[row], side="right"))
        start[row], end[row] = at, at + arrived * REPORT_BYTES
    return start, end
