"""Where each payment of a micro-batch lies in its logs, from what the store said of their lengths."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Final

import numpy as np

from features.compiled import njit
from features.entities import INBOUND, KINDS, POSITIONS, REPORTED
from features.measure.logs import NONE
from features.measure.risk import REPORT_BYTES
from features.record import NOT_KNOWN, RECORD_BYTES
from features.replica.catch_up import AGED
from features.store.provenance import put_provenance
from features.windows import DAY

_OPTIONAL: Final = np.array([kind.optional for kind in KINDS])

CONTRADICTION: Final = -1
"""Of `locate_all`: a log is gone that a payment was in, or lacks it while another has it."""
SOME_AGED, SOME_LONG = 1, 2
"""Else: whether the expiry of logs is to be pushed out, and whether some may be worth a fold."""


@njit()
def locate_all(  # type: ignore[no-untyped-def]
    slots, event_time, payments, log_of, lengths, reads, entity_logs, kept_since, fewest_to_fold, located, provenance
):  # fmt: skip
    """Fill in where payments lie and what verdicts keep of that; return what is to be done for their logs.

    reads: of READING, the first ones of entity logs, which were brought up to date. located, provenance: of LOCATED and
    PACKED, zeros. The others are as `locate` has them.
    """
    locate_reports(reads, log_of, located)
    if not locate(slots, event_time, payments, log_of, lengths, reads, kept_since, located):
        return CONTRADICTION
    put_provenance(payments, located, provenance)
    found = 0
    for k in range(entity_logs):
        read = reads[k]
        if read.left == AGED:
            found |= SOME_AGED
        if read.slot != NONE and slots[read.slot].length - slots[read.slot].folded >= fewest_to_fold:
            found |= SOME_LONG
    return found


@njit()
def locate_reports(reads, log_of, located):  # type: ignore[no-untyped-def]
    """Fill in where the outcome logs of payments lie in the reply."""
    for row in range(len(located)):
        positions = located[row]
        for which in range(len(REPORTED)):
            k = log_of[row, POSITIONS + which]
            if k != NONE:
                read = reads[k]
                positions.reports_start[which] = read.start
                positions.reports_end[which] = NONE if read.total < 0 else read.end
                positions.reports[which] = read.total // REPORT_BYTES


@njit(inner=True)
def locate(  # type: ignore[no-untyped-def]
    slots, event_time, payments, log_of, lengths, reads, kept_since, located
):  # fmt: skip
    """Fill in the positions of payments; False where a log is gone that one was in, or `_contradict`.

    slots, event_time: of `Logs`. log_of: [n, positions], which read is whose. lengths: [n, positions], bytes of its
    logs just behind the payment, 0 where it is not found, and the records of the inbound and the outbound log. reads:
    of READING; a log whose payment before was on another day is AGED. kept_since: logs with a payment of that time or
    later cannot have expired. located: of LOCATED.
    """
    if _contradict(payments, log_of, lengths, reads, kept_since):
        return False
    for row in range(len(payments)):
        positions, day = located[row], payments[row].event_time // DAY
        for part in range(POSITIONS):
            read, length = log_of[row, part], lengths[row, part]
            slot = NONE if read == NONE else reads[read].slot
            positions.slot[part] = slot
            end = length
            if part >= INBOUND and length == NOT_KNOWN:
                positions.at[part] = NONE
                continue
            if part < INBOUND:
                if length > 0 and slot == NONE:
                    return False
                end = NONE if length == 0 else reads[read].folded + (length - reads[read].header) // RECORD_BYTES
            position = NONE
            if slot != NONE:
                log = slots[slot]
                position = end - 1
                if end == NONE or position >= log.length or 0 <= position < log.whole_from:
                    position = log.length - 1
                    positions.lost[part] = 1
                row_before = log.at + position - 1 - log.folded
                if part < INBOUND and row_before >= log.at and event_time[row_before] // DAY != day:
                    reads[read].left = AGED
            elif part < INBOUND and read != NONE:
                positions.lost[part] = 1
            positions.at[part] = position + 1 if part >= INBOUND else position
    return True


@njit(inner=True)
def _contradict(payments, log_of, lengths, reads, kept_since):  # type: ignore[no-untyped-def]
    """Tell whether a log lacks a payment that another has.

    Both parties' logs got it, or neither did: it was rejected then, or comes from before both expired. The others say
    nothing: a later status may name another device, and finds the record of the first.
    """
    for row in range(len(payments)):
        there = missing = 0
        for part in range(INBOUND):
            if not _OPTIONAL[part]:
                there += lengths[row, part] > 0
                missing += lengths[row, part] == 0 and reads[log_of[row, part]].folded == 0
        if there > 0 and missing > 0 and payments[row].event_time >= kept_since:
            return True
    return False
