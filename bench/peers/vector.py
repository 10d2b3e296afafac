"""The features of one payment in plain Python, by the same definitions as the kernels.

The lists that come in hold what a store returned for the last 30 days, in order of event time, the payment itself
included. Differences to the kernels are differences of meaning, and only these: windows are exact for dense entities
too, where the kernels move the far edge in steps and estimate distinct counts; and what looks at single earlier
payments ("since last", speed, new device, new payees) sees 30 days, where the kernels see the recent records.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.schema import FEATURE_NAMES
from features.windows import DAY, HOUR, MONTH, WEEK, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.peers.payment import Payment

INDIA_OFFSET = 19_800_000
EARTH_KM = 6371.0088
ROUND_RUPEES = (10, 50, 100, 500, 1_000, 5_000, 10_000)


class Sent(NamedTuple):
    """A payment in its payer's history."""

    time: int
    amount: int
    payee: str
    place: int
    transaction_id: str


class Seen(NamedTuple):
    """A payment in its payee's or device's history."""

    time: int
    payer: str
    amount: int = 0


class Report(NamedTuple):
    """An outcome report in a payee's or device's history."""

    time: int
    transaction_id: str
    is_fraud: bool


class History(NamedTuple):
    """What is known around one payment at its time."""

    sent: Sequence[Sent]
    payee: Sequence[Seen]
    device: Sequence[Seen]
    received: Sequence[int]
    """Amounts that the payer received within the hour."""
    paid_out: Sequence[Sent]
    """What the payee itself paid before."""
    payer_first: int
    payee_first: int
    device_first: int | None
    payee_reports: Sequence[Report]
    device_reports: Sequence[Report]


def vector(p: Payment, history: History) -> NDArray[np.float32]:
    """Return the features in the order of the schema; missing is NaN."""
    found = _payment(p)
    found.update(_payer(p, history))
    found.update(_habits(p, history))
    found.update(_paid_out(p, history))
    found.update(_reported(p, history.payee_reports))
    for entity, seen, reports in (
        ("payee", history.payee, history.payee_reports),
        ("device", history.device, history.device_reports),
    ):
        if entity == "device" and p.device is None:
            continue
        times = [one.time for one in seen]
        for window, length in WINDOWS.items():
            members = seen[bisect_right(times, p.event_time - length) :]
            found[f"{entity}_count_{window}"] = len(members)
            found[f"{entity}_distinct_payer_{window}"] = len({one.payer for one in members})
        found[f"{entity}_fraud_rate_30d"] = _frauds(reports, p.event_time) / len(seen)
    found["payee_seconds_since_first"] = _seconds(p.event_time - history.payee_first)
    if len(history.payee) > 1:
        found["payee_seconds_since_last"] = _seconds(p.event_time - history.payee[-2].time)
    if history.device_first is not None:
        found["device_seconds_since_first"] = _seconds(p.event_time - history.device_first)
        found["payer_new_device"] = sum(one.payer == p.payer for one in history.device) == 1
    return np.array([found.get(name, math.nan) for name in FEATURE_NAMES], dtype=np.float32)


def _payment(p: Payment) -> dict[str, float]:
    hour = (p.event_time + INDIA_OFFSET) // HOUR % 24
    found: dict[str, float] = {
        "amount_paise": p.amount,
        "amount_roundness": -1 if p.amount % 100 else sum(p.amount % (100 * one) == 0 for one in ROUND_RUPEES),
        "hour_of_day": hour,
        "is_night": hour >= 23 or hour < 5,
    }
    if p.flow:
        found["is_p2m"] = p.flow == 2
    if p.type:
        found["is_collect"] = p.type == 2
    if p.initiation:
        found["initiation"] = p.initiation
    if p.same_bank is not None:
        found["same_bank"] = p.same_bank
    if p.device_bound_at is not None:
        found["device_age_seconds"] = _seconds(p.event_time - p.device_bound_at)
    if p.sim_changed_at is not None:
        found["sim_age_seconds"] = _seconds(p.event_time - p.sim_changed_at)
    return found


def _payer(p: Payment, history: History) -> dict[str, float]:
    found: dict[str, float] = {}
    times = [one.time for one in history.sent]
    for window, length in WINDOWS.items():
        members = history.sent[bisect_right(times, p.event_time - length) :]
        amounts = [one.amount for one in members]
        found[f"payer_count_{window}"] = len(members)
        found[f"payer_sum_{window}"] = sum(amounts)
        found[f"payer_mean_{window}"] = sum(amounts) / len(amounts)
        found[f"payer_max_{window}"] = max(amounts)
        found[f"payer_distinct_payee_{window}"] = len({one.payee for one in members})
    amounts = [one.amount for one in history.sent]
    found["payer_std_30d"] = _deviation(amounts)
    found["payer_seconds_since_first"] = _seconds(p.event_time - history.payer_first)
    received = sum(history.received)
    found["payer_inbound_sum_1h"] = received
    if received:
        found["payer_pass_through_ratio_1h"] = found["payer_sum_1h"] / received

    earlier = [one for one in history.sent if one.transaction_id != p.transaction_id]
    same = [one.time for one in earlier if one.payee == p.payee]
    found["payer_payee_count_30d"] = 1 + len(same)
    if same:
        found["payer_payee_seconds_since_last"] = _seconds(p.event_time - same[-1])
    if earlier:
        amounts = [one.amount for one in earlier]
        mean, spread = sum(amounts) / len(amounts), _deviation(amounts)
        found["payer_seconds_since_last"] = _seconds(p.event_time - earlier[-1].time)
        found["payer_amount_ratio_mean_30d"] = p.amount / mean
        found["payer_amount_ratio_max_30d"] = p.amount / max(amounts)
        if spread > 0:
            found["payer_amount_z_30d"] = (p.amount - mean) / spread
    located = [one for one in earlier if one.place]
    if located and p.place:
        hours = max(p.event_time - located[-1].time, 1000) / HOUR
        found["payer_speed_kmh"] = _kilometres(located[-1].place, p.place) / hours
    return found


def _habits(p: Payment, history: History) -> dict[str, float]:
    found: dict[str, float] = {}
    earlier = [one for one in history.sent if one.transaction_id != p.transaction_id]
    first = {one.payee: one.time for one in reversed(history.sent)}
    for window, length in (("1h", HOUR), ("24h", DAY), ("7d", WEEK)):
        found[f"payer_new_payee_{window}"] = sum(time > p.event_time - length for time in first.values())
    same = [one for one in earlier if one.payee == p.payee]
    for window, length in (("1h", HOUR), ("24h", DAY)):
        found[f"payer_payee_count_{window}"] = 1 + sum(one.time > p.event_time - length for one in same)
    if same:
        found["payer_payee_amount_ratio"] = p.amount / (sum(one.amount for one in same) / len(same))
    if earlier:
        mean = sum(one.amount for one in earlier) / len(earlier)
        for window, length in (("24h", DAY), ("7d", WEEK)):
            amounts = [one.amount for one in history.sent if one.time > p.event_time - length]
            found[f"payer_max_ratio_{window}"] = max(amounts) / mean
            found[f"payer_mean_ratio_{window}"] = sum(amounts) / len(amounts) / mean
    income = [one for one in history.payee if one.time > p.event_time - WEEK]
    given = sum(one.amount for one in income if one.payer == p.payer)
    found["payee_income_share_7d"] = given / sum(one.amount for one in income)
    return found


def _paid_out(p: Payment, history: History) -> dict[str, float]:
    found: dict[str, float] = {}
    earlier = [one for one in history.paid_out if one.transaction_id != p.transaction_id]
    for window, length in (("1h", HOUR), ("24h", DAY)):
        amounts = [one.amount for one in earlier if one.time > p.event_time - length]
        found[f"payee_outbound_sum_{window}"], found[f"payee_outbound_count_{window}"] = sum(amounts), len(amounts)
    if earlier:
        found["payee_seconds_since_paid_out"] = _seconds(p.event_time - earlier[-1].time)
    return found


def _standing(reports: Sequence[Report], now: int) -> list[Report]:
    """Return the newest report of each payment, in order of time, where it was made within 30 days."""
    newest = {one.transaction_id: one for one in reports}  # in order of time
    return sorted((one for one in newest.values() if one.time > now - MONTH), key=lambda one: one.time)


def _frauds(reports: Sequence[Report], now: int) -> int:
    return sum(one.is_fraud for one in _standing(reports, now))


def _reported(p: Payment, reports: Sequence[Report]) -> dict[str, float]:
    standing = _standing(reports, p.event_time)
    found: dict[str, float] = {}
    for window, length in (("24h", DAY), ("7d", WEEK), ("30d", MONTH)):
        within = [one.is_fraud for one in standing if one.time > p.event_time - length]
        found[f"payee_fraud_count_{window}"] = sum(within)
        if within:
            found[f"payee_report_fraud_share_{window}"] = sum(within) / len(within)
    for name, fraud in (("fraud", True), ("genuine", False)):
        times = [one.time for one in standing if one.is_fraud is fraud]
        if times:
            found[f"payee_seconds_since_{name}_report"] = _seconds(p.event_time - times[-1])
    streak = 0
    while streak < len(standing) and standing[-1 - streak].is_fraud:
        streak += 1
    found["payee_fraud_streak"] = streak
    if streak:
        found["payee_seconds_since_streak_began"] = _seconds(p.event_time - standing[-streak].time)
    return found


def _deviation(amounts: Sequence[int]) -> float:
    n, total = len(amounts), sum(amounts)
    return math.sqrt(n * sum(amount * amount for amount in amounts) - total * total) / n


def _seconds(milliseconds: int) -> float:
    return max(milliseconds, 0) / 1000


def _kilometres(one: int, other: int) -> float:
    lat1, lat2 = (((place >> 16) - 1) / 65534 * math.pi - math.pi / 2 for place in (one, other))
    lon1, lon2 = ((place & 0xFFFF) / 65535 * 2 * math.pi for place in (one, other))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
