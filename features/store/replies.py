"""What the replies to plain commands say: where payments are, what is to be put right, what has to be read further."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Final

import numpy as np

from features.compiled import njit, row_dtype
from features.entities import INBOUND, OUTBOUND, PAYEE, PAYER, POSITIONS
from features.measure.logs import NONE
from features.record import PAID_OUT_AT, RECEIVED_AT, RECORD_BYTES
from features.store.commands import asks_for_head, is_folded, may_be_new, remember
from features.store.layout import PREFIX_BYTES

FIX: Final = row_dtype(
    [
        ("kind", "u1"), ("identity", "<u8"), ("end", "<u4"), ("same", "<u8", (3,)), ("field", "u1"), ("value", "<u4"),
    ],
    packed=True,
)  # fmt: skip
"""A number in a record that is to be put right: the log, the byte just behind the record, its first 24 bytes, where in
it the number stands, and what it is."""

TOLD, AGAIN, FIXED, NEW, THERE, MISSING, BEGUN, COLD = range(8)
"""What is counted: logs that are told of, logs to be read again, numbers to be put right, new logs; logs that are there
although nothing was known of them and nothing is appended to them; headers of which nothing is known; logs that were
taken for new, and those of them that are not."""

_PAYER, _PAYEE = PAYER.letter[0], PAYEE.letter[0]


@njit()
def settle(  # type: ignore[no-untyped-def]
    entries, logs, lengths, which, rank, numbers, sizes, heads, positions, fixes, fixed_logs, told, again, new, found
):  # fmt: skip
    """Say where payments are, what to put right, and which logs are told of (read, length, source, head, log).

    logs, lengths: of `Room`; what is known of headers already stays. numbers: what `STRLEN` and `APPEND` replied.
    sizes: of the logs that were read whole. heads: 16 bytes of each log that asks for them, then of those read whole
    with a header. fixed_logs: which logs what is put right is in. source: which of the logs that were read whole;
    -1 - n: which of the tails. new: NAME of new logs. found: how many there are of each, as `TOLD` and others say.
    """
    _take(logs, numbers, sizes, heads, found)
    if found[MISSING] > 0:
        return
    wholes = tails = np.int64(0)
    for k in range(len(logs)):
        log = logs[k]
        records = log.folded + (log.total - log.header) // RECORD_BYTES
        log.before = records - log.appended
        if log.kind == _PAYER or log.kind == _PAYEE:
            remember(lengths, log, records)
        if log.appended > 0 and log.total == log.appended * RECORD_BYTES:
            one = new[found[NEW]]
            one.kind, one.identity = log.kind, log.identity
            found[NEW] += 1
        if log.read == NONE:
            continue
        found[BEGUN] += may_be_new(log)
        found[COLD] += may_be_new(log) and log.before > 0
        source, known = np.int64(0), True
        if log.whole:
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
            row = told[found[TOLD]]
            row[0], row[1], row[2], row[3], row[4] = log.read, log.total, source, log.head, k
            found[TOLD] += 1
        else:
            again[found[AGAIN]] = k
            found[AGAIN] += 1
    _put_positions(logs, which, rank, positions)
    found[FIXED] = _put_fixes(entries, logs, which, positions, fixes, fixed_logs)


@njit(inner=True)
def _take(logs, numbers, sizes, heads, found):  # type: ignore[no-untyped-def]
    """Fill in how long the logs are, and their headers; count those whose header is not among the heads."""
    found[:] = 0
    taken = whole = np.int64(0)
    for k in range(len(logs)):
        log = logs[k]
        if log.whole:
            log.total = sizes[whole]
            found[THERE] += log.appended == 0 and sizes[whole] > 0
            whole += 1
        elif log.appended == 0:
            log.total = numbers[taken]
            taken += 1
    head = np.int64(0)
    for k in range(len(logs)):
        log = logs[k]
        if log.appended > 0:
            log.total = numbers[taken]
            taken += 1
        if asks_for_head(log):
            _put_header(log, heads, head)
            log.head = head
            head += 1
    for k in range(len(logs)):
        log = logs[k]
        if log.whole and log.total % RECORD_BYTES != 0:
            _put_header(log, heads, head)
            head += 1
        found[MISSING] += log.total % RECORD_BYTES != 0 and log.header == 0


@njit(inner=True)
def _put_header(log, heads, head):  # type: ignore[no-untyped-def]
    """Fill in what the first bytes of a header say."""
    if log.total % RECORD_BYTES != 0:
        at = head * PREFIX_BYTES
        log.header = log.folded = 0
        for byte in range(4):
            log.header |= np.int64(heads[at + 4 + byte]) << (8 * byte)
        for byte in range(8):
            log.folded |= np.int64(heads[at + 8 + byte]) << (8 * byte)


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
