"""Where each payment of a micro-batch lies in its logs, from what the store said of their lengths."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Final

import numpy as np

from features.compiled import njit
from features.entities import INBOUND, KINDS, POSITIONS
from features.measure.logs import NONE
from features.record import NOT_KNOWN, RECORD_BYTES
from features.windows import DAY

_OPTIONAL: Final = np.array([kind.optional for kind in KINDS])


@njit()
def locate(  # type: ignore[no-untyped-def]
    logs, payments, log_of, lengths, reads, kept_since, located, aged
):  # fmt: skip
    """Fill in the positions of payments; False where a log is gone that one was in, or lacks it while another has it.

    log_of: [n, positions], which read is whose. lengths: [n, positions], bytes of its logs just behind the payment, 0
    where it is not found, and the records of the inbound and the outbound log. reads: of READING. kept_since: logs with
    a payment of that time or later cannot have expired. located: of LOCATED. aged: [r], logs whose payment before was
    on another day, so that their expiry is to be pushed out.
    """
    for row in range(len(payments)):
        # Both parties' logs got it, or neither did: it was rejected then, or comes from before both expired. The others
        # say nothing: a later status may name another device, and finds the record of the first.
        there = missing = 0
        for part in range(INBOUND):
            if not _OPTIONAL[part]:
                there += lengths[row, part] > 0
                missing += lengths[row, part] == 0 and reads[log_of[row, part]].folded == 0
        if there > 0 and missing > 0 and payments[row].event_time >= kept_since:
            return False
    for row in range(len(payments)):
        positions = located[row]
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
                log = logs.slots[slot]
                position = end - 1
                if end == NONE or position >= log.length or 0 <= position < log.whole_from:
                    position = log.length - 1
                    positions.lost[part] = 1
                row_before = log.at + position - 1 - log.folded
                if part < INBOUND and row_before >= log.at:
                    aged[read] |= logs.event_time[row_before] // DAY != payments[row].event_time // DAY
            elif part < INBOUND and read != NONE:
                positions.lost[part] = 1
            positions.at[part] = position + 1 if part >= INBOUND else position
    return True
