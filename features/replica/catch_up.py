"""Bringing replicas up to date: with the records of the reply, and with those that the worker itself appended."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from features.entities import COUNTERPARTIES, INBOUND, OUTBOUND
from features.measure.ingest import append, append_raw
from features.measure.logs import NONE, Logs
from features.record import PARTY, RECORD_BYTES, RECORD_WORDS, put_others_record, put_record
from features.replica.table import BATCH, HITS, MISSES, MOST_USED, Table, allocate, find_again, forget, make_room

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.replica.reads import Reads

DONE, OWN, LOST, FOLDED, AGED = range(5)
"""What is left to do for a log: nothing, to append what the worker appended to the store, to fetch it whole, to read
the header that it begins with, to push its expiry out."""

TOO_LARGE, ODD = -1, -2
"""Of `catch_up`: the logs do not fit in memory together; the store holds one of a length that none can have."""
SOME_LOST, SOME_FOLDED = 1, 2
"""Else: which of these are left to do."""

COUNTERPARTY: Final = np.array(COUNTERPARTIES)


@njit()
def catch_up(  # type: ignore[no-untyped-def]
    table: Table, logs: Logs, reads: Reads, wanted, anew, payments, log_of, lengths
):  # fmt: skip
    """Bring the wanted logs up to date; return what is left to do, TOO_LARGE or ODD.

    anew: nothing was done yet for any log. log_of: [n, positions], which log is whose; lengths: [n, positions], bytes
    of each just behind the payment.
    """
    for k in range(len(wanted)):
        read = reads.rows[k]
        if not wanted[k]:
            if anew:
                read.slot, read.left = NONE, DONE
            continue
        if read.total % (RECORD_BYTES // 2) != 0:
            return ODD
        slot = find_again(table, read)
        read.slot, read.left = NONE, DONE
        if slot != NONE:
            log = table.slots[slot]
            log.used, log.batch = MOST_USED if log.folded > 0 else 1, max(log.batch, table.state[BATCH])
            # Nothing is there, or nothing but what this micro-batch appended: the replica is of a log that expired.
            if read.total == 0 or (read.known == 0 and not read.in_reply):
                forget(table, slot)
                slot = NONE
        if read.total > 0 and not (
            _read_on(table, logs, read, reads.words, slot) if read.in_reply else _prepare(table, logs, read, slot)
        ):
            return TOO_LARGE
    return _append_own(logs, table.state, reads.rows, payments, log_of, lengths)


@njit(inner=True)
def _prepare(table: Table, logs: Logs, read: np.record, slot: int) -> bool:
    """Make room for what the worker itself appended to a log of which it knows all else."""
    records = read.total // RECORD_BYTES
    if slot == NONE and read.known == 0:
        slot = allocate(table, logs, read.kind, read.identity, records)
        if slot == NONE:
            return False
    if slot == NONE or table.slots[slot].folded > 0 or table.slots[slot].length < read.known:
        read.left = LOST
        return True
    read.slot, read.left = slot, OWN
    return make_room(table, logs, slot, records)


@njit(inner=True)
def _read_on(table: Table, logs: Logs, read: np.record, words: NDArray[np.uint64], slot: int) -> bool:
    """Append the records of the reply that are not known; where none is known to match, begin anew."""
    if read.end == read.start:  # it did not fit into the reply
        read.left = LOST
        return True
    whole, at = read.end - read.start >= read.total, read.start // 8
    first = 0 if whole else read.known - 1  # the position of the first record of the reply, which lies at word `at`
    folded = read.total % RECORD_BYTES != 0
    if folded:
        read.header, read.folded = np.int64(words[at] >> np.uint64(32)), np.int64(words[at + 1])
        at += read.header // 8 if whole else 2
        first = read.folded if whole else first
    start = read.start
    if slot != NONE:
        behind = _behind_known(table.slots[slot], read, words, at, first)
        if behind == NONE:
            if whole:
                forget(table, slot)
            slot = NONE
        else:
            start = behind
            table.state[HITS] += 1
    if slot == NONE:
        if not whole:
            read.left = LOST
            return True
        table.state[MISSES] += 1
        if folded:
            read.left = FOLDED
            return True
        slot = allocate(table, logs, read.kind, read.identity, read.total // RECORD_BYTES)
        if slot == NONE:
            return False
    read.slot = slot
    log = table.slots[slot]
    if not make_room(table, logs, slot, log.length - log.folded + (read.end - start) // RECORD_BYTES):
        return False
    append_raw(logs, slot, start, read.end, words)
    log.seen = max(log.seen, log.length)
    return True


@njit(inner=True)
def _behind_known(log: np.record, read: np.record, words: NDArray[np.uint64], at: int, first: int) -> int:
    """Return where what is not known begins, in bytes; NONE if the replica's last record does not stand where it must.

    The replica may have got more since the log was read.
    """
    last = at + (log.length - 1 - first) * RECORD_WORDS
    if log.folded != read.folded or last < at or 8 * (last + RECORD_WORDS) > read.end:
        return NONE
    for word in range(RECORD_WORDS):
        if words[last + word] != log.last[word]:
            return NONE
    return int(8 * (last + RECORD_WORDS))


@njit(inner=True)
def _append_own(logs, state, rows, payments, log_of, lengths):  # type: ignore[no-untyped-def]
    """Append the payments of a micro-batch to the logs for which that is left to do; return what is left then.

    A log that is not as long in the end as the store said is LOST.
    """
    for row in range(len(payments)):
        payment = payments[row]
        for part in range(INBOUND):
            k = log_of[row, part]
            if k == NONE or rows[k].left != OWN:
                continue
            log = logs.slots[rows[k].slot]
            if lengths[row, part] != (log.length + 1) * RECORD_BYTES:
                continue
            party = payment.identity[COUNTERPARTY[part]]
            append(logs, rows[k].slot, payment.event_time, payment.amount_paise, np.int64(party & PARTY), payment.place)  # type: ignore[arg-type]
            if part == 0:
                put_record(log.last, payment, party, lengths[row, INBOUND])
            else:
                put_others_record(log.last, payment, party, lengths[row, OUTBOUND])
    left = 0
    for k in range(len(rows)):
        read = rows[k]
        if read.left == OWN:
            log = logs.slots[read.slot]
            read.left = DONE
            if log.length * RECORD_BYTES != read.total:
                read.left, read.slot = LOST, NONE
            else:
                state[HITS] += log.seen > 0
                log.seen = max(log.seen, log.length)
        if read.left == LOST:
            left |= SOME_LOST
        elif read.left == FOLDED:
            left |= SOME_FOLDED
    return left
