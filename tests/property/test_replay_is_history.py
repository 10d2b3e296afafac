"""A merged replay gives the vectors of the files, for every order of times: equal ones, late ones, early outcomes.

payments   1  1  3  2  3          an outcome comes when their clock has passed its time, behind its own payment:
outcomes   of the second, at 1         1  1 | 3  2  3
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.history import OutcomeReports, arrivals, history_vectors
from features.online import OnlineFeatures
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from files.source import Message
from simulator.replay import Merger
from simulator.schedule import AtOnce
from tests.oracle import Payment, Report, columns_of
from tests.property.test_features_risk import send
from tests.unit.test_simulator_merge import Log

if TYPE_CHECKING:
    from features.columns import PaymentColumns

START = 1_790_000_000_000
times = st.integers(0, 6)
payments_drawn = st.lists(st.tuples(times, st.integers(1, 2)), min_size=1, max_size=9)
outcomes_drawn = st.lists(st.tuples(st.integers(0, 8), st.integers(-1, 8), st.booleans()), max_size=9)


def merged(event_times: list[int], outcomes: list[tuple[int, int, bool]]) -> tuple[list[list[str]], list[str]]:
    """Return what the replay sends, cut wherever the group had committed all before, and in one run."""
    log = Log()
    payments = [Message(b"k", f"p{row}".encode(), at, f"t{row}") for row, at in enumerate(event_times)]
    reports = [Message(b"t", f"o{n}".encode(), at, f"t{row}") for n, (at, row, _) in enumerate(outcomes)]
    Merger(log, log, ("pay", "out"), 5.0).replay(payments, reports, AtOnce())  # type: ignore[arg-type]
    sent = [value.decode() for _, value in log.records]
    cuts = [0, *sorted({count for count, _ in log.committed_at}), len(sent)]
    return [sent[start:end] for start, end in pairwise(cuts)], sent


@settings(max_examples=300, deadline=None)
@given(st.lists(times, min_size=1, max_size=9), outcomes_drawn)
def test_outcomes_arrive_where_the_history_lets_them(
    event_times: list[int], drawn: list[tuple[int, int, bool]]
) -> None:
    drawn = [outcome for outcome in drawn if outcome[1] < len(event_times)]
    own = [number for number, (_, row, _) in enumerate(drawn) if row >= 0]
    _, sent = merged(event_times, drawn)
    reports = OutcomeReports(
        *(np.array([drawn[n][at] for n in own], dtype=kind) for at, kind in ((1, int), (0, int), (2, bool)))
    )
    arrived = arrivals(np.array(event_times), reports)
    for number, row in zip(own, arrived.tolist(), strict=True):
        before = [one for one in sent[: sent.index(f"o{number}")] if one.startswith("p")]
        assert len(before) == row, (sent, number)
    expected = sorted(own, key=lambda n: (arrived[own.index(n)], drawn[n][0]))
    assert [one for one in sent if one[0] == "o" and int(one[1:]) in own] == [f"o{number}" for number in expected]


def streamed(columns: PaymentColumns, slices: list[list[str]], reports: list[Report]) -> np.ndarray:
    """Measure as a worker that gets slice after slice, and reports of each payment the newest outcome of a slice."""
    store, vectors, at = MemoryEntityStore(), [], 0
    features = OnlineFeatures(store, 8 << 20)
    for records in slices:
        newest: dict[int, Report] = {}
        for one in (record for record in records if record[0] == "o"):
            report = reports[int(one[1:])]
            stands = newest.pop(report.row, None)
            newest[report.row] = report if stands is None or report.reported_at >= stands.reported_at else stands
        for report in newest.values():
            send(store, columns, report)
        rows = np.array([int(one[1:]) for one in records if one[0] == "p"], dtype=np.int64)
        if len(rows):
            claims = Claims(np.zeros(len(rows), dtype=np.uint16), rows)
            origin = Origin(b"t:0", int(rows[0]), int(rows[-1]) + 1)
            vectors.append(features.process(columns.take(rows), claims, [origin]).vectors)
            at += len(rows)
    assert at == len(columns)
    return np.concatenate(vectors)


@settings(max_examples=150, deadline=None)
@given(payments_drawn, outcomes_drawn)
def test_a_merged_replay_is_the_history_to_the_last_bit(
    drawn: list[tuple[int, int]], outcomes: list[tuple[int, int, bool]]
) -> None:
    payments = [
        Payment(row + 1, START + at, 100 + row, 1 + row % 2, payee, 3 * (row % 3))
        for row, (at, payee) in enumerate(drawn)
    ]
    outcomes = [outcome for outcome in outcomes if 0 <= outcome[1] < len(payments)]
    reports = [Report(row, START + at, fraud) for at, row, fraud in outcomes]
    columns = columns_of(payments)
    slices, _ = merged(
        [payment.event_time for payment in payments],
        [(report.reported_at, report.row, report.fraud) for report in reports],
    )
    offline = OutcomeReports(
        np.array([report.row for report in reports], dtype=np.int64),
        np.array([report.reported_at for report in reports], dtype=np.int64),
        np.array([report.fraud for report in reports], dtype=np.bool_),
    )
    vectors, _ = history_vectors(columns, offline)
    assert streamed(columns, slices, reports).tobytes() == vectors.tobytes()
