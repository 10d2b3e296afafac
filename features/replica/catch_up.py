"""Bringing replicas up to what the store replied: records it told of, and those that the worker itself appended."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit
from features.measure.ingest import RECORD_WORDS, append, append_raw
from features.measure.logs import NONE
from features.record import RECORD_BYTES
from features.replica.table import BATCH, HITS, MISSES, Table, find, forget, make_room, place, read_identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.replica.reads import Reads

DONE, OWN, LOST, FOLDED = range(4)
"""What is left to do for a log: nothing, to append what the worker appended to the store, to fetch it whole, to read
the header that it begins with."""

_TIME_BITS, _AMOUNT_BITS, _COUNTERPARTY_BITS, _KIND_BITS = np.uint64(48), np.uint64(16), np.uint64(24), np.uint64(32)
_COUNTERPARTY: Final = np.uint64((1 << 40) - 1)


@njit()
def catch_up(table: Table, it: Reads, wanted: NDArray[np.bool_]) -> bool:
    """Bring the wanted logs up to date as far as the store told of them, and make room in the others.

    False if they do not fit in memory together.
    """
    for k in range(len(wanted)):
        if not wanted[k]:
            continue
        it.slots[k], it.left[k] = NONE, DONE
        slot = find(table, it.reads[k, 0], read_identity(it.reads, k))
        if slot != NONE:
            log = table.logs.slots[slot]
            log.used, log.batch = 1, max(log.batch, table.state[BATCH])
            # Nothing is there, or nothing but what this micro-batch appended: the replica is of a log that expired.
            if it.totals[k] == 0 or (it.known[k] == 0 and not it.told[k]):
                forget(table, slot)
                slot = NONE
        if it.totals[k] > 0 and not (_read_on(table, it, k, slot) if it.told[k] else _prepare(table, it, k, slot)):
            return False
    return True


@njit()
def _prepare(table: Table, it: Reads, k: int, slot: int) -> bool:
    """Make room for what the worker itself appended to a log of which it knows all else."""
    if slot == NONE and it.known[k] == 0:
        slot = place(table, it.reads[k, 0], read_identity(it.reads, k), it.totals[k] // RECORD_BYTES)
        if slot == NONE:
            return False
    if slot == NONE or table.logs.slots[slot].folded > 0 or table.logs.slots[slot].length < it.known[k]:
        it.left[k] = LOST
        return True
    it.slots[k], it.left[k] = slot, OWN
    return make_room(table, slot, it.totals[k] // RECORD_BYTES)


@njit()
def _read_on(table: Table, it: Reads, k: int, slot: int) -> bool:
    """Append the records that were told of and are not known; where none is known to match, begin anew."""
    whole, at = it.ends[k] - it.starts[k] >= it.totals[k], it.starts[k] // 8
    first = 0 if whole else it.known[k] - 1  # the position of the first record told of, which lies at word `at`
    folded = it.totals[k] % RECORD_BYTES != 0
    if folded:
        it.header[k], it.base[k] = np.int64(it.words[at] >> np.uint64(32)), np.int64(it.words[at + 1])
        at += it.header[k] // 8 if whole else 2
        first = it.base[k] if whole else first
    if slot != NONE:
        start = _behind_known(table, it, k, slot, at, first)
        if start != NONE:
            it.slots[k] = slot
            table.state[HITS] += 1
            return _append(table, it, k, slot, start)
    if not whole:
        it.left[k] = LOST
        return True
    table.state[MISSES] += 1
    if slot != NONE:
        forget(table, slot)
    if folded:
        it.left[k] = FOLDED
        return True
    it.slots[k] = place(table, it.reads[k, 0], read_identity(it.reads, k), it.totals[k] // RECORD_BYTES)
    return it.slots[k] != NONE and _append(table, it, k, it.slots[k], it.starts[k])


@njit()
def _behind_known(table: Table, it: Reads, k: int, slot: int, at: int, first: int) -> int:
    """Return where what is not known begins, in bytes; NONE if the replica's last record does not stand where it must.

    The replica may have got more since the log was read.
    """
    log = table.logs.slots[slot]
    last = at + (log.length - 1 - first) * RECORD_WORDS
    if log.folded != it.base[k] or last < at or 8 * (last + RECORD_WORDS) > it.ends[k]:
        return NONE
    for word in range(RECORD_WORDS):
        if it.words[last + word] != log.last[word]:
            return NONE
    return int(8 * (last + RECORD_WORDS))


@njit()
def _append(table: Table, it: Reads, k: int, slot: int, start: int) -> bool:
    log = table.logs.slots[slot]
    if not make_room(table, slot, log.length - log.folded + (it.ends[k] - start) // RECORD_BYTES):
        return False
    append_raw(table.logs, slot, start, it.ends[k], it.words)
    log.seen = max(log.seen, log.length)
    return True


@njit()
def append_own(  # type: ignore[no-untyped-def]
    table, it, payer, payee, event_time, amount_paise, payment_id, place_of, kind, of, lengths
):  # fmt: skip
    """Append the payments of a micro-batch to the logs for which that is left to do.

    of: [4, n], which log is whose; lengths: [n, 4], bytes of the first three just behind the payment. A log that is not
    as long in the end as the store said is LOST. Returns how many are.
    """
    logs = table.logs
    for row in range(len(payer)):
        for part in range(3):
            k = of[part, row]
            if k == NONE or it.left[k] != OWN:
                continue
            slot = it.slots[k]
            log = logs.slots[slot]
            if lengths[row, part] != (log.length + 1) * RECORD_BYTES:
                continue
            other = (payee[row] if part == 0 else payer[row]) & _COUNTERPARTY
            append(logs, slot, event_time[row], amount_paise[row], np.int64(other), place_of[row])  # type: ignore[arg-type]
            amount = np.uint64(amount_paise[row])
            log.last[0] = np.uint64(event_time[row]) | amount << _TIME_BITS
            log.last[1] = amount >> _AMOUNT_BITS | other << _COUNTERPARTY_BITS
            log.last[2] = payment_id[row]
            more = np.uint64(lengths[row, 3]) if part == 0 else np.uint64(kind[row])
            log.last[3] = np.uint64(place_of[row]) | more << _KIND_BITS
    lost = 0
    for k in range(len(it.left)):
        if it.left[k] == OWN:
            log = logs.slots[it.slots[k]]
            it.left[k] = DONE
            if log.length * RECORD_BYTES != it.totals[k]:
                it.left[k], it.slots[k] = LOST, NONE
            else:
                table.state[HITS] += log.seen > 0
                log.seen = max(log.seen, log.length)
        lost += it.left[k] == LOST
    return lost
