"""From logs to feature vectors: one kernel call a micro-batch, no Python object a payment."""
# Kernels of rows are compiled by the types of their arguments; annotations would say nothing more.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from features.columns import FeatureState
from features.compiled import njit
from features.entities import COUNTERPARTIES, INBOUND, KINDS, OUTBOUND
from features.feature import Aggregation
from features.measure.logs import NONE, Logs
from features.measure.plain import measure_plain
from features.measure.scratch import Scratch
from features.measure.wide import add, deviation, multiply
from features.measure.window import measure, now_of, recent_rows
from features.record import PARTY
from features.schema import PLAIN_FEATURE, program, window_lengths
from features.windows import WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns

FULL, COLD, LATE, DEGRADED = (int(state) for state in FeatureState)
COUNT, SUM, MEAN, STD, MAX, DISTINCT = (int(aggregation) for aggregation in Aggregation)

WINDOW_LENGTHS: Final = window_lengths()
LAST: Final = len(WINDOWS) - 1
PROGRAM: Final = program()
_COUNTERPARTY: Final = np.array(COUNTERPARTIES)
_OPTIONAL: Final = np.array([kind.optional for kind in KINDS])
_of_thread = threading.local()


def vectors(
    logs: Logs, columns: PaymentColumns, located: NDArray[np.record], reports: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return float32[n, f] in the order of the schema, and the feature state of each payment, uint8[n].

    located: LOCATED[n]. reports: the bytes of all outcome logs. Where the payment's position is lost, its log is
    measured as it is now, and nothing is added to it. The payment is marked LATE.
    """
    out = np.empty((len(columns), len(PROGRAM)), dtype=np.float32)
    state = np.zeros(len(columns), dtype=np.uint8)
    put_vectors(logs, columns.rows, located, reports, scratch_of_thread(), out, state)
    return out, state


def scratch_of_thread() -> Scratch:
    """Return this thread's scratch: to allocate it anew for each micro-batch took a tenth of a small one's time."""
    if not hasattr(_of_thread, "scratch"):
        _of_thread.scratch = Scratch.make()
    return cast("Scratch", _of_thread.scratch)


@njit()
def put_vectors(logs, payments, located, reports, scratch, out, state):  # type: ignore[no-untyped-def]
    """Fill in the vectors and states of payments that are in their logs; all arguments as `vectors` has them."""
    entities, values = scratch.entities, scratch.values
    for row in range(len(payments)):
        payment, positions = payments[row], located[row]
        late = positions.lost[INBOUND] == 1 or positions.lost[OUTBOUND] == 1
        for kind in range(INBOUND - 1, -1, -1):  # the payer's recent records are looked at once more
            _measure_entity(logs, payment, positions, kind, scratch)
            late = late or positions.lost[kind] == 1 or entities[kind].now != payment.event_time
        values[:] = np.nan
        degraded = measure_plain(scratch.plain[0], payment, positions, logs, reports, scratch)

        for column in range(len(PROGRAM)):
            kind, operation = PROGRAM[column, 0], PROGRAM[column, 1]
            if kind == PLAIN_FEATURE:
                out[row, column] = values[operation]
            elif entities[kind].there:
                sums, counts_itself = scratch.totals[kind, PROGRAM[column, 2]], entities[kind].counts_itself
                out[row, column] = aggregate(sums, operation, counts_itself, payment.amount_paise)
            else:
                out[row, column] = np.nan

        if degraded:
            state[row] = DEGRADED
        elif late:
            state[row] = LATE
        elif scratch.totals[0, LAST].payments == 0:  # of the payer
            state[row] = COLD
        else:
            state[row] = FULL


@njit(inner=True)
def _measure_entity(logs, payment, positions, kind, scratch):  # type: ignore[no-untyped-def]
    """Measure what was in an entity's log before the payment, or all that there is where its position is lost."""
    slot, at, entity, totals = positions.slot[kind], positions.at[kind], scratch.entities[kind], scratch.totals[kind]
    entity.party = np.int64(payment.identity[kind] & PARTY)
    # A log that is not there any more is as one that never was: the payment is alone in it.
    entity.there = slot != NONE or not _OPTIONAL[kind]
    entity.counts_itself = 1 if slot == NONE or positions.lost[kind] == 0 else 0
    if slot == NONE:
        entity.now = entity.born = payment.event_time
        entity.start = entity.stop = 0
        recent = scratch.work.recent[0]
        recent.start = recent.stop = recent.told_from = 0
        recent.copied = False
        for window in range(len(totals)):
            sums = totals[window]
            sums.payments = sums.total = sums.largest = 0
            sums.sq_high = sums.sq_low = np.uint64(0)
            sums.distinct = 1.0
        return
    entity.now, entity.born = now_of(logs, slot, at), logs.slots[slot].born
    entity.start, entity.stop = recent_rows(logs.slots, slot, at)
    own = NONE
    if entity.counts_itself == 1:
        own = np.int64(payment.identity[_COUNTERPARTY[kind]] & PARTY)
    measure(logs, slot, at, at + 1 - entity.counts_itself, entity.now, own, WINDOW_LENGTHS, totals, scratch.work)


@njit(inline="always")
def aggregate(sums, aggregation, counts_itself, amount):  # type: ignore[no-untyped-def]
    """Return one aggregate of MEASURE with the payment itself counted in once; integers are rounded once."""
    count, total, amount = sums.payments + counts_itself, sums.total + counts_itself * amount, counts_itself * amount
    if aggregation == COUNT:
        return np.float32(count)
    if aggregation == SUM:
        return np.float32(total)
    if aggregation == MEAN:
        return np.float32(np.float64(total) / np.float64(count))
    if aggregation == MAX:
        return np.float32(max(sums.largest, amount))
    if aggregation == DISTINCT:
        return np.float32(sums.distinct)
    high, low = multiply(np.uint64(amount), np.uint64(amount))
    sq_high, sq_low = add(sums.sq_high, sums.sq_low, high, low)
    return np.float32(deviation(count, total, sq_high, sq_low))
