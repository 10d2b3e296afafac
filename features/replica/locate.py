"""Where each payment of a micro-batch lies in its logs, from what the store said of their lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit
from features.measure.logs import NONE
from features.record import RECORD_BYTES
from features.store.messages import DEVICES, INBOUND
from features.windows import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Located(NamedTuple):
    """The logs of n payments and their places in them, in the order payer, payee, device, inbound."""

    slot: NDArray[np.int64]
    """[4, n]; NONE where there is no log."""
    at: NDArray[np.int64]
    """[4, n]: positions; of the inbound log how many records it had at the moment of the payment."""
    lost: NDArray[np.bool_]
    """[n, 4]: places that were folded away, or that the payment never had; the current one of a log that is still there
    stands for them."""
    aged: NDArray[np.bool_]
    """[r]: logs whose payment before was on another day, so that their expiry is to be pushed out."""

    @classmethod
    def make(cls, payments: int, logs: int) -> Located:
        """Allocate for `locate` to fill in."""
        return cls(
            np.empty((4, payments), dtype=np.int64),
            np.empty((4, payments), dtype=np.int64),
            np.zeros((payments, 4), dtype=np.bool_),
            np.zeros(logs, dtype=np.bool_),
        )


@njit()
def locate(  # type: ignore[no-untyped-def]
    logs, event_time, of, lengths, slots, header, base, kept_since, found
):  # fmt: skip
    """Fill in the places of payments; False where a log is gone that one was in, or lacks it while another has it.

    of: [4, n], which log is whose. lengths: [n, 4], bytes of the first three logs just behind the payment, 0 where it
    is not found, and the records of the inbound log. Of each log its slot, the bytes of its header, and how many
    records were folded away. kept_since: logs with a payment of that time or later cannot have expired.
    """
    for row in range(len(event_time)):
        # Both got it, or neither did: it was rejected then, or comes from before both expired. The device's log says
        # nothing: a later status may name another device, and finds the record of the first.
        there = missing = 0
        for part in range(DEVICES):
            there += lengths[row, part] > 0
            missing += lengths[row, part] == 0 and base[of[part, row]] == 0
        if there > 0 and missing > 0 and event_time[row] >= kept_since:
            return False
    for part in range(4):
        for row in range(len(event_time)):
            read = of[part, row]
            slot = NONE if read == NONE else slots[read]
            found.slot[part, row] = slot
            length = lengths[row, part]
            end = length
            if part != INBOUND:
                if length > 0 and slot == NONE:
                    return False
                end = NONE if length == 0 else base[read] + (length - header[read]) // RECORD_BYTES
            position = NONE
            if slot != NONE:
                log = logs.slots[slot]
                position = end - 1
                if end == NONE or position >= log.length or 0 <= position < log.whole_from:
                    position = log.length - 1
                    found.lost[row, part] = True
                row_before = log.at + position - 1 - log.folded
                if part <= DEVICES and row_before >= log.at:
                    found.aged[read] |= logs.event_time[row_before] // DAY != event_time[row] // DAY
            elif part != INBOUND and read != NONE:
                found.lost[row, part] = True
            found.at[part, row] = position + 1 if part == INBOUND else position
    return True
