"""Payments put behind the logs that were read, measured there, and taken back: the logs are as they were then."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from features.entities import COUNTERPARTIES, INBOUND
from features.measure.ingest import append
from features.measure.logs import LEVELS, NEVER, NONE, Logs
from features.measure.vector import put_vectors
from features.record import PARTY, RECORD_BYTES
from features.replica.locate import locate
from features.replica.table import Table, allocate, forget, make_room
from features.windows import BLOCK, HORIZON

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTERPARTY: Final = np.array(COUNTERPARTIES)


@njit()
def open_logs(  # type: ignore[no-untyped-def]
    table: Table, logs: Logs, reads, log_of, there, in_sequence
):  # fmt: skip
    """Make room behind the logs for the payments that are not there yet; those that are no logs yet get one.

    reads: of READING, with slots. log_of: [n, positions], which of them is whose. there: [n], payments that are in
    their logs. False if they do not fit in memory together.
    """
    more = np.zeros(len(reads), dtype=np.int64)
    for row in range(len(log_of)):
        for kind in range(INBOUND):
            if log_of[row, kind] != NONE and not there[row]:
                more[log_of[row, kind]] += 1
    for k in range(len(reads)):
        read = reads[k]
        if more[k] == 0:
            continue
        if not in_sequence:
            more[k] = 1
        if read.slot == NONE:
            read.slot = allocate(table, logs, read.kind, read.identity, more[k])
            if read.slot == NONE:
                return False
        else:
            log = table.slots[read.slot]
            if not make_room(table, logs, read.slot, log.length - log.folded + more[k]):
                return False
    return True


@njit()
def close_logs(table: Table, reads: NDArray[np.record]) -> None:
    """Drop the logs that were opened for payments alone."""
    for k in range(len(reads)):
        if reads[k].slot != NONE and table.slots[reads[k].slot].length == 0:
            forget(table, reads[k].slot)
            reads[k].slot = NONE


@njit()
def measure_overlaid(  # type: ignore[no-untyped-def]
    logs, payments, there, log_of, lengths, reads, kept_since, located, aged, reports, scratch, before, in_sequence,
    out, state
):  # fmt: skip
    """Measure payments as if they came now: each alone, or in sequence; False where the logs contradict each other.

    Those that are `there` are measured where they are. lengths: [n, positions], as the store replied of these; filled
    in for the others as it would reply. before: int64[n, kinds, 2] to work in. All else as `locate` and `put_vectors`
    have it. In the end the logs are as they were.
    """
    agree = True
    for row in range(len(payments)):
        if not there[row]:
            _append(logs, payments[row], log_of[row], reads, lengths[row], before[row])
        one = located[row : row + 1]
        payment = payments[row : row + 1]
        agree = locate(logs, payment, log_of[row : row + 1], lengths[row : row + 1], reads, kept_since, one, aged)
        if agree:
            put_vectors(logs, payment, one, reports, scratch, out[row : row + 1], state[row : row + 1])
        if not (there[row] or in_sequence):
            _take_back(logs, log_of[row], reads, before[row])
        if not agree:
            break
    if in_sequence:
        for behind in range(len(payments)):
            row = len(payments) - 1 - behind
            if not there[row] and lengths[row, 0] > 0:
                _take_back(logs, log_of[row], reads, before[row])
    return agree


@njit()
def _append(logs, payment, log_of, reads, lengths, before):  # type: ignore[no-untyped-def]
    """Append a payment as the store does: his own log comes last, and keeps what the payer had received by then."""
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


@njit()
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
        first = log.block_at * LEVELS
        for row in range(first, first + LEVELS):  # what was kept of a block that the payment filled
            if logs.kept_key[row, 0] > log.length:
                logs.kept_key[row, 0] = 0


@njit()
def perhaps_there(  # type: ignore[no-untyped-def]
    logs, payments, log_of, reads, perhaps, folded
):  # fmt: skip
    """Mark payments that may be in their payer's log: `perhaps` among its records, `folded` among those folded away.

    Replicas keep no ids, so a record of the same amount, payee and time is looked up in the store. In a dense log that
    time may have been moved up, to at least the horizon behind the clock.
    """
    for row in range(len(payments)):
        payment, k = payments[row], log_of[row, 0]
        perhaps[row] = folded[row] = False
        if reads[k].slot != NONE:
            log = logs.slots[reads[k].slot]
            folded[row] = log.folded > 0 and payment.event_time <= log.base_clock
            perhaps[row] = _has_like(logs, log, payment, np.int64(payment.identity[COUNTERPARTY[0]] & PARTY))


@njit()
def _has_like(logs, log, payment, payee):  # type: ignore[no-untyped-def]
    event_time, count = payment.event_time, log.length - log.folded
    moved_to = log.clock - HORIZON if log.length >= 2 * BLOCK else NEVER
    for row in range(log.at, log.at + count):
        if logs.amount[row] == payment.amount_paise and logs.counterparty[row] == payee:
            time = logs.event_time[row]
            if time == event_time or event_time < time <= moved_to:
                return True
    return False
