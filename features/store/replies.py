"""What the replies to plain commands say: where payments are, what is to be put right, what has to be read further."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Final

import numpy as np

from features.compiled import njit, row_dtype
from features.entities import INBOUND, OUTBOUND, PAYEE, PAYER, POSITIONS
from features.measure.logs import NONE
from features.record import PAID_OUT_AT, RECEIVED_AT, RECORD_BYTES
from features.store.commands import is_folded, is_whole, remembered

FIX: Final = row_dtype(
    [
        ("kind", "u1"), ("identity", "<u8"), ("end", "<u4"), ("same", "<u8", (3,)), ("field", "u1"), ("value", "<u4"),
    ],
    packed=True,
)  # fmt: skip
"""A number in a record that is to be put right: the log, the byte just behind the record, its first 24 bytes, where in
it the number stands, and what it is."""

_PAYER, _PAYEE = PAYER.letter[0], PAYEE.letter[0]


@njit()
def take(logs, numbers, sizes):  # type: ignore[no-untyped-def]
    """Fill in how long the logs are; return how many have a header, and how many not appended to are there."""
    taken = whole = folded = there = 0
    for k in range(len(logs)):
        log = logs[k]
        if is_whole(log):
            log.total = sizes[whole]
            there += log.appended == 0 and sizes[whole] > 0
            whole += 1
        elif log.appended == 0:
            log.total = numbers[taken]
            taken += 1
    for k in range(len(logs)):
        log = logs[k]
        if log.appended > 0:
            log.total = numbers[taken]
            taken += 1
        folded += log.total % RECORD_BYTES != 0
    return folded, there


@njit()
def settle(  # type: ignore[no-untyped-def]
    entries, room, logs, which, rank, positions, fixes, fixed_logs, told, again
):  # fmt: skip
    """Say where payments are, what to put right, which logs are told of (read, length, source, log), and which are not.

    fixed_logs: which logs what is put right is in. source: which of the logs that were read whole; -1 - n: which of the
    tails. Returns how many there are of each: told,
    again, fixes.
    """
    wholes = tails = tell = agains = np.int64(0)
    for k in range(len(logs)):
        log = logs[k]
        records = log.folded + (log.total - log.header) // RECORD_BYTES
        log.before = records - log.appended
        if log.kind == _PAYER or log.kind == _PAYEE:
            cell, name = remembered(log)
            room.names[cell], room.lengths[cell] = name, records
        if log.read == NONE:
            continue
        source, known = np.int64(0), True
        if is_whole(log):
            source = wholes
            wholes += 1
        elif is_folded(log):
            tails += 1
            source = -tails
            known = log.header > 0 and log.known > log.folded and log.known == log.before
        else:
            known = False
        if log.total == log.expected and log.header == 0:
            continue
        if known:
            told[tell, 0], told[tell, 1], told[tell, 2], told[tell, 3] = log.read, log.total, source, k
            tell += 1
        else:
            again[agains] = k
            agains += 1
    _put_positions(logs, which, rank, positions)
    return tell, agains, _put_fixes(entries, logs, which, positions, fixes, fixed_logs)


@njit(inner=True)
def _put_positions(logs, which, rank, positions):  # type: ignore[no-untyped-def]
    for row in range(len(which)):
        for part in range(POSITIONS):
            k, got = which[row, part], rank[row, part]
            if k == NONE:
                positions[row, part] = 0
            elif part < INBOUND:
                positions[row, part] = logs[k].total - (logs[k].appended - got - 1) * RECORD_BYTES
            else:
                positions[row, part] = logs[k].before + got


@njit(inner=True)
def _put_fixes(entries, logs, which, positions, fixes, fixed_logs):  # type: ignore[no-untyped-def]
    """Say which numbers in records are to be put right; return how many."""
    fixed = 0
    for row in range(len(which)):
        for part in range(INBOUND):
            k, of = which[row, part], logs[which[row, INBOUND if part == 0 else OUTBOUND]]
            if k == NONE or of.before == of.guess:
                continue
            one, record = fixes[fixed], entries[row].sent if part == 0 else entries[row].got
            one.kind, one.identity, one.end = logs[k].kind, logs[k].identity, positions[row, part]
            for word in range(len(one.same)):
                one.same[word] = record[word]
            one.field = RECEIVED_AT if part == 0 else PAID_OUT_AT
            one.value = positions[row, INBOUND if part == 0 else OUTBOUND]
            fixed_logs[fixed] = k
            fixed += 1
    return fixed
