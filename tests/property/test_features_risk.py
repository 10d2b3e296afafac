"""Outcome risk as of the moment: newest report stands, whatever the order they come in.

payment a -------- b ------------- c ---------- d        b, c, d are to the payee of a
report of a   F@1        G@3  F@2                        a stands as fraud for b, as genuine for c and d
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import entities
from features.history import OutcomeReports, history_vectors
from features.measure.risk import FRAUD, GENUINE, MAX_REPORTS, confirmed_frauds, pack_report
from features.online import OnlineFeatures
from features.schema import FEATURE_NAMES
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from tests.fixtures.payment_streams import Script, reports_on, scripts
from tests.oracle import DAY, HOUR, LONGEST, Oracle, Payment, Report, columns_of, differences

if TYPE_CHECKING:
    from features.columns import PaymentColumns
    from features.store.contract import EntityStore

DEVICE_REPORTS = entities.DEVICE.reports
PAYEE_REPORTS = entities.PAYEE.reports

RATES = ("payee_fraud_rate_30d", "device_fraud_rate_30d")
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
def test_a_rate_counts_what_stood_as_fraud_at_the_time(script: Script, seed: int, count: int) -> None:
    payments = script.payments()
    reports = reports_on(payments, seed, count)
    vectors, _ = history_vectors(columns_of(payments), outcomes_of(reports))
    oracle = Oracle(payments, reports)
    columns = [FEATURE_NAMES.index(name) for name in RATES]
    for row in range(len(payments)):
        assert not differences(vectors[row][columns], oracle.vector(row, RATES)), row


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
    last = vectors[-1][FEATURE_NAMES.index(RATES[0])]
    assert last == np.float32(sum(report.fraud for report in reports[-MAX_REPORTS:]) / len(payments))


def test_no_payment_knows_its_own_outcome() -> None:
    """However early a report claims to be made, it cannot be had before its payment was delivered."""
    payments = [Payment(n + 1, START + n * HOUR, 100, 1, 2, 3) for n in range(4)]
    reports = [Report(2, START - DAY, fraud=True)]
    vectors, _ = history_vectors(columns_of(payments), outcomes_of(reports))
    assert vectors[:, FEATURE_NAMES.index(RATES[0])].tolist() == [0, 0, 0, 0.25]


# The kernel alone -------------------------------------------------------------------------------------------------


def standing(reports: list[tuple[int, int, int]], now: int, window: int = LONGEST) -> int:
    """Newest report a payment not later than now, ties by position; count those that say fraud in the window."""
    newest: dict[int, tuple[int, int, int]] = {}
    for at, (reported_at, outcome, payment) in enumerate(reports):
        if reported_at <= now:
            newest[payment] = max(newest.get(payment, (-1, -1, 0)), (reported_at, at, outcome))
    return sum(outcome == FRAUD and now - window < reported_at for reported_at, _, outcome in newest.values())


logs = st.lists(st.tuples(st.integers(0, 12), st.sampled_from((GENUINE, FRAUD)), st.integers(0, 3)), max_size=12)


@pytest.mark.slow
@settings(deadline=None)
@given(logs, st.integers(0, 14), st.integers(1, 14))
def test_the_newest_report_stands_in_any_order(reports: list[tuple[int, int, int]], now: int, window: int) -> None:
    raw = np.frombuffer(b"".join(pack_report(*report) for report in reports), dtype=np.uint8)
    assert confirmed_frauds(raw, 0, len(raw), now, window) == standing(reports, now, window)


@pytest.mark.parametrize(("age", "counted"), [(0, 1), (1, 1), (LONGEST - 1, 1), (LONGEST, 0), (-1, 0)])
def test_a_report_counts_from_its_time_on_for_30_days(age: int, counted: int) -> None:
    raw = np.frombuffer(pack_report(START, FRAUD, 2**64 - 1), dtype=np.uint8)
    assert confirmed_frauds(raw, 0, 16, START + age, LONGEST) == counted
