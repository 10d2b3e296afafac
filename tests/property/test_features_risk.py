"""Outcome risk as of the moment: newest report stands, whatever the order they come in.

payment a -------- b ------------- c ---------- d        b, c, d are to the payee of a
report of a   F@1        G@3  F@2                        a stands as fraud for b, as genuine for c and d
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import entities
from features.history import OutcomeReports, history_vectors
from features.measure.logs import NEVER
from features.measure.risk import FRAUD, GENUINE, MAX_REPORTS, REPORT_BYTES, RISK, Standing, pack_report, sum_up_reports
from features.online import OnlineFeatures
from features.schema import FEATURE_NAMES
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from features.store.provenance import read_provenance
from tests.fixtures.kernels import outer
from tests.fixtures.payment_streams import REPORTED, Script, reports_on, scripts
from tests.oracle import DAY, HOUR, LONGEST, Oracle, Payment, Report, columns_of, differences

if TYPE_CHECKING:
    from features.columns import PaymentColumns
    from features.online import FeatureBatch
    from features.store.contract import EntityStore

DEVICE_REPORTS = entities.DEVICE.reports
PAYEE_REPORTS = entities.PAYEE.reports

START = 1_790_000_000_000


def outcomes_of(reports: list[Report]) -> OutcomeReports:
    return OutcomeReports(
        np.array([report.row for report in reports], dtype=np.int64),
        np.array([report.reported_at for report in reports], dtype=np.int64),
        np.array([report.fraud for report in reports], dtype=np.bool_),
    )


def send(store: EntityStore, columns: PaymentColumns, report: Report) -> None:
    """Set a report as the stream does: once for the payee and once for the device."""
    packed = pack_report(report.reported_at, FRAUD if report.fraud else GENUINE, int(columns.payment_id[report.row]))
    payee, device = int(columns.payee[report.row]), int(columns.device[report.row])
    store.report([(PAYEE_REPORTS + payee.to_bytes(8, "little"), packed)])
    if device:
        store.report([(DEVICE_REPORTS + device.to_bytes(8, "little"), packed)])


def claims_of(offset: int) -> Claims:
    return Claims(np.zeros(1, dtype=np.uint16), np.array([offset]))


def arrivals(columns: PaymentColumns, reports: list[Report]) -> list[tuple[int, Report]]:
    """The row before which each report comes: after its payment, and after the payments of its time."""
    clock = np.maximum.accumulate(columns.event_time)
    timed = [
        (max(report.row + 1, int(np.searchsorted(clock, report.reported_at, side="right"))), report)
        for report in reports
    ]
    return sorted(timed, key=lambda arrival: arrival[0])


def online_vectors(columns: PaymentColumns, reports: list[Report], most: int, seed: int) -> np.ndarray:
    """One worker, micro-batches of random size, cut where reports come; some reports come again."""
    r, store = random.Random(seed), MemoryEntityStore()
    features, waiting = OnlineFeatures(store, 8 << 20), arrivals(columns, reports)
    vectors, at = [], 0
    while at < len(columns):
        while waiting and waiting[0][0] <= at:
            for _ in range(r.choice((1, 1, 2))):
                send(store, columns, waiting[0][1])
            waiting.pop(0)
        end = min(at + r.randint(1, most), len(columns), *(row for row, _ in waiting[:1]))
        rows = np.arange(at, end)
        claims = Claims(np.zeros(len(rows), dtype=np.uint16), rows)
        vectors.append(features.process(columns.take(rows), claims, [Origin(b"t:0", at, end)]).vectors)
        at = end
    return np.concatenate(vectors)


@settings(max_examples=60, deadline=None)
@given(scripts(max_payments=25), st.integers(0, 2**32), st.integers(1, 60))
def test_a_report_counts_as_it_stood_at_the_time(script: Script, seed: int, count: int) -> None:
    payments = script.payments()
    reports = reports_on(payments, seed, count)
    vectors, _ = history_vectors(columns_of(payments), outcomes_of(reports))
    oracle = Oracle(payments, reports)
    columns = [FEATURE_NAMES.index(name) for name in REPORTED]
    for row in range(len(payments)):
        assert not differences(vectors[row][columns], oracle.vector(row, REPORTED)), row


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(scripts(max_payments=25), st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 30))
def test_online_is_history_when_reports_come_in_time(script: Script, seed: int, count: int, most: int) -> None:
    payments = script.payments()
    columns, reports = columns_of(payments), reports_on(payments, seed, count)
    vectors, _ = history_vectors(columns, outcomes_of(reports))
    assert online_vectors(columns, reports, most, seed).tobytes() == vectors.tobytes()


@pytest.mark.slow
def test_online_is_history_beyond_the_reports_that_are_read() -> None:
    """Both see the newest reports of a payee that has more of them than are read."""
    count = MAX_REPORTS + 150
    payments = [Payment(n + 1, START + n * 1_000, 100, 1 + n, 2, 3) for n in range(2 * count)]
    columns = columns_of(payments)
    reports = [Report(n, START + (n + count // 2) * 1_000 + 500, n % 3 > 0) for n in range(count)]
    vectors, _ = history_vectors(columns, outcomes_of(reports))
    assert online_vectors(columns, reports, 64, 1).tobytes() == vectors.tobytes()
    oracle, columns_at = Oracle(payments, reports), [FEATURE_NAMES.index(name) for name in REPORTED]
    for row in (count, len(payments) - 1):
        assert not differences(vectors[row][columns_at], oracle.vector(row, REPORTED)), row


def test_no_payment_knows_its_own_outcome() -> None:
    """However early a report claims to be made, it cannot be had before its payment was delivered."""
    payments = [Payment(n + 1, START + n * HOUR, 100, 1, 2, 3) for n in range(4)]
    reports = [Report(2, START - DAY, fraud=True)]
    vectors, _ = history_vectors(columns_of(payments), outcomes_of(reports))
    assert vectors[:, FEATURE_NAMES.index("payee_fraud_rate_30d")].tolist() == [0, 0, 0, 0.25]


# As of the reports that had arrived ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(scripts(max_payments=25), st.integers(0, 2**32), st.integers(1, 60))
def test_provenance_says_which_reports_a_vector_is_of(script: Script, seed: int, count: int) -> None:
    """So many of the log's reports give the vector again, whatever came later: nothing is put before them."""
    payments = script.payments()
    columns, reports = columns_of(payments), reports_on(payments, seed, count)
    store, waiting = MemoryEntityStore(), arrivals(columns, reports)
    features = OnlineFeatures(store, 8 << 20)
    measured: list[FeatureBatch] = []
    for at in range(len(columns)):
        while waiting and waiting[0][0] <= at:
            send(store, columns, waiting.pop(0)[1])
        measured.append(
            features.process(columns.take(np.arange(at, at + 1)), claims_of(at), [Origin(b"t:0", at, at + 1)])
        )
    for _, report in waiting:
        send(store, columns, report)
    for batch, payment in zip(measured, payments, strict=True):
        had = int(read_provenance([batch.provenance[0].tobytes()])["payee_reports"][0])
        log = bytes(store.logs.get(PAYEE_REPORTS + payment.payee.to_bytes(8, "little"), b""))
        found = reported(log[: had * REPORT_BYTES], payment.event_time)
        for name, value in found.items():
            np.testing.assert_equal(batch.vectors[0][FEATURE_NAMES.index(name)], np.float32(value), err_msg=name)


def reported(log: bytes, now: int) -> dict[str, float]:
    """What a payment at `now` must say of an outcome log, where the kernel of reports is right."""
    risk = summed_up(log, now)
    shares = zip(risk["frauds"], risk["reports"], ("24h", "7d", "30d"), strict=True)
    ages = {"streak_began": "streak_began", "last_fraud": "fraud_report", "last_genuine": "genuine_report"}
    return {
        "payee_fraud_count_24h": risk["frauds"][0],
        "payee_fraud_count_7d": risk["frauds"][1],
        "payee_fraud_streak": risk["streak"],
        **{f"payee_report_fraud_share_{name}": frauds / n if n else np.nan for frauds, n, name in shares},
        **{f"payee_seconds_since_{name}": (now - risk[at]) / 1000 if risk[at] != NEVER else np.nan
           for at, name in ages.items()},
    }  # fmt: skip


def test_what_was_reported_later_changes_later_payments_only() -> None:
    """Measured again before it was stored, a payment knows what was reported since, but of no later time.

    payment   a  b -------------- c    reports: F of a before c, corrected after c
    """
    payments = [Payment(n + 1, START + n * HOUR, 100, 1 + n, 2, 3) for n in range(4)]
    columns, store = columns_of(payments), MemoryEntityStore()
    features = OnlineFeatures(store)

    def measure(at: int) -> dict[str, float]:
        vector = features.process(
            columns.take(np.arange(at, at + 1)), claims_of(at), [Origin(b"t:0", at, at + 1)]
        ).vectors[0]
        return {name: float(vector[FEATURE_NAMES.index(name)]) for name in REPORTED}

    def same(one: dict[str, float], other: dict[str, float]) -> bool:
        return np.array_equal(list(one.values()), list(other.values()), equal_nan=True)

    first = [measure(0), measure(1)]
    send(store, columns, Report(0, START + HOUR + 1, fraud=True))
    assert same(measure(1), first[1]), "reported after its time"
    third = measure(2)
    assert (third["payee_fraud_count_24h"], third["payee_fraud_streak"]) == (1, 1)
    assert third["payee_seconds_since_fraud_report"] == np.float32((HOUR - 1) / 1000)
    send(store, columns, Report(0, START + 2 * HOUR + 1, fraud=False))
    assert same(measure(2), third), "corrected after its time"
    fourth = measure(3)
    assert (fourth["payee_fraud_count_24h"], fourth["payee_report_fraud_share_24h"]) == (0, 0)
    send(store, columns, Report(1, START + HOUR + 2, fraud=True))
    assert measure(2)["payee_fraud_count_24h"] == 2, "late, but of an earlier time: known when it is measured anew"


# The kernel alone -------------------------------------------------------------------------------------------------

sum_up = outer(sum_up_reports)
AGES = sorted({edge + off for edge in (0, DAY, 7 * DAY, LONGEST) for off in (-1, 0, 1)} | {HOUR, 2 * DAY, 20 * DAY})
ages = st.sampled_from(AGES)
logs = st.lists(st.tuples(ages, st.sampled_from((GENUINE, FRAUD)), st.integers(0, 3)), max_size=12)


def summed_up(log: bytes, now: int, standing: Standing | None = None) -> dict[str, Any]:
    """What the kernel says of an outcome log, as plain numbers."""
    risk = np.zeros(1, dtype=RISK)
    sum_up(np.frombuffer(log, dtype=np.uint8), 0, len(log), now, standing or Standing.make(), risk[0])
    return {name: risk[0][name].tolist() for name in RISK.names or ()}


def found(reports: list[tuple[int, int, int]], standing: Standing | None = None) -> dict[str, Any]:
    """What the kernel says at START of reports (age, outcome, payment)."""
    return summed_up(b"".join(pack_report(START - age, *report) for age, *report in reports), START, standing)


def expected(reports: list[tuple[int, int, int]]) -> dict[str, Any]:
    """The newest report of a payment that is not later than START stands; ties by position."""
    newest: dict[int, tuple[int, int, int]] = {}
    for at, (age, outcome, payment) in enumerate(reports):
        if age >= 0:
            newest[payment] = max(newest.get(payment, (-LONGEST * 2, -1, 0)), (-age, at, outcome))
    standing = sorted(one for one in newest.values() if -one[0] < LONGEST)
    outcomes = "".join("F" if outcome == FRAUD else "g" for _, _, outcome in standing)
    streak = len(outcomes) - len(outcomes.rstrip("F"))
    times: dict[int, list[int]] = {outcome: [START + at for at, _, o in standing if o == outcome] for outcome in (0, 1)}
    return {
        "reports": [sum(-at < within for at, _, _ in standing) for within in (DAY, 7 * DAY, LONGEST)],
        "frauds": [sum(-at < within and o == FRAUD for at, _, o in standing) for within in (DAY, 7 * DAY, LONGEST)],
        "streak": streak,
        "streak_began": START + standing[-streak][0] if streak else NEVER,
        "last_fraud": max(times[FRAUD], default=NEVER),
        "last_genuine": max(times[GENUINE], default=NEVER),
    }


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(logs, logs)
def test_the_newest_report_stands_in_any_order(reports: list[tuple[int, int, int]], others: list[Any]) -> None:
    standing = Standing.make()
    assert found(reports, standing) == expected(reports)
    assert found(others, standing) == expected(others)  # what was found of one entity is not seen of the next
    assert found(reports, standing) == expected(reports)


@pytest.mark.parametrize(("age", "counted"), [(0, 1), (1, 1), (LONGEST - 1, 1), (LONGEST, 0), (-1, 0)])
def test_a_report_counts_from_its_time_on_for_30_days(age: int, counted: int) -> None:
    risk = found([(age, FRAUD, 2**64 - 1)])
    assert risk["frauds"] == [int(0 <= age < DAY), int(0 <= age < 7 * DAY), counted]
    assert risk["reports"] == risk["frauds"]


def test_a_streak_ends_at_the_last_genuine_report() -> None:
    """Correcting a payment of the past does not end it: the correction is new, and what it corrects never was."""
    days = [(5 * DAY, FRAUD, 1), (4 * DAY, GENUINE, 2), (3 * DAY, FRAUD, 3), (2 * DAY, FRAUD, 4)]
    assert (found(days)["streak"], found(days)["streak_began"]) == (2, START - 3 * DAY)
    corrected = [*days, (DAY, FRAUD, 2)]
    assert (found(corrected)["streak"], found(corrected)["streak_began"]) == (4, START - 5 * DAY)
    assert found([*days, (DAY, GENUINE, 3)])["streak"] == 0
    assert found([*days, (2 * DAY, GENUINE, 5)])["streak"] == 0, "of equal times, what arrived last is the last"
    assert found([(2 * DAY, GENUINE, 5), *days])["streak"] == 1


def test_as_many_payments_as_reports_are_read() -> None:
    r = random.Random(3)
    reports = [(r.randrange(LONGEST), r.choice((GENUINE, FRAUD)), r.randrange(2**64)) for _ in range(MAX_REPORTS)]
    assert found(reports) == expected(reports)
    older = [(1, FRAUD, n) for n in range(40)]
    assert found([*older, *reports]) == expected(reports), "of more, the newest count"
