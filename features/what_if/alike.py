"""Where payments are that came already. Replicas keep no ids, so the store shows the records that are alike."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import njit, row_dtype
from features.entities import COUNTERPARTIES, INBOUND, KINDS, OUTBOUND, PAYEE, POSITIONS
from features.measure.ingest import old_clock_at
from features.measure.logs import NEVER, NONE
from features.record import PARTY, RECEIVED_AT, RECORD_BYTES, SAME_BYTES, paid_out_of
from features.store.messages import ENTRY, Claims, entries_of, name_of
from features.windows import BLOCK, HORIZON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.measure.logs import Logs

ALIKE: Final = row_dtype([("row", "i8"), ("kind", "i8"), ("read", "i8"), ("position", "i8")])
"""A record that may be a payment's own: of which payment, in its log of which kind, which read that is, and where."""

COUNTERPARTY: Final = np.array(COUNTERPARTIES)
_PAYEE: Final = KINDS.index(PAYEE)
_FEW: Final = 64


def find_alike(
    logs: Logs, columns: PaymentColumns, log_of: NDArray[np.int64], reads: NDArray[np.record]
) -> tuple[NDArray[np.record], NDArray[np.bool_]]:
    """Return ALIKE[m] by payment, kind and position, and which payments may be among records that were folded away.

    A record is alike if it has the amount, the other party and the time of the payment, or a time that was moved up.
    """
    folded = np.empty(len(columns), dtype=np.bool_)
    alike = np.empty(_FEW, dtype=ALIKE)
    while (count := _find_alike(logs, columns.rows, log_of, reads, alike, folded)) > len(alike):
        alike = np.empty(count, dtype=ALIKE)
    return alike[:count], folded


def names_of_alike(alike: NDArray[np.record], reads: NDArray[np.record]) -> list[bytes]:
    """Return kind, identity and position of each, as the store is asked for them."""
    return [name_of(reads[one["read"]]) + int(one["position"]).to_bytes(4, "little") for one in alike]


def lengths_of_alike(
    alike: NDArray[np.record],
    records: Sequence[bytes],
    columns: PaymentColumns,
    log_of: NDArray[np.int64],
    reads: NDArray[np.record],
) -> NDArray[np.int64]:
    """Return the lengths that the store replies to `apply` of payments that it has: int64[n, positions], 0 of others.

    records: each as it is in the store. Of several that are the payment's, the newest is meant, as at redelivery.
    """
    lengths = np.zeros((len(columns), POSITIONS), dtype=np.int64)
    if not len(alike):
        return lengths
    nowhere = Claims(np.zeros(len(columns), dtype=np.uint16), np.zeros(len(columns), dtype=np.int64))
    entries = np.frombuffer(entries_of(columns, nowhere), dtype=ENTRY)
    for one, record in zip(alike, records, strict=True):
        row, kind, read = int(one["row"]), int(one["kind"]), reads[one["read"]]
        own = entries[row]["got" if kind else "sent"]
        if record[:SAME_BYTES] == own.tobytes()[:SAME_BYTES]:
            lengths[row, kind] = read["header"] + (one["position"] + 1 - read["folded"]) * RECORD_BYTES
            if kind == 0:
                lengths[row, INBOUND] = int.from_bytes(record[RECEIVED_AT:], "little")
            elif kind == _PAYEE:
                lengths[row, OUTBOUND] = paid_out_of(record)
    for row in np.flatnonzero(lengths[:, _PAYEE] == 0).tolist():  # folded away there: as it is now
        read = reads[log_of[row, OUTBOUND]]
        lengths[row, OUTBOUND] = read["folded"] + (read["total"] - read["header"]) // RECORD_BYTES
    lengths[lengths[:, 0] == 0] = 0
    return lengths


@njit()
def _find_alike(logs, payments, log_of, reads, alike, folded):  # type: ignore[no-untyped-def]
    """Fill in what is alike as far as there is room; return how many there are."""
    count = 0
    for row in range(len(payments)):
        payment, slot = payments[row], reads[log_of[row, 0]].slot
        folded[row] = False
        if slot == NONE:
            continue
        log = logs.slots[slot]
        folded[row] = log.folded > 0 and payment.event_time <= log.base_clock
        if not _may_have(logs, log, payment, np.int64(payment.identity[COUNTERPARTY[0]] & PARTY)):
            continue
        for kind in range(INBOUND):
            k = log_of[row, kind]
            if k != NONE and reads[k].slot != NONE:
                count = _list_alike(logs, reads[k].slot, payment, row, kind, k, alike, count)
    return count


@njit(inner=True)
def _may_have(logs, log, payment, party):  # type: ignore[no-untyped-def]
    """Say of nearly all payments that their payer's log has none alike, without a look at its clocks."""
    event_time, moved_to = payment.event_time, log.clock - HORIZON if log.length >= 2 * BLOCK else NEVER
    for row in range(log.at, log.at + log.length - log.folded):
        if logs.amount[row] == payment.amount_paise and logs.counterparty[row] == party:
            time = logs.event_time[row]
            if time == event_time or event_time < time <= moved_to:
                return True
    return False


@njit(inner=True)
def _list_alike(logs, slot, payment, row, kind, k, alike, count):  # type: ignore[no-untyped-def]
    """Add the records of a log that are alike; return how many there are now, with those for which there is no room."""
    log, event_time = logs.slots[slot], payment.event_time
    party = np.int64(payment.identity[COUNTERPARTY[kind]] & PARTY)
    clock = log.base_clock if log.folded > 0 else NEVER
    for position in range(log.folded, log.length):
        at = log.at + position - log.folded
        time = logs.event_time[at]
        if logs.amount[at] == payment.amount_paise and logs.counterparty[at] == party and time >= event_time:
            is_alike = time == event_time
            if not is_alike:  # as `append` would have moved it
                old_clock = old_clock_at(logs.slots, logs.blocks, slot, position)
                is_alike = old_clock != NEVER and time == min(clock - HORIZON, old_clock + HORIZON)
            if is_alike:
                if count < len(alike):
                    one = alike[count]
                    one.row, one.kind, one.read, one.position = row, kind, k, position
                count += 1
        clock = max(clock, time)
    return count
