"""From logs to feature vectors: one kernel call a micro-batch, no Python object a payment."""
# Kernels of many columns are compiled by the types of their arguments; annotations would say nothing more.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from features.columns import UNKNOWN_TIME, FeatureState
from features.compiled import njit
from features.definitions import Aggregation, Entity, Plain
from features.measure.ingest import settled_clock
from features.measure.logs import NEVER, NONE, SUMMARY, Logs
from features.measure.risk import confirmed_frauds
from features.measure.scratch import Measures
from features.measure.wide import add, deviation, multiply
from features.measure.window import measure, recent_rows
from features.schema import PLAIN, program, window_lengths
from features.windows import HORIZON, HOUR, MONTH, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns

INDIA_OFFSET = 19_800_000
HOUR_MS = HOUR
EARTH_KM = 6371.0088

FULL, COLD, LATE, DEGRADED = (int(state) for state in FeatureState)
PAYER, PAYEE, DEVICE = (int(entity) for entity in Entity)
COUNT, SUM, MEAN, STD, MAX, DISTINCT = (int(aggregation) for aggregation in Aggregation)
(
    AMOUNT_PAISE, HOUR_OF_DAY, IS_NIGHT, IS_P2M, IS_COLLECT, INITIATION, SAME_BANK, DEVICE_AGE, SIM_AGE,
    PAYER_LAST, PAYER_FIRST, AMOUNT_Z, AMOUNT_RATIO_MEAN, AMOUNT_RATIO_MAX, PAYER_PAYEE_LAST, PAYER_PAYEE_COUNT,
    PAYEE_FIRST, PAYEE_LAST, INBOUND_SUM, PASS_THROUGH, DEVICE_FIRST, NEW_DEVICE, SPEED, PAYEE_FRAUD_RATE,
    DEVICE_FRAUD_RATE,
) = (int(op) for op in Plain)  # fmt: skip

WINDOW_LENGTHS = window_lengths()
HOUR_INDEX = list(WINDOWS.values()).index(HOUR)
INBOUND = WINDOW_LENGTHS[HOUR_INDEX : HOUR_INDEX + 1].copy()
"""The one window of what a payer received; a copy, for numba compiles every kernel anew for a view."""
MONTH_INDEX = list(WINDOWS.values()).index(MONTH)
LAST = len(WINDOWS) - 1
PROGRAM = program()
PLAIN_COUNT = len(Plain)
_of_thread = threading.local()


class Places(NamedTuple):
    """Where each payment lies: slots and positions in the logs, int64[n] each; slot NONE where there is no log."""

    payer: NDArray[np.int64]
    payer_at: NDArray[np.int64]
    payee: NDArray[np.int64]
    payee_at: NDArray[np.int64]
    device: NDArray[np.int64]
    device_at: NDArray[np.int64]
    inbound: NDArray[np.int64]
    """The slot of the payer's own log as a payee."""
    inbound_upto: NDArray[np.int64]
    """How many records that log had at the moment of the payment."""


class Reports(NamedTuple):
    """Outcome logs of a micro-batch: one arena, and for each payment where its two runs lie in it."""

    raw: NDArray[np.uint8]
    payee_start: NDArray[np.int64]
    payee_end: NDArray[np.int64]
    """NONE where the log could not be read: the payment is DEGRADED and the rate is missing."""
    device_start: NDArray[np.int64]
    device_end: NDArray[np.int64]


def vectors(
    logs: Logs, columns: PaymentColumns, places: Places, reports: Reports, lost: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return float32[n, f] in the order of the schema, and the feature state of each payment, uint8[n].

    lost: bool[n, 4], places in the payer's, payee's, device's and inbound log that the payment, delivered again, has no
    more, or never had: there the log is measured as it is now, and nothing is added to it. It is marked LATE.
    """
    out = np.empty((len(columns), len(PROGRAM)), dtype=np.float32)
    state = np.zeros(len(columns), dtype=np.uint8)
    scratch, tail = _scratch()
    _vectors(
        logs, places, reports, lost, columns.event_time, columns.amount_paise, columns.payer, columns.payee,
        columns.kind, columns.device_bound_at, columns.sim_changed_at, columns.same_bank, PROGRAM, WINDOW_LENGTHS,
        INBOUND, scratch, tail, out, state,
    )  # fmt: skip
    return out, state


def _scratch() -> tuple[tuple[Measures, ...], NDArray[np.record]]:
    """Return this thread's scratch: to allocate it anew for each micro-batch took a tenth of a small one's time."""
    if not hasattr(_of_thread, "scratch"):
        measures = tuple(Measures.make(len(WINDOW_LENGTHS)) for _ in range(4))
        _of_thread.scratch = measures, np.zeros(1, dtype=SUMMARY)
    return cast("tuple[tuple[Measures, ...], NDArray[np.record]]", _of_thread.scratch)


@njit()
def _vectors(  # type: ignore[no-untyped-def]
    logs, places, reports, lost, event_time, amount_paise, payer, payee, kind, device_bound_at, sim_changed_at,
    same_bank, steps, windows, hour, scratch, tail, out, state,
):  # fmt: skip
    own_payer, own_payee, own_device, inbound = scratch
    plain = np.empty(PLAIN_COUNT, dtype=np.float32)
    for row in range(len(event_time)):
        slot, at = places.payer[row], places.payer_at[row]
        # A log that is not there any more is as one that never was: the payment is alone in it.
        now = event_time[row] if slot == NONE else _now(logs.event_time, logs.slots, slot, at)
        payee_cp = np.int64(payee[row] & np.uint64(0xFFFFFFFFFF))
        payer_cp = np.int64(payer[row] & np.uint64(0xFFFFFFFFFF))
        amount = amount_paise[row]
        # What the payment itself adds to its windows: nothing where its log has it already.
        payee_slot, payee_at = places.payee[row], places.payee_at[row]
        once = 1 if slot == NONE else 1 - lost[row, PAYER]
        payee_once = 1 if payee_slot == NONE else 1 - lost[row, PAYEE]
        device_once = 1 - lost[row, DEVICE]
        _own(logs, slot, at, once, now, payee_cp, windows, own_payer, tail)
        payee_now = event_time[row] if payee_slot == NONE else _now(logs.event_time, logs.slots, payee_slot, payee_at)
        _own(logs, payee_slot, payee_at, payee_once, payee_now, payer_cp, windows, own_payee, tail)
        has_device = places.device[row] != NONE
        device_now = now
        if has_device:
            device_now = _now(logs.event_time, logs.slots, places.device[row], places.device_at[row])
            _own(
                logs, places.device[row], places.device_at[row], device_once, device_now, payer_cp, windows, own_device,
                tail,
            )  # fmt: skip

        plain[:] = np.nan
        _payment(plain, event_time[row], amount, kind[row], device_bound_at[row], sim_changed_at[row], same_bank[row])
        plain[PAYER_FIRST] = 0.0 if slot == NONE else _seconds(now - logs.slots[slot].born)
        start, stop = _recent(logs, slot, at)
        _earlier(plain, logs.event_time, logs.counterparty, logs.place, start, stop, now, payee_cp)
        _usual(plain, amount, own_payer)
        plain[PAYEE_FIRST] = 0.0 if payee_slot == NONE else _seconds(payee_now - logs.slots[payee_slot].born)
        start, stop = _recent(logs, payee_slot, payee_at)
        _payee(plain, logs.event_time, start, stop, payee_now)
        sent = own_payer.windows[HOUR_INDEX].total + once * amount
        _received(plain, logs, places.inbound[row], places.inbound_upto[row], now, sent, hour, inbound, tail)
        if has_device:
            plain[DEVICE_FIRST] = _seconds(device_now - logs.slots[places.device[row]].born)
            start, stop = recent_rows(logs.slots, places.device[row], places.device_at[row])
            known = _paid_before(logs.counterparty, logs.event_time, start, stop, device_now, payer_cp)
            plain[NEW_DEVICE] = 0.0 if known else 1.0
        paid = own_payee.windows[MONTH_INDEX].payments + payee_once
        used = own_device.windows[MONTH_INDEX].payments + device_once if has_device else 0
        degraded = _risk(plain, reports, row, event_time[row], paid, used)

        for column in range(len(steps)):
            entity = steps[column, 0]
            if entity == PLAIN:
                out[row, column] = plain[steps[column, 1]]
            elif entity == PAYER:
                out[row, column] = _windowed(own_payer, steps[column, 1], steps[column, 2], once, amount)
            elif entity == PAYEE:
                out[row, column] = _windowed(own_payee, steps[column, 1], steps[column, 2], payee_once, amount)
            elif has_device:
                out[row, column] = _windowed(own_device, steps[column, 1], steps[column, 2], device_once, amount)
            else:
                out[row, column] = np.nan

        moved = now != event_time[row] or payee_now != event_time[row] or device_now != event_time[row]
        if degraded:
            state[row] = DEGRADED
        elif moved or lost[row].any():
            state[row] = LATE
        elif own_payer.windows[LAST].payments == 0:
            state[row] = COLD
        else:
            state[row] = FULL


@njit()
def _now(event_time, slots, slot, at):  # type: ignore[no-untyped-def]
    return event_time[slots[slot].at + at - slots[slot].folded]


@njit()
def _own(logs, slot, at, once, now, own, windows, out, tail):  # type: ignore[no-untyped-def]
    """Measure what was before the payment, or all that there is where it cannot be told any more."""
    if slot == NONE:
        for window in range(len(windows)):
            held = out.windows[window]
            held.payments, held.total, held.largest = 0, 0, 0
            held.sq_high, held.sq_low, held.distinct = np.uint64(0), np.uint64(0), 1
        return
    measure(logs, slot, at, at if once else at + 1, now, own if once else NONE, windows, out, tail)


@njit()
def _recent(logs, slot, at):  # type: ignore[no-untyped-def]
    if slot == NONE:
        return 0, 0
    return recent_rows(logs.slots, slot, at)


@njit(inline="always")
def _windowed(own: Measures, aggregation: int, window: int, once: int, amount: int) -> np.float32:
    """One aggregate with the payment itself counted in once."""
    held = own.windows[window]
    return _aggregate(
        aggregation, held.payments + once, held.total + once * amount, held.largest, held.distinct, held.sq_high,
        held.sq_low, once * amount,
    )  # fmt: skip


@njit()
def _aggregate(  # type: ignore[no-untyped-def]
    aggregation, count, total, largest, distinct, sq_high, sq_low, amount
):  # fmt: skip
    """One aggregate of a window; integers are rounded once."""
    if aggregation == COUNT:
        return np.float32(count)
    if aggregation == SUM:
        return np.float32(total)
    if aggregation == MEAN:
        return np.float32(np.float64(total) / np.float64(count))
    if aggregation == MAX:
        return np.float32(max(largest, amount))
    if aggregation == DISTINCT:
        return np.float32(distinct)
    high, low = multiply(np.uint64(amount), np.uint64(amount))
    sq_high, sq_low = add(sq_high, sq_low, high, low)
    return np.float32(deviation(count, total, sq_high, sq_low))


@njit()
def _payment(plain, event_time, amount, kind, device_bound_at, sim_changed_at, same_bank):  # type: ignore[no-untyped-def]
    """What the payment itself says."""
    plain[AMOUNT_PAISE] = amount
    hour = (event_time + INDIA_OFFSET) // HOUR_MS % 24
    plain[HOUR_OF_DAY] = hour
    plain[IS_NIGHT] = 1.0 if hour >= 23 or hour < 5 else 0.0
    flow, type_, initiation = (kind >> 8) & 0xFF, (kind >> 16) & 0xFF, (kind >> 24) & 0xFF
    if flow != 0:
        plain[IS_P2M] = 1.0 if flow == 2 else 0.0
    if type_ != 0:
        plain[IS_COLLECT] = 1.0 if type_ == 2 else 0.0
    if initiation != 0:
        plain[INITIATION] = initiation
    if same_bank >= 0:
        plain[SAME_BANK] = same_bank
    if device_bound_at != UNKNOWN_TIME:
        plain[DEVICE_AGE] = _seconds(event_time - device_bound_at)
    if sim_changed_at != UNKNOWN_TIME:
        plain[SIM_AGE] = _seconds(event_time - sim_changed_at)


@njit(inline="always")
def _seconds(milliseconds: int) -> float:
    return max(milliseconds, 0) / 1000.0


@njit()
def _usual(plain, amount, own):  # type: ignore[no-untyped-def]
    """The amount against those of the payer's earlier payments."""
    held = own.windows[MONTH_INDEX]
    count, total = held.payments, held.total
    if count > 0:
        mean = np.float64(total) / np.float64(count)
        plain[AMOUNT_RATIO_MEAN] = amount / mean
        plain[AMOUNT_RATIO_MAX] = amount / np.float64(held.largest)
        spread = deviation(count, total, held.sq_high, held.sq_low)
        if spread > 0.0:
            plain[AMOUNT_Z] = (amount - mean) / spread


@njit()
def _earlier(plain, event_time, counterparty, place, start, at, now, payee_cp):  # type: ignore[no-untyped-def]
    """The payment, in row `at`, against those in the rows from `start` on."""
    last, last_same, same, located = NONE, NONE, 1, NONE
    for row in range(start, at):
        time = event_time[row]
        if time > now:
            continue
        if last == NONE or time >= event_time[last]:
            last = row
        if place[row] != 0 and (located == NONE or time >= event_time[located]):
            located = row
        if counterparty[row] == payee_cp:
            if last_same == NONE or time >= event_time[last_same]:
                last_same = row
            if now - time < MONTH:
                same += 1
    plain[PAYER_PAYEE_COUNT] = same
    if last != NONE:
        plain[PAYER_LAST] = _seconds(now - event_time[last])
    if last_same != NONE:
        plain[PAYER_PAYEE_LAST] = _seconds(now - event_time[last_same])
    if located != NONE and place[at] != 0:
        hours = max(now - event_time[located], 1000) / HOUR_MS
        plain[SPEED] = _distance_km(place[located], place[at]) / hours


@njit()
def _distance_km(one: int, other: int) -> float:
    """Great-circle distance between two packed places (haversine)."""
    lat1 = ((one >> 16) - 1) / 65534.0 * math.pi - math.pi / 2
    lat2 = ((other >> 16) - 1) / 65534.0 * math.pi - math.pi / 2
    lon1 = (one & 0xFFFF) / 65535.0 * 2 * math.pi
    lon2 = (other & 0xFFFF) / 65535.0 * 2 * math.pi
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


@njit()
def _payee(plain, event_time, start, stop, now):  # type: ignore[no-untyped-def]
    last = NEVER
    for row in range(start, stop):
        time = event_time[row]
        last = max(last, time if time <= now else NEVER)
    if last != NEVER:
        plain[PAYEE_LAST] = _seconds(now - last)


@njit()
def _paid_before(counterparty, event_time, start, stop, now, payer_cp):  # type: ignore[no-untyped-def]
    for row in range(stop - 1, start - 1, -1):  # noqa: SIM110 - compiled: there are no generators; the newest is likeliest
        if counterparty[row] == payer_cp and event_time[row] <= now:
            return True
    return False


@njit()
def _received(plain, logs, slot, upto, now, sent, hour, inbound, tail):  # type: ignore[no-untyped-def]
    """What the payer received within the hour, and the share of it that goes on with this payment."""
    plain[INBOUND_SUM] = 0.0
    if slot != NONE and upto > 0:
        position = upto - 1
        # A payer behind the clock of his own busy inbound log is measured where that log is still whole.
        moved = now
        if settled_clock(logs.slots, logs.blocks, slot, position) != NEVER:
            moved = max(now, _now(logs.event_time, logs.slots, slot, position) - HORIZON)
        # No literal NONE: it would be another type, and all of it be compiled again.
        measure(logs, slot, position, upto, moved, np.int64(NONE), hour, inbound, tail)
        received = inbound.windows[0].total
        plain[INBOUND_SUM] = received
        if received > 0:
            plain[PASS_THROUGH] = sent / np.float64(received)


@njit()
def _risk(plain, reports, row, event_time, paid, used):  # type: ignore[no-untyped-def]
    """Confirmed fraud over payments to the payee and of the device; return whether an outcome log could not be read."""
    if reports.payee_end[row] == NONE or reports.device_end[row] == NONE:
        return True
    frauds = confirmed_frauds(reports.raw, reports.payee_start[row], reports.payee_end[row], event_time, MONTH)
    plain[PAYEE_FRAUD_RATE] = frauds / np.float64(paid)
    if used > 0:
        frauds = confirmed_frauds(reports.raw, reports.device_start[row], reports.device_end[row], event_time, MONTH)
        plain[DEVICE_FRAUD_RATE] = frauds / np.float64(used)
    return False
