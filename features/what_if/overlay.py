"""Payments put behind the logs that were read, measured there, and taken back: the logs are as they were then."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit
from features.entities import COUNTERPARTIES, INBOUND, OUTBOUND
from features.measure.ingest import append
from features.measure.logs import LEVELS, NONE, Logs, kept_from
from features.measure.vector import put_vectors
from features.record import PARTY, RECORD_BYTES
from features.replica.locate import locate
from features.replica.table import Table, allocate, forget, make_room

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTERPARTY: Final = np.array(COUNTERPARTIES)


MEASURED, TOO_LARGE, CONTRADICTION = range(3)
"""What may come of it: the vectors; the logs do not fit in memory together; one log lacks what another has."""


class Asked(NamedTuple):
    """Payments that are asked about, a row each, and what is said of them."""

    payments: NDArray[np.record]
    """Of PAYMENT."""
    there: NDArray[np.bool_]
    """Those that are in their logs already."""
    log_of: NDArray[np.int64]
    """[n, positions or more]: which read is whose log."""
    lengths: NDArray[np.int64]
    """[n, positions]: of those that are there, as the store replied. Of the others filled in, as it would reply."""
    located: NDArray[np.record]
    """Of LOCATED, with where the outcome logs lie filled in."""
    vectors: NDArray[np.float32]
    state: NDArray[np.uint8]


@njit()
def measure_overlaid(  # type: ignore[no-untyped-def]
    table: Table, logs: Logs, asked: Asked, reads, reports, kept_since, in_sequence, scratch
):  # fmt: skip
    """Measure payments as if they came now: each alone, or in sequence. In the end the logs are as they were.

    reads: of READING, with slots. reports: the bytes of outcome logs. kept_since: as `locate` has it. Returns MEASURED,
    TOO_LARGE or CONTRADICTION.
    """
    if not _open_logs(table, logs, asked, reads, in_sequence):
        return TOO_LARGE
    found, n = MEASURED, len(asked.payments)
    before = np.empty((n, INBOUND, 2), dtype=np.int64)
    for row in range(n):
        this, new = slice(row, row + 1), not asked.there[row]
        if new:
            _append(logs, asked, row, reads, before[row])
        payment, located = asked.payments[this], asked.located[this]
        log_of, lengths = asked.log_of[this], asked.lengths[this]
        if locate(logs.slots, logs.event_time, payment, log_of, lengths, reads, kept_since, located):
            put_vectors(logs, payment, located, reports, scratch, asked.vectors[this], asked.state[this])
        else:
            found = CONTRADICTION
        if new and not in_sequence:
            _take_back(logs, asked.log_of[row], reads, before[row])
    if in_sequence:
        for row in range(n - 1, -1, -1):
            if not asked.there[row]:
                _take_back(logs, asked.log_of[row], reads, before[row])
    _close_logs(table, reads)
    return found


@njit()
def _open_logs(table, logs, asked, reads, in_sequence):  # type: ignore[no-untyped-def]
    """Make room behind the logs for payments that are not there yet; an entity without a log gets one."""
    more = np.zeros(len(reads), dtype=np.int64)
    for row in range(len(asked.payments)):
        for kind in range(INBOUND):
            k = asked.log_of[row, kind]
            if k != NONE and not asked.there[row]:
                more[k] = more[k] + 1 if in_sequence else 1
    for k in range(len(reads)):
        read = reads[k]
        if more[k] == 0:
            continue
        if read.slot == NONE:
            read.slot = allocate(table, logs, read.kind, read.identity, more[k])
            if read.slot == NONE:
                return False
        else:
            log = table.slots[read.slot]
            if not make_room(table, logs, read.slot, log.length - log.folded + more[k]):
                return False
    return True


@njit(inner=True)
def _close_logs(table, reads):  # type: ignore[no-untyped-def]
    """Drop the logs that were opened for payments alone."""
    for k in range(len(reads)):
        if reads[k].slot != NONE and table.slots[reads[k].slot].length == 0:
            forget(table, reads[k].slot)
            reads[k].slot = NONE


@njit(inner=True)
def _append(logs, asked, row, reads, before):  # type: ignore[no-untyped-def]
    """Append a payment as the store does: the payer's log comes last, and keeps what he had received by then."""
    payment, log_of, lengths = asked.payments[row], asked.log_of[row], asked.lengths[row]
    paid_out = log_of[OUTBOUND]
    slot = NONE if paid_out == NONE else reads[paid_out].slot
    lengths[OUTBOUND] = 0 if slot == NONE else logs.slots[slot].length
    for other in range(1, INBOUND + 1):
        kind = other % INBOUND
        if kind == 0:
            received = log_of[INBOUND]
            slot = NONE if received == NONE else reads[received].slot
            lengths[INBOUND] = 0 if slot == NONE else logs.slots[slot].length
        k = log_of[kind]
        if k == NONE:
            lengths[kind] = 0
            continue
        log = logs.slots[reads[k].slot]
        before[kind, 0], before[kind, 1] = log.length, log.clock
        lengths[kind] = reads[k].header + (log.length + 1 - reads[k].folded) * RECORD_BYTES
        party = np.int64(payment.identity[COUNTERPARTY[kind]] & PARTY)
        append(logs, reads[k].slot, payment.event_time, payment.amount_paise, party, payment.place)  # type: ignore[arg-type]


@njit(inner=True)
def _take_back(logs, log_of, reads, before):  # type: ignore[no-untyped-def]
    """Make the logs what they were; records and summaries beyond their ends are nobody's."""
    for kind in range(INBOUND):
        k = log_of[kind]
        if k == NONE:
            continue
        log = logs.slots[reads[k].slot]
        log.length, log.clock = before[kind, 0], before[kind, 1]
        if log.block_at == NONE:
            continue
        first = kept_from(log.block_at)
        for row in range(first, first + LEVELS):  # what was kept of a block that the payment filled
            if logs.kept_key[row, 0] > log.length:
                logs.kept_key[row, 0] = 0
