"""A brute-force reading of the feature rules: plain loops over integers and fractions, none of the program's kernels.

Written from docs/specs/online_store.md and the interface, not from the kernels. A value is an int, a Fraction or a
float; None is missing. Only the names, which features there are, are taken from the program.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from features.columns import UNKNOWN_TIME, PaymentColumns

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WINDOWS = {"1m": MINUTE, "5m": 5 * MINUTE, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LONGEST = 30 * DAY
HORIZON = 5 * MINUTE
BLOCK = 128
PANES = 64
MAX_REPORTS = 512
FULL, COLD, LATE, DEGRADED = range(4)

Value = int | Fraction | float | None


@dataclass(frozen=True)
class Payment:
    """One payment, as the feature rules see it; identities are hashed already."""

    payment_id: int
    event_time: int
    amount: int
    payer: int
    payee: int
    device: int = 0
    latitude: float | None = None
    longitude: float | None = None
    flow: int = 0
    type: int = 0
    initiation: int = 0
    device_bound_at: int | None = None
    sim_changed_at: int | None = None
    same_bank: bool | None = None

    @property
    def place(self) -> int:
        if self.latitude is None or self.longitude is None:
            return 0
        return (1 + round((self.latitude + 90) / 180 * 65534)) << 16 | round((self.longitude + 180) / 360 * 65535)


def columns_of(payments: list[Payment]) -> PaymentColumns:
    """The same payments as the program takes them."""

    def column(values: list[int], kind: type) -> np.ndarray:
        return np.array(values, dtype=kind)

    return PaymentColumns.of(
        payment_id=column([p.payment_id for p in payments], np.uint64),
        event_time=column([p.event_time for p in payments], np.int64),
        amount_paise=column([p.amount for p in payments], np.int64),
        payer=column([p.payer for p in payments], np.uint64),
        payee=column([p.payee for p in payments], np.uint64),
        device=column([p.device for p in payments], np.uint64),
        place=column([p.place for p in payments], np.uint32),
        kind=column([2 | p.flow << 8 | p.type << 16 | p.initiation << 24 for p in payments], np.uint32),
        mcc=column([-1] * len(payments), np.int32),
        device_bound_at=column([_or(p.device_bound_at, UNKNOWN_TIME) for p in payments], np.int64),
        sim_changed_at=column([_or(p.sim_changed_at, UNKNOWN_TIME) for p in payments], np.int64),
        same_bank=column([-1 if p.same_bank is None else int(p.same_bank) for p in payments], np.int8),
    )


def _or(value: int | None, otherwise: int) -> int:
    return int(otherwise) if value is None else value


@dataclass
class Record:
    time: int
    """t': event time, moved up where the log was dense and the payment late."""
    amount: int
    counterparty: int
    place: int


@dataclass
class EntityLog:
    """One entity's payments in the order they were appended."""

    records: list[Record] = field(default_factory=list)
    clocks: list[int] = field(default_factory=list)
    """W: the latest event time up to each record."""
    born: int = 0

    def append(self, event_time: int, amount: int, counterparty: int, place: int) -> int:
        position = len(self.records)
        if position == 0:
            self.born = event_time
        time, old_clock = event_time, self.old_clock(position)
        if old_clock is not None:
            time = max(event_time, min(self.clocks[-1] - HORIZON, old_clock + HORIZON))
        self.records.append(Record(time, amount, counterparty % 2**40, place))
        self.clocks.append(max([event_time, *self.clocks[-1:]]))
        return position

    def old_clock(self, position: int) -> int | None:
        """C: W at the end of the block before the last full one; None in a young log."""
        full = (position + 1) // BLOCK
        return self.clocks[(full - 1) * BLOCK - 1] if full >= 2 else None

    def recent(self, position: int) -> int:
        """Where the last full block starts, as of a position: 0 in a young log."""
        return max(0, (position + 1) // BLOCK - 1) * BLOCK

    def members(self, position: int, window: int, now: int | None = None) -> tuple[list[Record], bool]:
        """The records up to `position` in the window that ends there, and whether its far edge is exact."""
        now = self.records[position].time if now is None else now
        far, old_clock = now - window, self.old_clock(position)
        records = self.records[: position + 1]
        whole = old_clock is None or old_clock <= far
        if whole or window <= HORIZON:
            return [r for r in records if far < r.time <= now], whole
        pane = window // PANES
        return [r for r in records if r.time // pane >= far // pane and r.time <= now], False


def hyperloglog(counterparties: set[int]) -> float:
    """Flajolet et al. 2007 with 256 registers: 8 bits of index, 32 of rank; linear counting at the low end."""
    registers = [0] * 256
    for counterparty in counterparties:
        rest = counterparty // 256
        rank = 33 if rest == 0 else len(bin(rest)) - len(bin(rest).rstrip("0")) + 1
        registers[counterparty % 256] = max(registers[counterparty % 256], rank)
    raw = 0.7213 / (1 + 1.079 / 256) * 256 * 256 / float(sum(Fraction(1, 2**rank) for rank in registers))
    if raw <= 640 and 0 in registers:
        return 256 * math.log(256 / registers.count(0))
    return raw


@dataclass(frozen=True)
class Report:
    """An outcome report on the payment at `row` of the delivery order."""

    row: int
    reported_at: int
    fraud: bool


class Oracle:
    """Delivers payments one by one, and says what the vector of each must be."""

    def __init__(self, payments: list[Payment], reports: list[Report] | None = None) -> None:
        self.payments: list[Payment] = []
        self.reports = reports or []
        self.payer_logs: dict[int, EntityLog] = defaultdict(EntityLog)
        self.payee_logs: dict[int, EntityLog] = defaultdict(EntityLog)
        self.device_logs: dict[int, EntityLog] = defaultdict(EntityLog)
        self.clocks: list[int] = []
        """The latest event time up to each payment."""
        self.positions: list[tuple[int, int, int | None, int, int]] = []
        """Position in the payer's, the payee's and the device's log, and the lengths of the payer's inbound log and the
        payee's outbound log."""
        for payment in payments:
            self.deliver(payment)

    def deliver(self, p: Payment) -> None:
        device_at = None
        outbound_upto = len(self.payer_logs[p.payee].records)
        payer_at = self.payer_logs[p.payer].append(p.event_time, p.amount, p.payee, p.place)
        payee_at = self.payee_logs[p.payee].append(p.event_time, p.amount, p.payer, p.place)
        if p.device:
            device_at = self.device_logs[p.device].append(p.event_time, p.amount, p.payer, p.place)
        self.clocks.append(max([p.event_time, *self.clocks[-1:]]))
        inbound_upto = len(self.payee_logs[p.payer].records)
        self.positions.append((payer_at, payee_at, device_at, inbound_upto, outbound_upto))
        self.payments.append(p)

    def state(self, row: int) -> int:
        p, (payer_at, payee_at, device_at, *_) = self.payments[row], self.positions[row]
        times = [self.payer_logs[p.payer].records[payer_at].time, self.payee_logs[p.payee].records[payee_at].time]
        if device_at is not None:
            times.append(self.device_logs[p.device].records[device_at].time)
        if any(time != p.event_time for time in times):
            return LATE
        return COLD if len(self.payer_logs[p.payer].members(payer_at, LONGEST)[0]) == 1 else FULL

    def vector(self, row: int, names: tuple[str, ...]) -> dict[str, Value]:
        plain = self._plain(row)
        vector: dict[str, Value] = {}
        for name in names:
            match = re.fullmatch(
                r"(payer|payee|device)_(count|sum|mean|std|max|distinct_payee|distinct_payer)_(\d+[mhd])", name
            )
            vector[name] = plain[name] if match is None else self._windowed(row, *match.groups())
        return vector

    def _log(self, row: int, entity: str) -> tuple[EntityLog, int | None]:
        p, (payer_at, payee_at, device_at, *_) = self.payments[row], self.positions[row]
        return {
            "payer": (self.payer_logs[p.payer], payer_at),
            "payee": (self.payee_logs[p.payee], payee_at),
            "device": (self.device_logs[p.device] if p.device else EntityLog(), device_at),
        }[entity]

    def _windowed(self, row: int, entity: str, aggregation: str, window: str) -> Value:
        log, position = self._log(row, entity)
        if position is None:
            return None
        members, exact = log.members(position, WINDOWS[window])
        amounts = [r.amount for r in members]
        assert log.records[position] in members
        if aggregation.startswith("distinct"):
            counterparties = {r.counterparty for r in members}
            return len(counterparties) if exact else hyperloglog(counterparties)
        mean = Fraction(sum(amounts), len(amounts))
        return {
            "count": len(amounts),
            "sum": sum(amounts),
            "mean": mean,
            "max": max(amounts),
            "std": _root(sum(((a - mean) ** 2 for a in amounts), Fraction(0)) / len(amounts)),
        }[aggregation]

    def _plain(self, row: int) -> dict[str, Value]:
        p, (payer_at, payee_at, device_at, inbound_upto, outbound_upto) = self.payments[row], self.positions[row]
        hour = (p.event_time + 11 * HOUR // 2) // HOUR % 24
        return {
            "amount_paise": p.amount,
            "hour_of_day": hour,
            "is_night": int(hour >= 23 or hour < 5),
            "is_p2m": None if p.flow == 0 else int(p.flow == 2),
            "is_collect": None if p.type == 0 else int(p.type == 2),
            "initiation": p.initiation or None,
            "same_bank": None if p.same_bank is None else int(p.same_bank),
            "device_age_seconds": None if p.device_bound_at is None else _seconds(p.event_time - p.device_bound_at),
            "sim_age_seconds": None if p.sim_changed_at is None else _seconds(p.event_time - p.sim_changed_at),
            **self._payer(p, self.payer_logs[p.payer], payer_at),
            **self._payee(self.payee_logs[p.payee], payee_at),
            **self._inbound(row, inbound_upto),
            **self._outbound(row, outbound_upto),
            **self._device(p, device_at),
            "amount_roundness": _roundness(p.amount),
            **self._habits(row),
            **self._reported(row),
            "payee_fraud_rate_30d": self._fraud_rate(row, "payee"),
            "device_fraud_rate_30d": self._fraud_rate(row, "device"),
        }

    @staticmethod
    def _payer(p: Payment, log: EntityLog, at: int) -> dict[str, Value]:
        now = log.records[at].time
        earlier = [r for r in log.records[log.recent(at) : at] if r.time <= now]
        same = [r for r in earlier if r.counterparty == p.payee % 2**40]
        located = [r for r in earlier if r.place]
        features: dict[str, Value] = {
            "payer_seconds_since_first": _seconds(now - log.born),
            "payer_seconds_since_last": _since(now, earlier),
            "payer_payee_seconds_since_last": _since(now, same),
            "payer_payee_count_30d": 1 + sum(now - r.time < LONGEST for r in same),
            "payer_speed_kmh": None,
            "payer_amount_z_30d": None,
            "payer_amount_ratio_mean_30d": None,
            "payer_amount_ratio_max_30d": None,
        }
        if located and p.place:
            newest = max(r.time for r in located)
            there = [r for r in located if r.time == newest][-1].place
            hours = max(now - newest, SECOND) / HOUR
            features["payer_speed_kmh"] = _kilometres(there, p.place) / hours
        members, _ = log.members(at, LONGEST)
        members.remove(log.records[at])
        if members:
            amounts = [r.amount for r in members]
            mean = Fraction(sum(amounts), len(amounts))
            spread = _root(sum(((a - mean) ** 2 for a in amounts), Fraction(0)) / len(amounts))
            features["payer_amount_ratio_mean_30d"] = p.amount / mean
            features["payer_amount_ratio_max_30d"] = Fraction(p.amount, max(amounts))
            if spread:
                features["payer_amount_z_30d"] = float(p.amount - mean) / spread
        return features

    @staticmethod
    def _payee(log: EntityLog, at: int) -> dict[str, Value]:
        now = log.records[at].time
        return {
            "payee_seconds_since_first": _seconds(now - log.born),
            "payee_seconds_since_last": _since(now, [r for r in log.records[log.recent(at) : at] if r.time <= now]),
        }

    def _device(self, p: Payment, at: int | None) -> dict[str, Value]:
        if at is None:
            return {"device_seconds_since_first": None, "payer_new_device": None}
        log = self.device_logs[p.device]
        now = log.records[at].time
        seen = [r for r in log.records[log.recent(at) : at] if r.counterparty == p.payer % 2**40 and r.time <= now]
        return {"device_seconds_since_first": _seconds(now - log.born), "payer_new_device": int(not seen)}

    def _inbound(self, row: int, upto: int) -> dict[str, Value]:
        p = self.payments[row]
        log, outbound = self.payee_logs[p.payer], self.payer_logs[p.payer]
        received = 0
        if upto:
            now = outbound.records[self.positions[row][0]].time
            if log.old_clock(upto - 1) is not None:
                now = max(now, log.records[upto - 1].time - HORIZON)
            received = sum(r.amount for r in log.members(upto - 1, HOUR, now)[0])
        sent = sum(r.amount for r in outbound.members(self.positions[row][0], HOUR)[0])
        return {
            "payer_inbound_sum_1h": received,
            "payer_pass_through_ratio_1h": Fraction(sent, received) if received else None,
        }

    def _habits(self, row: int) -> dict[str, Value]:
        p, (payer_at, payee_at, *_) = self.payments[row], self.positions[row]
        log, features = self.payer_logs[p.payer], dict[str, Value]()
        now = log.records[payer_at].time
        earlier = [r for r in log.records[log.recent(payer_at) : payer_at] if r.time <= now]
        same = [r for r in earlier if r.counterparty == p.payee % 2**40]
        mean = Fraction(sum(r.amount for r in same), len(same)) if same else None
        features["payer_payee_amount_ratio"] = p.amount / mean if mean else None
        first: dict[int, int] = {}
        for r in (*earlier, log.records[payer_at]):
            first[r.counterparty] = min(first.get(r.counterparty, r.time), r.time)
        for window in ("1h", "24h", "7d"):
            features[f"payer_new_payee_{window}"] = sum(now - time < WINDOWS[window] for time in first.values())
        for window in ("1h", "24h"):
            features[f"payer_payee_count_{window}"] = 1 + sum(now - r.time < WINDOWS[window] for r in same)

        before = log.members(payer_at, LONGEST)[0]
        before.remove(log.records[payer_at])
        usual = Fraction(sum(r.amount for r in before), len(before)) if before else None
        for window in ("24h", "7d"):
            amounts = [r.amount for r in log.members(payer_at, WINDOWS[window])[0]]
            features[f"payer_max_ratio_{window}"] = max(amounts) / usual if usual else None
            features[f"payer_mean_ratio_{window}"] = Fraction(sum(amounts), len(amounts)) / usual if usual else None

        log = self.payee_logs[p.payee]
        now = log.records[payee_at].time
        recent = [r for r in log.records[log.recent(payee_at) : payee_at] if now - WINDOWS["7d"] < r.time <= now]
        given = p.amount + sum(r.amount for r in recent if r.counterparty == p.payer % 2**40)
        received = sum(r.amount for r in log.members(payee_at, WINDOWS["7d"])[0])
        return {**features, "payee_income_share_7d": Fraction(given, received)}

    def _reported(self, row: int) -> dict[str, Value]:
        now = self.payments[row].event_time
        reports = [r for r in self._standing(row, "payee") if r.reported_at > now - LONGEST]
        genuine = [r.reported_at for r in reports if not r.fraud]
        streak: list[int] = []
        for report in reversed(reports):
            if not report.fraud:
                break
            streak.append(report.reported_at)
        features: dict[str, Value] = {
            "payee_fraud_streak": len(streak),
            "payee_seconds_since_streak_began": _seconds(now - min(streak)) if streak else None,
            "payee_seconds_since_fraud_report": None,
            "payee_seconds_since_genuine_report": _seconds(now - max(genuine)) if genuine else None,
        }
        if frauds := [r.reported_at for r in reports if r.fraud]:
            features["payee_seconds_since_fraud_report"] = _seconds(now - max(frauds))
        for window in ("24h", "7d", "30d"):
            within = [r.fraud for r in reports if r.reported_at > now - WINDOWS[window]]
            features[f"payee_fraud_count_{window}"] = sum(within)
            features[f"payee_report_fraud_share_{window}"] = Fraction(sum(within), len(within)) if within else None
        return features

    def _outbound(self, row: int, upto: int) -> dict[str, Value]:
        p = self.payments[row]
        log, inbound = self.payer_logs[p.payee], self.payee_logs[p.payee]
        now, last = inbound.records[self.positions[row][1]].time, None
        within: dict[str, list[int]] = {"1h": [], "24h": []}
        if upto:
            if log.old_clock(upto - 1) is not None:
                now = max(now, log.records[upto - 1].time - HORIZON)
            within = {name: [r.amount for r in log.members(upto - 1, WINDOWS[name], now)[0]] for name in within}
            last = _since(now, [r for r in log.records[log.recent(upto - 1) : upto] if r.time <= now])
        return {
            "payee_seconds_since_paid_out": last,
            **{f"payee_outbound_sum_{name}": sum(amounts) for name, amounts in within.items()},
            **{f"payee_outbound_count_{name}": len(amounts) for name, amounts in within.items()},
        }

    def _fraud_rate(self, row: int, entity: str) -> Value:
        log, position = self._log(row, entity)
        if position is None:
            return None
        now = self.payments[row].event_time
        frauds = sum(r.fraud and r.reported_at > now - LONGEST for r in self._standing(row, entity))
        return Fraction(frauds, len(log.members(position, LONGEST)[0]))

    def _standing(self, row: int, entity: str) -> list[Report]:
        """The report that stands of each payment of an entity, as of a row: by the time made, then by arrival."""
        identity, now = getattr(self.payments[row], entity), self.payments[row].event_time
        arrived: list[tuple[int, Report]] = []
        for report in dict.fromkeys(self.reports):  # in the order they were made; made again, one changes nothing
            later = range(report.row + 1, row + 1)
            arrival = next((at for at in later if report.reported_at < self.clocks[at]), None)
            if arrival is not None and getattr(self.payments[report.row], entity) == identity:
                arrived.append((arrival, report))
        newest = [report for _, report in sorted(arrived, key=lambda one: one[0])[-MAX_REPORTS:]]
        standing: dict[int, Report] = {}
        for report in sorted((r for r in newest if r.reported_at <= now), key=lambda r: r.reported_at):
            standing.pop(report.row, None)
            standing[report.row] = report
        return list(standing.values())


def _roundness(paise: int) -> int:
    rupees = Fraction(paise, 100)
    if rupees.denominator > 1:
        return -1
    return sum(rupees % one == 0 for one in (10, 50, 100, 500, 1_000, 5_000, 10_000))


def _seconds(milliseconds: int) -> Fraction:
    return Fraction(max(milliseconds, 0), 1000)


def _since(now: int, records: list[Record]) -> Fraction | None:
    return _seconds(now - max(r.time for r in records)) if records else None


def _root(value: Fraction) -> float:
    """The square root, right to 60 bits."""
    scaled = value.numerator * 4**80 // value.denominator
    return float(Fraction(math.isqrt(scaled), 2**80))


def _kilometres(one: int, other: int) -> float:
    """Great-circle distance by the angle between two unit vectors."""
    vectors = []
    for place in (one, other):
        latitude = math.radians((place // 65536 - 1) * 180 / 65534 - 90)
        longitude = math.radians(place % 65536 * 360 / 65535 - 180)
        vectors.append(
            (
                math.cos(latitude) * math.cos(longitude),
                math.cos(latitude) * math.sin(longitude),
                math.sin(latitude),
            )
        )
    (a, b, c), (x, y, z) = vectors
    cross = math.hypot(b * z - c * y, c * x - a * z, a * y - b * x)
    return 6371.0088 * math.atan2(cross, a * x + b * y + c * z)


EXACT = re.compile(r"amount_paise|.*_(count|sum|max)_\d+[mhd]|is_\w+|initiation|same_bank|hour_of_day|payer_new_device")
"""Integers: rounded to float32 once, and nothing else."""


def round_once(value: int | Fraction) -> np.float32:
    """The float32 nearest to an exact number, ties to even."""
    guess = np.float32(float(value))
    near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(near, key=lambda x: (abs(Fraction(float(x)) - value), int(x.view(np.uint32)) & 1))


def differences(vector: np.ndarray, expected: dict[str, Value]) -> list[str]:
    """Say where a vector is not what the oracle expects; integers must be equal, others to one float32 step."""
    wrong = []
    for (name, value), got in zip(expected.items(), vector, strict=True):
        if value is None:
            right = bool(np.isnan(got))
        elif isinstance(value, int) or EXACT.fullmatch(name):
            right = bool(got == round_once(value))
        elif name == "payer_speed_kmh":
            right = math.isclose(float(got), value, rel_tol=1e-4, abs_tol=1.0)
        elif name == "payer_amount_z_30d":
            right = math.isclose(float(got), value, rel_tol=1e-5, abs_tol=1e-5)
        else:
            near = np.float32(float(value))
            right = bool(abs(np.float64(got) - np.float64(near)) <= np.spacing(near))
        if not right:
            wrong.append(f"{name}: {got!r}, expected {value!r}")
    return wrong
