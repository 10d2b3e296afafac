"""Features that are not an aggregate over a window, each written under its own name; what is not written is missing.

Here a plain feature is computed. A name that features/definitions.py does not declare does not compile.
"""
# Kernels of rows are compiled by the types of their arguments; annotations would say nothing more.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import Final

import numpy as np

from features.columns import UNKNOWN_TIME
from features.compiled import njit
from features.entities import DEVICE, INBOUND, KINDS, OUTBOUND, PAYEE, PAYER, REPORTED
from features.measure.ingest import old_clock_at
from features.measure.logs import NEVER, NONE
from features.measure.risk import OF_DAY, OF_MONTH, OF_WEEK, sum_up_reports
from features.measure.wide import deviation
from features.measure.window import measure, now_of, recent_rows, tell_apart
from features.windows import DAY, HORIZON, HOUR, MONTH, WEEK, WINDOWS

INDIA_OFFSET: Final = 19_800_000
HOUR_MS: Final = HOUR
EARTH_KM: Final = 6371.0088

_PAYER, _PAYEE, _DEVICE = (KINDS.index(kind) for kind in (PAYER, PAYEE, DEVICE))
_PAYEE_REPORTS, _DEVICE_REPORTS = (REPORTED.index(kind) for kind in (_PAYEE, _DEVICE))
_HOUR, _DAY, _WEEK, _MONTH = (list(WINDOWS.values()).index(length) for length in (HOUR, DAY, WEEK, MONTH))
_HOUR_ALONE: Final = np.array([HOUR], dtype=np.int64)
_HOUR_AND_DAY: Final = np.array([HOUR, DAY], dtype=np.int64)
_RUPEE: Final = 100
_ROUND: Final = tuple(rupees * _RUPEE for rupees in (10, 50, 100, 500, 1_000, 5_000, 10_000))
"""Round amounts, in paise. Each is a multiple of the one before: what is none of one is none of the next."""


@njit(inner=True)
def measure_plain(plain, payment, positions, logs, reports, scratch):  # type: ignore[no-untyped-def]
    """Fill in a row of PLAIN, all of it NaN, for a payment whose windows were measured.

    Returns whether an outcome log could not be read.
    """
    payer, payee, device = scratch.entities[_PAYER], scratch.entities[_PAYEE], scratch.entities[_DEVICE]
    _payment(plain, payment)
    plain.payer_seconds_since_first = _seconds(payer.now - payer.born)
    _earlier(plain, logs, payer, payee.party, payment.amount_paise, scratch.work)
    _usual(plain, payment.amount_paise, payer.counts_itself, scratch.totals[_PAYER])
    plain.payee_seconds_since_first = _seconds(payee.now - payee.born)
    _income(plain, logs, payee, payer.party, payment.amount_paise, scratch.totals[_PAYEE, _WEEK])
    sent = scratch.totals[_PAYER, _HOUR].total + payer.counts_itself * payment.amount_paise
    _received(plain, logs, positions.slot[INBOUND], positions.at[INBOUND], payer.now, sent, scratch)
    _paid_out(plain, logs, positions.slot[OUTBOUND], positions.at[OUTBOUND], payee.now, scratch)
    if device.there:
        plain.device_seconds_since_first = _seconds(device.now - device.born)
        plain.payer_new_device = 0.0 if _paid_before(logs, device, payer.party) else 1.0
    return _risk(plain, payment, positions, reports, scratch)


@njit(inner=True)
def _payment(plain, payment):  # type: ignore[no-untyped-def]
    """What the payment itself says."""
    plain.amount_paise = payment.amount_paise
    plain.amount_roundness = _roundness(payment.amount_paise)
    hour = (payment.event_time + INDIA_OFFSET) // HOUR_MS % 24
    plain.hour_of_day = hour
    plain.is_night = 1.0 if hour >= 23 or hour < 5 else 0.0
    flow, type_, initiation = (payment.kind >> 8) & 0xFF, (payment.kind >> 16) & 0xFF, (payment.kind >> 24) & 0xFF
    if flow != 0:
        plain.is_p2m = 1.0 if flow == 2 else 0.0
    if type_ != 0:
        plain.is_collect = 1.0 if type_ == 2 else 0.0
    if initiation != 0:
        plain.initiation = initiation
    if payment.same_bank >= 0:
        plain.same_bank = payment.same_bank
    if payment.device_bound_at != UNKNOWN_TIME:
        plain.device_age_seconds = _seconds(payment.event_time - payment.device_bound_at)
    if payment.sim_changed_at != UNKNOWN_TIME:
        plain.sim_age_seconds = _seconds(payment.event_time - payment.sim_changed_at)


@njit(inner=True)
def _roundness(amount: int) -> int:
    """Count the round amounts that an amount is a multiple of; -1 if it is not of whole rupees."""
    if amount % _RUPEE != 0:
        return -1
    count = 0
    for one in _ROUND:
        if amount % one != 0:
            break
        count += 1
    return count


@njit(inline="always")
def _seconds(milliseconds: int) -> float:
    return max(milliseconds, 0) / 1000.0


@njit(inner=True)
def _usual(plain, amount, counts_itself, totals):  # type: ignore[no-untyped-def]
    """The amount, and those of a day and a week, against those of the payer's earlier payments."""
    month, week, day, own = totals[_MONTH], totals[_WEEK], totals[_DAY], counts_itself * amount
    if month.payments > 0:
        mean = np.float64(month.total) / np.float64(month.payments)
        plain.payer_amount_ratio_mean_30d = amount / mean
        plain.payer_amount_ratio_max_30d = amount / np.float64(month.largest)
        spread = deviation(month.payments, month.total, month.sq_high, month.sq_low)
        if spread > 0.0:
            plain.payer_amount_z_30d = (amount - mean) / spread
        plain.payer_max_ratio_24h = max(day.largest, own) / mean
        plain.payer_max_ratio_7d = max(week.largest, own) / mean
        plain.payer_mean_ratio_24h = np.float64(day.total + own) / np.float64(day.payments + counts_itself) / mean
        plain.payer_mean_ratio_7d = np.float64(week.total + own) / np.float64(week.payments + counts_itself) / mean


@njit(inner=True)
def _earlier(plain, logs, payer, payee_party, amount, work):  # type: ignore[no-untyped-def]
    """The payment, in row `stop` of the payer's recent ones, against those before, in order of time."""
    recent, now, place = work.recent[0], payer.now, logs.place
    times, amounts, others = logs.event_time, logs.amount, logs.counterparty
    if recent.copied:
        times, amounts, others = work.copies[0], work.copies[1], work.copies[2]
    start, stop = recent.start, recent.stop
    if recent.told_from > start:
        tell_apart(others, start, np.int64(NONE), work)
    if payer.counts_itself == 0:
        stop -= 1  # the log is measured as it stands, its last record included
    last, same, paid, same_hour, same_day, same_month = 0, 0, np.int64(0), 1, 1, 1
    for row in range(start, stop):
        if others[row] == payee_party:
            ago, last = now - times[row], row
            same += 1
            paid += amounts[row]
            same_hour += ago < HOUR
            same_day += ago < DAY
            same_month += ago < MONTH
    first, row = recent.first, stop
    new_hour = new_day = new_week = 1 if same == 0 else 0
    while row > start and now - times[row - 1] < WEEK:
        row -= 1
        new_hour += first[row - start] if now - times[row] < HOUR else 0
        new_day += first[row - start] if now - times[row] < DAY else 0
        new_week += first[row - start]
    plain.payer_new_payee_1h = new_hour
    plain.payer_new_payee_24h = new_day
    plain.payer_new_payee_7d = new_week
    plain.payer_payee_count_1h = same_hour
    plain.payer_payee_count_24h = same_day
    plain.payer_payee_count_30d = same_month
    if stop > start:
        plain.payer_seconds_since_last = _seconds(now - times[stop - 1])
    if same > 0:
        plain.payer_payee_seconds_since_last = _seconds(now - times[last])
        plain.payer_payee_amount_ratio = amount / (np.float64(paid) / np.float64(same))
    for row in range(stop - 1, start - 1, -1):
        before = place[work.copies[3, row] if recent.copied else row]
        if before != 0:
            if place[payer.stop] != 0:
                hours = max(now - times[row], 1000) / HOUR_MS
                plain.payer_speed_kmh = _distance_km(before, place[payer.stop]) / hours
            break


@njit(inner=True)
def _distance_km(one: int, other: int) -> float:
    """Great-circle distance between two packed places (haversine)."""
    lat1 = ((one >> 16) - 1) / 65534.0 * math.pi - math.pi / 2
    lat2 = ((other >> 16) - 1) / 65534.0 * math.pi - math.pi / 2
    lon1 = (one & 0xFFFF) / 65535.0 * 2 * math.pi
    lon2 = (other & 0xFFFF) / 65535.0 * 2 * math.pi
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


@njit(inner=True)
def _income(plain, logs, payee, payer_party, amount, week):  # type: ignore[no-untyped-def]
    """When the payee was paid before, and how much of what it received in a week this payer paid."""
    last, given = NEVER, payee.counts_itself * amount
    for row in range(payee.start, payee.stop):
        time = logs.event_time[row]
        if time <= payee.now:
            last = max(last, time)
            if logs.counterparty[row] == payer_party and payee.now - time < WEEK:
                given += logs.amount[row]
    if payee.counts_itself == 0 and logs.counterparty[payee.stop] == payer_party:
        given += logs.amount[payee.stop]  # the log is measured as it stands, its last record included
    if last != NEVER:
        plain.payee_seconds_since_last = _seconds(payee.now - last)
    plain.payee_income_share_7d = given / np.float64(week.total + payee.counts_itself * amount)


@njit(inner=True)
def _paid_before(logs, device, payer_party):  # type: ignore[no-untyped-def]
    for row in range(device.stop - 1, device.start - 1, -1):
        if logs.counterparty[row] == payer_party and logs.event_time[row] <= device.now:
            return True
    return False


@njit(inner=True)
def _received(plain, logs, slot, upto, now, sent, scratch):  # type: ignore[no-untyped-def]
    """What the payer received within the hour, and the share of it that goes on with this payment."""
    plain.payer_inbound_sum_1h = 0.0
    if slot != NONE and upto > 0:
        totals = scratch.totals[INBOUND]
        _other_part(logs, slot, upto, now, _HOUR_ALONE, totals, scratch.work)
        received = totals[0].total
        plain.payer_inbound_sum_1h = received
        if received > 0:
            plain.payer_pass_through_ratio_1h = sent / np.float64(received)


@njit(inner=True)
def _paid_out(plain, logs, slot, upto, now, scratch):  # type: ignore[no-untyped-def]
    """What the payee itself paid before: most never did, and of some it was not kept how much they had by then."""
    if upto == NONE:
        return
    plain.payee_outbound_sum_1h = plain.payee_outbound_sum_24h = 0.0
    plain.payee_outbound_count_1h = plain.payee_outbound_count_24h = 0.0
    if slot == NONE or upto == 0:
        return
    totals = scratch.totals[OUTBOUND]
    ago = _other_part(logs, slot, upto, now, _HOUR_AND_DAY, totals, scratch.work)
    plain.payee_outbound_sum_1h, plain.payee_outbound_sum_24h = totals[0].total, totals[1].total
    plain.payee_outbound_count_1h, plain.payee_outbound_count_24h = totals[0].payments, totals[1].payments
    if ago != NEVER:
        plain.payee_seconds_since_paid_out = _seconds(ago)


@njit(inner=True)
def _other_part(logs, slot, upto, now, windows, totals, work):  # type: ignore[no-untyped-def]
    """Measure payments and sums in the first `upto` records of a party's log in the part that it does not play here.

    Returns how long ago the latest of them was, in milliseconds; NEVER where all recent ones are later than now.
    """
    position, last = upto - 1, NEVER
    old_clock = old_clock_at(logs.slots, logs.blocks, slot, position)
    if old_clock != NEVER:  # a party behind the clock of that log, a busy one, is measured where it is still whole
        now = max(now, now_of(logs, slot, position) - HORIZON)
    for window in range(len(windows)):
        totals[window].payments = totals[window].total = 0
    start, at = recent_rows(logs.slots, slot, position)
    for row in range(start, at + 1):
        time = logs.event_time[row]
        if time > now:
            continue
        last = max(last, time)
        for window in range(len(windows)):
            if time > now - windows[window]:
                totals[window].payments += 1
                totals[window].total += logs.amount[row]
    if old_clock > now - windows[-1]:  # beyond the recent records; no literal NONE: it would be compiled once more
        measure(logs, slot, position, upto, now, np.int64(NONE), windows, totals, work)
    return now - last if last != NEVER else NEVER


@njit(inner=True)
def _risk(plain, payment, positions, reports, scratch):  # type: ignore[no-untyped-def]
    """What was reported of the payee and of the device; return whether an outcome log could not be read."""
    for which in range(len(REPORTED)):
        if positions.reports_end[which] == NONE:
            return True
    for which in range(len(REPORTED)):
        start, end, risk = positions.reports_start[which], positions.reports_end[which], scratch.risk[which]
        sum_up_reports(reports, start, end, payment.event_time, scratch.standing, risk)
    payee, device = scratch.entities[_PAYEE], scratch.entities[_DEVICE]
    risk = scratch.risk[_PAYEE_REPORTS]
    payments = scratch.totals[_PAYEE, _MONTH].payments + payee.counts_itself
    plain.payee_fraud_rate_30d = risk.frauds[OF_MONTH] / np.float64(payments)
    _reported(plain, risk, payment.event_time)
    if device.there:
        payments = scratch.totals[_DEVICE, _MONTH].payments + device.counts_itself
        plain.device_fraud_rate_30d = scratch.risk[_DEVICE_REPORTS].frauds[OF_MONTH] / np.float64(payments)
    return False


@njit(inner=True)
def _reported(plain, risk, now):  # type: ignore[no-untyped-def]
    """What was reported of the payee, how lately, and in what order."""
    plain.payee_fraud_count_24h = risk.frauds[OF_DAY]
    plain.payee_fraud_count_7d = risk.frauds[OF_WEEK]
    plain.payee_fraud_streak = risk.streak
    if risk.reports[OF_MONTH] == 0:  # nearly always
        return
    plain.payee_report_fraud_share_30d = risk.frauds[OF_MONTH] / np.float64(risk.reports[OF_MONTH])
    if risk.reports[OF_WEEK] > 0:
        plain.payee_report_fraud_share_7d = risk.frauds[OF_WEEK] / np.float64(risk.reports[OF_WEEK])
    if risk.reports[OF_DAY] > 0:
        plain.payee_report_fraud_share_24h = risk.frauds[OF_DAY] / np.float64(risk.reports[OF_DAY])
    if risk.streak > 0:
        plain.payee_seconds_since_streak_began = _seconds(now - risk.streak_began)
    if risk.last_fraud != NEVER:
        plain.payee_seconds_since_fraud_report = _seconds(now - risk.last_fraud)
    if risk.last_genuine != NEVER:
        plain.payee_seconds_since_genuine_report = _seconds(now - risk.last_genuine)
